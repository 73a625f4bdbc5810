"""What was raised is told whatever it is, and a description that raises costs nothing else."""

from vlog.describe import describe_exception, described


class NoTextError(Exception):
    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __str__


class OddError(Exception):
    __cause__ = property(lambda self: 1 / 0)


class TestDescribeException:
    def test_tells_type_message_and_stack_with_notes_and_causes(self):
        try:
            try:
                raise KeyError("first")  # noqa: TRY301 - to be the cause
            except KeyError as cause:
                error = ValueError("second")
                error.add_note("a note")
                raise error from cause
        except ValueError as caught:
            found = describe_exception(caught)

        assert ("ValueError", "second") == (found["type"], found["message"])
        for text in ("KeyError: 'first'", "ValueError: second", "a note", "in test_tells_type"):
            assert text in found["stack"]

    def test_tells_of_each_of_a_group(self):
        stack = describe_exception(ExceptionGroup("two", [ValueError("a"), KeyError("b")]))["stack"]

        assert "ValueError: a" in stack
        assert "KeyError: 'b'" in stack

    def test_says_where_a_text_raised(self):
        assert {
            "type": "NoTextError",
            "message": "<text raised ZeroDivisionError>",
            "stack": "NoTextError: <exception str() failed>\n",
        } == {
            name: text.replace(f"{__name__}.", "")
            for name, text in describe_exception(NoTextError()).items()
        }
        assert "<text raised ZeroDivisionError>" == describe_exception(OddError("a"))["stack"]


class TestDescribed:
    def test_returns_what_is_said_or_why_not(self):
        def refuse(error):
            raise error

        assert {"a": 1} == described(dict, a=1)
        assert {"not_described": "ValueError: no"} == described(refuse, ValueError("no"))
        assert {"not_described": "NoTextError: <text raised ZeroDivisionError>"} == (
            described(refuse, NoTextError())
        )
