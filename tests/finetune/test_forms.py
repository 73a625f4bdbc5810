"""Which form rows have, and what TRL is given for them."""

import pytest

from vlog.finetune.forms import find_fault, find_form, sample_of


class TestFindForm:
    @pytest.mark.parametrize(
        ("columns", "name"),
        [
            (["messages"], "messages"),
            (["prompt", "completion"], "prompt_completion"),
            (["instruction", "output"], "instruction"),
            (["instruction", "input", "output", "text"], "instruction"),
            (["text", "id"], "text"),
            (["prompt"], None),
            ([], None),
        ],
    )
    def test_goes_by_the_columns(self, columns, name):
        form = find_form(columns, None)

        assert name == (form.name if form else None)

    def test_is_the_users_column_where_one_is_named(self):
        assert find_form(["instruction", "output", "body"], "body").columns == ("body",)
        assert find_form(["instruction", "output"], "body") is None


class TestSampleOf:
    @pytest.mark.parametrize("more", [{}, {"input": ""}, {"input": None}, {"input": " "}])
    def test_of_an_instruction_without_input_has_no_heading_for_it(self, more):
        row = {"instruction": "Say hi.", "output": "hi", **more}
        form = find_form(row, None)

        assert find_fault(row, form) is None
        assert sample_of(row, form) == {
            "prompt": "### Instruction:\nSay hi.\n\n### Response:\n",
            "completion": "hi",
        }

    @pytest.mark.parametrize(
        "row",
        [
            {"messages": [{"role": "user", "content": "a"}]},
            {"prompt": "a", "completion": "b"},
            {"text": "a"},
        ],
    )
    def test_of_the_others_is_the_row_without_other_columns(self, row):
        assert row == sample_of({**row, "id": 7}, find_form(row, None))

    def test_of_a_users_column_is_called_text(self):
        assert sample_of({"body": "a"}, find_form(["body"], "body")) == {"text": "a"}
