"""A bad row is named by file, place and column; nothing is loaded, logged or created for it."""

import json
from pathlib import Path

import pytest

import vlog
from vlog.errors import ConfigurationError

GOOD = {"instruction": "Add 1 and 1.", "output": "2"}


def write(name, content):
    if isinstance(content, str):
        content = content.encode()
    Path(name).write_bytes(content)


def refusal(name, content, **config):
    """Return the message about a file; nothing else may be there afterwards."""
    write(name, content)
    before = sorted(path.name for path in Path().iterdir())
    with pytest.raises(ConfigurationError) as raised:
        vlog.train_with_config({"model_name": "owner/none", "dataset": name, **config})
    assert before == sorted(path.name for path in Path().iterdir())
    return str(raised.value)


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


class TestJsonl:
    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ('{"instruction": ', "line 2 is not JSON: "),
            ('{"instruction": "a", "output": NaN}', "line 2 is not JSON: "),
            ("[1, 2]", "line 2 is [1, 2]. Expected an object."),
            ('{"instruction": "a"}', "line 2, column 'output' is missing."),
            ('{"instruction": "a", "output": 5}', "line 2, column 'output' is 5. Expected text."),
            ('{"instruction": "a", "output": null}', "column 'output' is None. Expected text."),
            ('{"instruction": "a", "output": " "}', "line 2, column 'output' is empty."),
            ('{"instruction": "a", "output": "b", "input": 1}', "line 2, column 'input' is 1."),
            ('{"text": "a"}', "column 'instruction' is missing; the row has `text`: one form"),
            (b'{"instruction": "\xe9", "output": "b"}', "line 2 is not UTF-8 (byte 0xe9)."),
            (b'{"instruction": "\0", "output": "b"}', "line 2 has a NUL byte"),
            ('{"output": "a", "output": "b"}', "line 2 names the key 'output' twice."),
            ('{"x": [{"a": 1, "a": 2}], "b": 3}', "line 2 names the key 'a' twice."),
            ('{"x": ' + "[" * 1_000 + "]" * 1_000 + "}", "line 2 is nested too deeply."),
        ],
    )
    def test_names_the_line_and_the_column(self, line, fault):
        line = line.encode() if isinstance(line, str) else line
        message = refusal("data.jsonl", lines(GOOD).encode() + line + b"\n" + lines(GOOD).encode())

        assert message.startswith("'data.jsonl' has 1 bad row, and nothing was trained.")
        assert fault in message

    def test_shows_the_first_five_and_counts_all(self):
        message = refusal("data.jsonl", lines(GOOD, *[{"instruction": "a"}] * 1_234))

        assert "has 1,234 bad rows" in message
        assert [f"  line {n}, column 'output' is missing." for n in range(2, 7)] == (
            message.splitlines()[1:6]
        )
        assert message.splitlines()[6:] == ["  ... and 1,229 more."]

    def test_counts_blank_lines_too(self):
        assert "line 4, column" in refusal(
            "data.jsonl", lines(GOOD) + "\n\n" + lines({"output": "x"})
        )

    def test_names_the_columns_found_and_those_allowed(self):
        message = refusal("data.jsonl", lines({"question": "a", "answer": "b"}))

        assert "line 1 has no columns to train on: found 'question', 'answer'." in message
        for allowed in ("`messages`", "`prompt` and `completion`", "`instruction`", "`text`"):
            assert allowed in message

    @pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
    def test_refuses_an_empty_file(self, content):
        assert "'data.jsonl' has no rows. Nothing was trained." == refusal("data.jsonl", content)

    @pytest.mark.parametrize(
        ("messages", "fault"),
        [
            ([], "is []. Expected a list of {role, content}"),
            ("hello", "is 'hello'. Expected a list"),
            (["hello"], "has message 0 (from 0) that is 'hello'. Expected {role, content}"),
            ([{"role": "user"}], "has message 0 (from 0) without content"),
            ([{"content": "a"}], "has message 0 (from 0) without role"),
            ([{"role": "bot", "content": "a"}], "with role 'bot'. Expected one of: system,"),
            ([{"role": [], "content": "a"}], "with role []. Expected one of: system,"),
            ([{"role": "user", "content": ""}], "has message 0 (from 0) whose content is empty"),
            ([{"role": "user", "content": ["a"]}], "whose content is ['a']. Expected text"),
            ([{"role": "user", "content": "a", "name": "x"}], "with the key 'name'"),
        ],
    )
    def test_says_what_is_wrong_with_a_conversation(self, messages, fault):
        good = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        message = refusal("data.jsonl", lines({"messages": good}, {"messages": messages}))

        assert "line 2, column 'messages' " in message
        assert fault in message


