"""Questions to a device: each stands alone, and is asked no more often than it is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.resources.source import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlog.resources.source import Fields

REFUSED_SECONDS = 60.0  # until something is asked for again that the device has not got


class Question(NamedTuple):
    """What is asked of a device.

    Attributes:
        name: Stands for its fields if they cannot be read.
        read: Returns its fields.
        every_seconds: Its answer holds good for so long; 0 asks at each reading.
    """

    name: str
    read: Callable[[], dict[str, Any]]
    every_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Answer:
    due: float
    values: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None


class Questions:
    """Ask the questions, and keep the answers for as long as they hold good.

    Args:
        questions: What is asked, in this order.
        fatal: Errors that end the reading: with them no other question has an answer either.
    """

    def __init__(
        self, questions: Sequence[Question], fatal: tuple[type[Exception], ...] = ()
    ) -> None:
        self._questions = questions
        self._fatal = fatal
        self._answers: dict[str, _Answer] = {}

    def ask(self, fields: Fields, now: float) -> None:
        """Put the answers into `fields`, as of `now` in monotonic seconds."""
        for question in self._questions:
            answer = self._answers.get(question.name)
            if answer is None or now >= answer.due:
                answer = self._answers[question.name] = self._ask(question, now)
            fields.values.update(answer.values)
            if answer.error is not None:
                fields.gaps[question.name] = answer.error

    def _ask(self, question: Question, now: float) -> _Answer:
        try:
            return _Answer(now + question.every_seconds, question.read())
        except self._fatal:
            raise
        except Exception as error:  # noqa: BLE001 - it costs these fields, and is told
            wait = REFUSED_SECONDS if is_unavailable(error) else 0.0
            return _Answer(now + wait, error=error.with_traceback(None))
