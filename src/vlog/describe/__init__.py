"""What a run is made of, read once at its start: environment, model, data sets.

Nothing here imports a framework: models and data sets are read by the names that they share.
"""

from __future__ import annotations

from vlog.describe.batch import BatchStructures
from vlog.describe.checkpoint import describe_checkpoint
from vlog.describe.dataset import count_batch, describe_dataset, describe_structure
from vlog.describe.environment import describe_environment
from vlog.describe.exception import describe_exception, described
from vlog.describe.model import describe_model

__all__ = [
    "BatchStructures",
    "count_batch",
    "describe_checkpoint",
    "describe_dataset",
    "describe_environment",
    "describe_exception",
    "describe_model",
    "describe_structure",
    "described",
]