class TestJson:
    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (json.dumps([GOOD, {"instruction": "a"}]), "index 1, column 'output' is missing."),
            (json.dumps([GOOD, 7]), "index 1 is 7. Expected an object."),
            ('[{"text": "a"}, {"text": "b", "text": "c"}]', "index 1 names the key 'text' twice."),
            ('[\n{"a": 1},\n{"b": }\n]', "line 3 is not JSON: "),
            (lines(GOOD, GOOD), "One object a line is JSONL: name it .jsonl."),
            (json.dumps(GOOD), "line 1 holds {'instruction'"),
            (b"[\n\xff]", "line 2 is not UTF-8 (byte 0xff)."),
            (b"[\n\n\0]", "line 3 has a NUL byte"),
        ],
    )
    def test_names_the_index_and_the_column(self, content, fault):
        assert fault in refusal("data.json", content)

    @pytest.mark.parametrize("content", ["", " \n", "[]"])
    def test_refuses_an_empty_file(self, content):
        assert "'data.json' has no rows. Nothing was trained." == refusal("data.json", content)


class TestCsv:
    HEAD = "instruction,input,output\n"

    @pytest.mark.parametrize(
        ("rows", "fault"),
        [
            ("a,,b\na,b\n", "line 3 has 2 cells. Expected 3, as the first line."),
            ("a,,b\na,,b,c\n", "line 3 has 4 cells. Expected 3"),
            ("a,,\n", "line 2, column 'output' is empty. Expected text."),
            ('"a\nb",,c\n,,d\n', "line 4, column 'instruction' is empty."),
            ('a,,b\n"a,,b\n', "line 3 is not CSV: unexpected end of data."),
            ('"a"x,,b\n', "line 2 is not CSV: "),
            ("a,,\udce9\n", "line 2 is not UTF-8 (byte 0xe9)."),
            ("a,,b\n\0,,b\n", "line 3 has a NUL byte"),
        ],
    )
    def test_names_the_line_and_the_column(self, rows, fault):
        content = (self.HEAD + rows).encode(errors="surrogateescape")

        assert fault in refusal("data.csv", content)

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            ("instruction;output\na;b\n", "found 'instruction;output'. Expected `messages`"),
            ("text,text\na,b\n", "line 1 names the column 'text' twice."),
            ('messages\n"[{}]"\n', "column 'messages' is '[{}]'. Expected a list"),
        ],
    )
    def test_looks_at_the_names_of_the_columns(self, content, fault):
        assert fault in refusal("data.csv", content)

    @pytest.mark.parametrize("content", ["", "instruction,output\n", "\n\n"])
    def test_refuses_an_empty_file(self, content):
        assert "'data.csv' has no rows. Nothing was trained." == refusal("data.csv", content)


class TestASource:
    @pytest.mark.parametrize(
        "name",
        ["none.jsonl", "owner/none.csv", "./none", "../none", "/none", "a/b/c", "C:\\data",
         "x.parquet", "", "two words", "a\0b", "https://host/data", "~nobody/x", "x/" * 5_000],
    )  # fmt: skip
    def test_that_looks_like_a_path_is_never_asked_for_on_the_hub(self, name):
        with pytest.raises(ConfigurationError, match="there is no such file or folder"):
            vlog.train_with_config({"model_name": "owner/none"}, name)

    def test_of_another_kind_is_refused(self):
        write("data.txt", "text")
        Path("empty").mkdir()

        for name, fault in (("data.txt", "Expected a .csv"), ("empty", "no data in this folder")):
            with pytest.raises(ConfigurationError, match=fault):
                vlog.train_with_config({"model_name": "owner/none", "dataset": name})

    @pytest.mark.parametrize("value", [5, [GOOD], {"train": [GOOD]}])
    def test_that_is_no_data_set_is_refused(self, value):
        with pytest.raises(ConfigurationError, match="Expected a Hub name, the path of"):
            vlog.train_with_config({"model_name": "owner/none"}, value)

    def test_of_a_folder_has_one_form(self):
        Path("data").mkdir()
        write("data/a.jsonl", lines(GOOD))
        message = refusal("data/b.json", json.dumps([{"text": "x"}]), dataset="data")

        assert message.startswith("'data/b.json' has 1 bad row")
        assert "index 0, column 'instruction' is missing" in message

    def test_for_evaluation_is_checked_as_well(self):
        write("good.jsonl", lines(GOOD))
        message = refusal("bad.jsonl", lines({}), dataset="good.jsonl", eval_dataset="bad.jsonl")

        assert "found none" in message

    def test_with_a_text_field_has_that_column(self):
        message = refusal("data.jsonl", lines({"text": "a"}), text_field="body")

        assert "found 'text'. Expected `body`" in message
