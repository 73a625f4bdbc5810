"""Plain training loops whose steps take a given time, told to vlog or not."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from monitor_cost import pure_python, speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks import Meter

    import vlog


class Work(NamedTuple):
    """A step of a loop: `unit` is repeated as often as it takes, then `end` comes once."""

    unit: Callable[[], Any]
    end: Callable[[], Any] = lambda: None
    optimizer: Any = None

    def step_of(self, seconds: float) -> Callable[[], None]:
        """Return a step that takes about `seconds`."""
        speed(self.unit, 0.2)
        repeats = max(1, round(seconds * speed(self.unit, 0.5)))

        def step() -> None:
            for _ in range(repeats):
                self.unit()
            self.end()

        return step


def numpy_arrays() -> Work:
    values = np.random.default_rng(1).normal(size=(160, 160))
    return Work(lambda: np.tanh(values * values).sum())  # no BLAS: that has threads of its own


def torch_training() -> Work:
    model = torch.nn.Sequential(
        torch.nn.Linear(128, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters())
    inputs, labels = torch.randn(64, 128), torch.randint(0, 10, (64,))

    def end() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return Work(
        lambda: torch.nn.functional.cross_entropy(model(inputs), labels).backward(), end, optimizer
    )


LOOPS: dict[str, Callable[[], Work]] = {
    "pure Python": lambda: Work(pure_python()),
    "NumPy": numpy_arrays,
    "torch": torch_training,
}


class MeteredOptimizer:
    """An optimizer that times, or leaves out, what vlog has it call."""

    def __init__(self, optimizer: Any, meter: Meter) -> None:
        self._optimizer, self._meter = optimizer, meter
        self.param_groups = optimizer.param_groups

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Any:
        """Have `hook` called before each step with the meter on."""
        return self._optimizer.register_step_pre_hook(self._meter.wrap(hook))

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Any:
        """Have `hook` called after each step with the meter on."""
        return self._optimizer.register_step_post_hook(self._meter.wrap(hook))


def loop_steps(run: vlog.TrainingRun, meter: Meter, work: Callable[[], None]) -> Iterator[None]:
    """Do one step at each `next`, told to `run` while the meter is on."""
    batch = {"input_ids": torch.zeros(4, 128, dtype=torch.long), "labels": torch.zeros(4, 128)}
    next_batch = meter.wrap(iter(run.steps(itertools.repeat(batch))).__next__)
    log = meter.wrap(run.log)
    while True:
        if meter.is_on:
            next_batch()
            work()
            log(loss=0.5, accuracy=0.25)
        else:
            work()
        yield
