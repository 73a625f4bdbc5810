"""What a loop and its own objects say: the plan in steps, a step, the model, the optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import count
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from vlog.describe import describe_dataset, describe_model, described
from vlog.device_values import host_number
from vlog.errors import ConfigurationError, check_count
from vlog.timing import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclasses.dataclass
class OpenStep:
    """What is known of a step that goes on.

    Attributes:
        metrics: What was logged in it.
        facts: Other fields of its entry.
        samples: Samples of this rank in it, so far.
        tokens: Tokens of this rank in it, so far.
        micro_batches: Those that are done.
        batch: What is known of the micro-batch that goes on; None between two.
        batch_began: The ledger's seconds of forward/backward when that began.
        has_stepped: Whether the optimizer has been called.
        learning_rate: That it was called with; None if nobody knows.
    """

    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    samples: int = 0
    tokens: int = 0
    micro_batches: int = 0
    batch: dict[str, Any] | None = None
    batch_began: float = 0.0
    has_stepped: bool = False
    learning_rate: float | None = None


class Spacing:
    """The steps between two evaluations, or checkpoints: as given, or else as last seen.

    Args:
        name: What the user calls it.
        given: It; None if the user does not say.
        start_step: Steps done by earlier runs.

    Raises:
        ConfigurationError: `given` is no whole number above 0.

    Attributes:
        steps: The steps; None as long as nobody knows.
    """

    def __init__(self, name: str, given: int | None, start_step: int) -> None:
        if given is not None:
            check_count(name, given)
        self.steps = given
        self._is_given = given is not None
        self._last = start_step

    def seen(self, step: int) -> None:
        """Note that one has come after `step`."""
        if not self._is_given and step > self._last:
            self.steps = step - self._last
        self._last = step


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
        evaluations: Their spacing.
        checkpoints: Theirs.
    """

    def __init__(
        self,
        total_steps: int | None,
        start_step: int,
        evaluate_every: int | None,
        save_every: int | None,
    ) -> None:
        check_count("start_step", start_step, 0)
        if total_steps is not None:
            check_count("total_steps", total_steps)
        self.start_step = self.step = start_step
        self.epochs: int | None = None
        self.evaluations = Spacing("evaluate_every", evaluate_every, start_step)
        self.checkpoints = Spacing("save_every", save_every, start_step)
        self._total_steps = total_steps
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
        return Schedule(self.total_steps, self.evaluations.steps, self.checkpoints.steps)

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


def watchable(optimizer: Any) -> Any:
    """Return the torch optimizer whose steps can be watched: `optimizer`, or the one inside it.

    Accelerate wraps an optimizer in another, which has hooks in name only.

    Raises:
        ConfigurationError: `optimizer` is neither None nor such a one.
    """
    if optimizer is None:
        return None
    for each in (optimizer, getattr(optimizer, "optimizer", None)):
        try:
            watch_optimizer(each, _nothing, _nothing)()
        except AttributeError:
            continue
        return each
    raise ConfigurationError(
        f"optimizer is a {type(optimizer).__name__}. Expected a torch optimizer, or None."
    )


def _nothing() -> None:
    return None


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
    """Return a number that is not Python's own as one that is, and anything else as it is.

    That is one of NumPy's or of another package, or a tensor's in the host's memory.
    """
    if type(value) is float or isinstance(value, int):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    number = host_number(value)
    return value if number is None else number
