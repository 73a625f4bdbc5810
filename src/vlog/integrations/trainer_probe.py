"""What no hook of the Trainer gives: exceptions, batches, the wait for them, and their losses.

Three methods of the one Trainer instance are wrapped. No class is patched, the Trainer is held by a
weak reference only, and no tensor is read that is not in the host's memory already.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_FRAMES = 12


class Listener(Protocol):
    """Who is told by the wrapped methods. None of these may raise."""

    def loop_begins(self, resume_from_checkpoint: str | None) -> None:
        """A run begins, before anything of it is set up."""
        ...

    def loop_raised(self, error: BaseException) -> None:
        """The run has raised, whether or not somebody catches it."""
        ...

    def loop_returned(self) -> None:
        """The run is over."""
        ...

    def batches_wanted(self) -> None:
        """The batches of a step are about to be fetched."""
        ...

    def micro_batch_begins(self) -> None:
        """A batch is about to go through the model."""
        ...

    def micro_batch_ended(self, inputs: Any, loss: Any) -> None:
        """A batch has gone forward and backward."""
        ...


def find_trainer(callback: object) -> Any:
    """Return the Trainer whose method is calling `callback` right now, or None."""
    frame = sys._getframe(1)  # noqa: SLF001 - hooks are not told their Trainer
    for _ in range(_MAX_FRAMES):
        names = frame.f_code.co_varnames[:1]
        owner = frame.f_locals.get(names[0]) if names else None
        handler = getattr(owner, "callback_handler", None)
        if handler is not None and any(
            known is callback for known in getattr(handler, "callbacks", ())
        ):
            return owner
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def wrap_trainer(trainer: Any, listener: Listener) -> None:
    """Wrap the loop, the fetching of batches and the training step of this `trainer`."""
    _wrap_method(trainer, "_inner_training_loop", lambda run: _watch_loop(run, listener))
    _wrap_method(trainer, "get_batch_samples", lambda run: _watch_batches(run, listener))
    _wrap_method(trainer, "training_step", lambda run: _watch_step(run, listener))


def _watch_loop(run: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    def inner_training_loop(*args: Any, **kwargs: Any) -> Any:
        try:  # a Ctrl-C that waited while the run was opened is raised in here
            listener.loop_begins(kwargs.get("resume_from_checkpoint"))
            result = run(*args, **kwargs)
        except BaseException as error:
            listener.loop_raised(error)
            raise
        listener.loop_returned()
        return result

    return inner_training_loop


def _watch_batches(run: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    def get_batch_samples(*args: Any, **kwargs: Any) -> Any:
        listener.batches_wanted()
        return run(*args, **kwargs)

    return get_batch_samples


def _watch_step(run: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    def training_step(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        listener.micro_batch_begins()
        loss = run(model, inputs, *args, **kwargs)
        listener.micro_batch_ended(inputs, loss)
        return loss

    return training_step


def _wrap_method(
    trainer: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    owner = weakref.ref(trainer)
    own = vars(trainer).get(name)  # somebody's wrapper of this instance: keep it in the chain
    plain = getattr(type(trainer), name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if own is not None:
            return own(*args, **kwargs)
        # Looked up at each call, so that a class patched later (Unsloth does) is still used.
        return getattr(type(owner()), name)(owner(), *args, **kwargs)

    wrapped = make(run)
    wrapped.__name__ = name
    wrapped.__doc__ = plain.__doc__
    parameters = list(inspect.signature(plain).parameters.values())[1:]
    # Batch-size finders look at the signature to call the loop.
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    setattr(trainer, name, wrapped)
