"""What a loop's own objects say: the plan in steps, the model, the optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import count
from numbers import Real
from typing import TYPE_CHECKING, Any

from vlog.describe import describe_dataset, describe_model, described
from vlog.errors import ConfigurationError, check_count
from vlog.timing import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Plan:
    """How many steps are to come, as far as it is known by now.

    Args:
        total_steps: Of the whole training; None if nobody knows.
        start_step: Steps done by earlier runs.
        evaluate_every: Steps between evaluations; None without them.
        save_every: Steps between checkpoints; None without them.

    Raises:
        ConfigurationError: a number is none, or out of its range.

    Attributes:
        start_step: The same.
        epochs: Epochs of the whole training; None if nobody knows.
        step: Steps done.
    """

    def __init__(
        self,
        total_steps: int | None,
        start_step: int,
        evaluate_every: int | None,
        save_every: int | None,
    ) -> None:
        check_count("start_step", start_step, 0)
        optional = {
            "total_steps": total_steps,
            "evaluate_every": evaluate_every,
            "save_every": save_every,
        }
        for name, value in optional.items():
            if value is not None:
                check_count(name, value)
        self.start_step = self.step = start_step
        self.epochs: int | None = None
        self._total_steps = total_steps
        self._evaluate_every = evaluate_every
        self._save_every = save_every
        self._accumulate = 1
        self._batches: int | None = None
        self._steps_in_epoch = 0

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole training: what was given, or what epochs and loader make up."""
        if self._total_steps is None and self.epochs is not None and self._steps_per_epoch:
            return self.epochs * self._steps_per_epoch
        return self._total_steps

    @property
    def _steps_per_epoch(self) -> int | None:
        return None if self._batches is None else -(-self._batches // self._accumulate)

    @property
    def schedule(self) -> Schedule:
        """The same as the ETA needs it."""
        return Schedule(self.total_steps, self._evaluate_every, self._save_every)

    @property
    def batch(self) -> dict[str, int]:
        """What makes up a step."""
        known = {} if self._batches is None else {"micro_batches_per_epoch": self._batches}
        return {"gradient_accumulation_steps": self._accumulate, **known}

    def loader_begins(self, loader: Any, accumulate: int) -> None:
        """Note how many batches the loader of an epoch has, if it has a length."""
        self._accumulate = accumulate
        try:
            self._batches = len(loader) or None
        except TypeError:  # an iterator, or one of unknown length
            self._batches = None

    def epoch_begins(self) -> None:
        """Begin to count an epoch's steps."""
        self._steps_in_epoch = 0

    def step_done(self) -> None:
        """Count a step."""
        self.step += 1
        self._steps_in_epoch += 1

    def epoch(self, number: int | None) -> float | None:
        """Return the epochs done, as a fraction where the length of one is known.

        Args:
            number: The epoch that goes on, from 0; None if the loop does not say.
        """
        per_epoch = self._steps_per_epoch
        if number is None:
            return self.step / per_epoch if per_epoch else None
        return number + (min(self._steps_in_epoch / per_epoch, 1.0) if per_epoch else 0.0)

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the steps to come, for ever if nobody knows how many."""
        first = self.step + 1
        return count(first) if self.total_steps is None else range(first, self.total_steps + 1)


def initialization_of(model: Any, dataset: Any, config: Any) -> dict[str, Any]:
    """Return `arguments`, `model` and `dataset` of `training_initialization`: those given."""
    found: dict[str, Any] = {}
    if config is not None:
        found["arguments"] = described(_as_mapping, config)
    if model is not None:
        found["model"] = described(describe_model, model)
    if dataset is not None:
        found["dataset"] = {"train": described(describe_dataset, dataset)}
    return found


def _as_mapping(config: Any) -> dict[str, Any]:
    """Return a configuration of any usual kind as a dict."""
    if isinstance(config, Mapping):
        return dict(config)
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    if hasattr(config, "to_dict"):
        return dict(config.to_dict())
    return {name: value for name, value in vars(config).items() if not name.startswith("_")}


def learning_rate_of(optimizer: Any) -> float | None:
    """Return the first rate of an optimizer, unless it is a tensor that may lie on a device."""
    rate = optimizer.param_groups[0].get("lr")
    return float(rate) if isinstance(rate, (int, float)) else None


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is neither None nor a torch optimizer.

    Raises:
        ConfigurationError: it is something else.
    """
    if optimizer is not None and not hasattr(optimizer, "register_step_pre_hook"):
        raise ConfigurationError(
            f"optimizer is a {type(optimizer).__name__}. Expected a torch optimizer, or None."
        )


def watch_optimizer(
    optimizer: Any, begins: Callable[[], None], ended: Callable[[], None]
) -> Callable[[], None]:
    """Have every `step` of a torch optimizer told; return what ends that."""
    handles = (
        optimizer.register_step_pre_hook(lambda *_: begins()),
        optimizer.register_step_post_hook(lambda *_: ended()),
    )

    def unwatch() -> None:
        for handle in handles:
            handle.remove()

    return unwatch


def plain_number(value: Any) -> Any:
    """Return a number of NumPy's or another package's as Python's own; anything else as it is."""
    is_other = isinstance(value, Real) and not isinstance(value, (int, float))
    return float(value) if is_other else value
