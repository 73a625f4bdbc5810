"""Questions stand alone, and are asked as often as they are worth."""

import pytest

from vlog.resources.gpu.questions import REFUSED_SECONDS, Question, Questions
from vlog.resources.source import Fields, Unavailable


class Device:
    """Answers with a count of the calls, or raises."""

    def __init__(self, error=None):
        self.calls = 0
        self.error = error

    def read(self):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return {"x": self.calls}


def asked(questions, now):
    fields = Fields()
    questions.ask(fields, now)
    return fields.values, {name: str(error) for name, error in fields.gaps.items()}


class TestQuestions:
    def test_are_asked_at_each_reading(self):
        device = Device()
        questions = Questions([Question("x", device.read)])

        assert [({"x": 1}, {}), ({"x": 2}, {})] == [asked(questions, now) for now in (0.0, 0.0)]

    def test_keep_an_answer_for_as_long_as_it_holds_good(self):
        questions = Questions([Question("x", Device().read, 60.0)])

        assert [1, 1, 2] == [asked(questions, now)[0]["x"] for now in (0.0, 59.9, 60.0)]

    def test_are_not_put_again_for_a_while_to_one_who_has_not_got_it(self):
        device = Device(Unavailable("no fan"))
        questions = Questions([Question("x", device.read)])

        assert ({}, {"x": "no fan"}) == asked(questions, 0.0)
        assert ({}, {"x": "no fan"}) == asked(questions, REFUSED_SECONDS - 1)
        assert 1 == device.calls
        device.error = None
        assert ({"x": 2}, {}) == asked(questions, REFUSED_SECONDS)

    def test_are_put_again_at_once_after_a_fault(self):
        device = Device(RuntimeError("broke"))
        questions = Questions([Question("x", device.read, 60.0)])
        assert ({}, {"x": "broke"}) == asked(questions, 0.0)
        device.error = None

        assert ({"x": 2}, {}) == asked(questions, 0.0)

    def test_stand_alone(self):
        bad = Question("bad", Device(RuntimeError("broke")).read)
        questions = Questions([bad, Question("x", Device().read)])

        assert ({"x": 1}, {"bad": "broke"}) == asked(questions, 0.0)

    def test_end_with_a_fatal_error(self):
        last = Device()
        questions = Questions(
            [Question("x", Device(KeyError()).read), Question("y", last.read)], (KeyError,)
        )
        with pytest.raises(KeyError):
            asked(questions, 0.0)

        assert 0 == last.calls
