"""What a Trainer's arguments and state say: the schedule, the batch, the checkpoint's place."""

from __future__ import annotations

import math
import os
from typing import Any

from vlog.describe import describe_dataset, describe_model, described
from vlog.schema import GB, MB
from vlog.timing import Schedule


def schedule_of(args: Any, state: Any, train_dataloader: Any) -> Schedule:
    """Return what the Trainer plans, in steps."""
    total = state.max_steps if state.max_steps and state.max_steps > 0 else None
    per_epoch = _steps_per_epoch(args, state, train_dataloader)
    evaluate_every = _every(args.eval_strategy, state.eval_steps, per_epoch)
    save_every = _every(args.save_strategy, state.save_steps, per_epoch)
    return Schedule(
        total_steps=total,
        evaluate_every=evaluate_every,
        save_every=save_every,
        evaluates_at_end=evaluate_every is not None,
        saves_at_end=save_every is not None,
    )


def _steps_per_epoch(args: Any, state: Any, train_dataloader: Any) -> int:
    try:
        steps = math.ceil(len(train_dataloader) / args.gradient_accumulation_steps)
    except TypeError:  # an iterable data set has no length
        steps = state.max_steps
    return max(int(steps), 1)


def _every(strategy: Any, steps: float | None, per_epoch: int) -> int | None:
    name = getattr(strategy, "value", strategy)
    if name == "steps":
        return int(steps) if steps and steps >= 1 else None
    return per_epoch if name == "epoch" else None


def skips_batches(args: Any, state: Any, train_dataloader: Any) -> bool:
    """Return whether a resumed epoch passes over batches before its first step."""
    per_epoch = _steps_per_epoch(args, state, train_dataloader)
    return not args.ignore_data_skip and state.global_step % per_epoch > 0


def batch_of(args: Any, state: Any) -> dict[str, int]:
    """Return the sizes that make up a step's samples."""
    sizes = {
        # The state's is the one in use, where a batch-size finder has made it smaller.
        "per_device_batch_size": state.train_batch_size or args.train_batch_size,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "world_size": args.world_size,
    }
    return {**sizes, "samples_per_step": math.prod(sizes.values())}


def first_checkpoint_gb(args: Any, model: dict[str, Any]) -> float | None:
    """Return the least that the first checkpoint needs, or None if none is planned or known.

    Args:
        args: Training arguments.
        model: See `vlog.describe.describe_model`.
    """
    strategy = getattr(args.save_strategy, "value", args.save_strategy)
    size, total = model.get("size_mb"), model.get("total_parameters")
    if strategy == "no" or not size or not total:
        return None
    trained = size * model["trainable_parameters"] / total  # an adapter is saved without its base
    optimizer = str(getattr(args.optim, "value", args.optim))
    has_moments = optimizer.startswith("adamw_torch") and not args.save_only_model
    return float(trained * (3 if has_moments else 1) * MB / GB)


def checkpoint_path(args: Any, state: Any) -> str | None:
    """Return the folder of the checkpoint of the current step, or None if it is not found."""
    name = f"checkpoint-{state.global_step}"
    folders = [args.output_dir]
    if state.trial_name:  # a hyper-parameter search saves each trial in a folder of its own
        folders.insert(0, os.path.join(args.output_dir, state.trial_name))  # noqa: PTH118
    for folder in folders:
        path = os.path.abspath(os.path.join(folder, name))  # noqa: PTH100, PTH118
        if os.path.isdir(path):  # noqa: PTH112
            return path
    return None


def initialization_of(
    args: Any, model: Any, datasets: dict[str, Any], with_content: bool
) -> dict[str, Any]:
    """Return `arguments`, `model` and `dataset` of `training_initialization`.

    A part that cannot be described says why, and costs no other part.
    """
    return {
        "arguments": described(args.to_dict),
        "model": described(describe_model, model),
        "dataset": {
            name: described(describe_dataset, data, with_content=with_content)
            for name, data in datasets.items()
            if data is not None
        },
    }
