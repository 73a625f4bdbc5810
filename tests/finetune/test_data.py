"""Every kind of source becomes a data set that says what it is."""

import json
from pathlib import Path

import datasets
import pytest

from vlog.errors import ConfigurationError
from vlog.finetune.data import load_data, refuse_overlap
from vlog.finetune.files import read_rows
from vlog.finetune.sources import find_source

ROWS = [{"instruction": f"Add 1 and {n}.", "input": "", "output": str(1 + n)} for n in range(3)]
PROMPT = "### Instruction:\nAdd 1 and 0.\n\n### Response:\n"


@pytest.fixture(autouse=True)
def without_bars():
    was_on = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    yield
    if was_on:
        datasets.enable_progress_bars()


def load(value, name="dataset", text_field=None):
    return load_data(name, find_source(name, value), text_field)


def write_jsonl(path, rows):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("data.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
            ("DATA.JSONL", "\ufeff" + "\r\n\r\n".join(map(json.dumps, ROWS))),
            ("data.ndjson", "\n".join(map(json.dumps, ROWS))),
            ("data.json", json.dumps(ROWS)),
            ("data.json", "\ufeff" + json.dumps(ROWS, indent=2)),
            ("data.csv", "instruction,input,output\n" + "".join(
                f"{row['instruction']},,{row['output']}\n" for row in ROWS)),
            ("data.csv", "\ufeff instruction , input,output\r\n" + "".join(
                f'"{row["instruction"]}","",{row["output"]}\r\n\r\n' for row in ROWS)),
        ],
    )  # fmt: skip
    def test_are_read(self, name, content):
        Path(name).write_bytes(content.encode())
        data = load(name)

        assert {"source": name, "form": "instruction", "rows": 3,
                "columns": ["instruction", "input", "output"]} == data.describe()  # fmt: skip
        assert {"prompt": PROMPT, "completion": "1"} == data.dataset[0]

    def test_may_have_any_text(self):
        text = 'né 你 🎉\u2028 "quoted",\r\n\tline' + "x" * 200_000
        quoted = text.replace('"', '""')
        Path("data.csv").write_bytes(f'text\n"{quoted}"\n'.encode())
        write_jsonl("data.jsonl", [{"text": text}])

        assert [text] == load("data.csv").dataset["text"][:]
        assert [text] == load("data.jsonl").dataset["text"][:]

    def test_may_have_rows_without_input_and_other_columns(self):
        write_jsonl("d.jsonl", [{"instruction": "a", "output": "b"}, {**ROWS[0], "id": 1}])
        data = load("d.jsonl")

        assert ["instruction", "output", "input", "id"] == data.columns
        assert ["prompt", "completion"] == data.dataset.column_names

    def test_leave_the_limit_of_csv_as_it_was(self):
        import csv

        before = csv.field_size_limit()
        Path("data.csv").write_text("text\n" + "x" * 300_000 + "\n", encoding="utf-8")
        load("data.csv")

        assert before == csv.field_size_limit()

    def test_that_cannot_be_read_are_refused(self):
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            list(read_rows(Path("none.csv")))


class TestAFolder:
    def test_of_files_is_read_in_the_order_of_their_names(self):
        write_jsonl("data/b.jsonl", ROWS[1:])
        write_jsonl("data/a.jsonl", ROWS[:1])
        Path("data/README.md").write_text("no data", encoding="utf-8")

        assert ["1", "2", "3"] == load("data").dataset["completion"][:]

    def test_with_files_for_training_is_read_without_the_others(self):
        write_jsonl("data/test.jsonl", ROWS)
        write_jsonl("data/train.jsonl", ROWS[:1])

        assert load(Path("data")).rows == 1

    def test_is_read_by_purpose(self):
        for number, name in enumerate(["train", "validation", "other", ".hidden"], 1):
            write_jsonl(f"data/{name}.jsonl", ROWS[:1] * number)
        write_jsonl("data/training_logs.jsonl", [{"type": "training_start"}])
        write_jsonl("data/verbose_training_logs.rank1.jsonl", [{"type": "training_start"}])

        assert (1, 2) == (load("data").rows, load("data", "eval_dataset").rows)

    @pytest.mark.parametrize("name", ["validation", "valid_1", "Eval", "dev", "test"])
    def test_has_files_for_evaluation(self, name):
        write_jsonl(f"data/{name}.jsonl", ROWS)
        write_jsonl("more/a.jsonl", ROWS[:1])
        write_jsonl(f"more/{name}.jsonl", ROWS)

        assert (3, 1) == (load("data", "eval_dataset").rows, load("more").rows)
        with pytest.raises(ConfigurationError, match=f"for this key; it has {name}.jsonl"):
            load("data")

    def test_for_training_has_nothing_for_evaluation(self):
        write_jsonl("data/train.jsonl", ROWS)

        with pytest.raises(ConfigurationError, match=r"for this key; it has train\.jsonl"):
            load("data", "eval_dataset")

    def test_with_another_file_says_that_it_is_no_data(self):
        write_jsonl("data/train.jsonl", ROWS)
        Path("data/training_args.json").write_text('{"seed": 1}', encoding="utf-8")

        with pytest.raises(ConfigurationError, match=r"training_args\.json' has 1 bad row"):
            load("data")

    def test_that_datasets_saved_is_loaded(self):
        table = datasets.Dataset.from_list(ROWS)
        table.save_to_disk("one")
        datasets.DatasetDict({"train": table, "test": table.select([0])}).save_to_disk("two")

        assert (3, "instruction") == (load("one").rows, load("one").form.name)
        assert {"prompt": PROMPT, "completion": "1"} == load("two").dataset[0]
        assert load("two", "eval_dataset").rows == 1


class TestADataset:
    def test_is_taken_as_it_is(self):
        table = datasets.Dataset.from_list([{"text": "a", "id": 1}, {"text": "b", "id": 2}])
        data = load(table)

        assert ("Dataset", "text", 2) == (data.source, data.form.name, data.rows)
        assert ["text"] == data.dataset.column_names

    def test_may_be_iterable(self):
        data = load(datasets.Dataset.from_list(ROWS).to_iterable_dataset())

        assert data.rows is None
        assert "rows" not in data.describe()
        assert {"prompt": PROMPT, "completion": "1"} == next(iter(data.dataset))

    def test_may_have_messages_with_keys_that_others_lack(self):
        messages = [
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [{"role": "user", "content": "a", "name": "x"}],
        ]
        data = load(datasets.Dataset.from_list([{"messages": each} for each in messages]))

        assert data.form.name == "messages"

    def test_may_have_a_prompt_of_messages(self):
        row = {
            "prompt": [{"role": "user", "content": "a"}],
            "completion": [{"role": "assistant", "content": "b"}],
        }

        assert row == load(datasets.Dataset.from_list([row])).dataset[0]

    def test_of_a_users_column_becomes_text(self):
        data = load(datasets.Dataset.from_list([{"body": "a"}]), text_field="body")

        assert {"text": "a"} == data.dataset[0]

    @pytest.mark.parametrize(
        ("rows", "fault"),
        [
            ([{"text": "a"}, {"text": None}], "row 1, column 'text' is None. Expected text."),
            ([{"question": "a"}], "row 0 has no columns to train on: found 'question'."),
            ([], "has no rows. Nothing was trained."),
        ],
    )
    def test_with_bad_rows_is_refused(self, rows, fault):
        with pytest.raises(ConfigurationError) as raised:
            load(datasets.Dataset.from_list(rows))

        assert fault in str(raised.value)

    def test_of_several_splits_must_have_one_for_the_purpose(self):
        table = datasets.Dataset.from_list(ROWS)
        splits = datasets.DatasetDict({"a": table, "b": table})

        with pytest.raises(ConfigurationError, match=r"splits 'a', 'b'\. Expected one of: train"):
            load(splits)


class TestRowsFurtherOn:
    """Behind the first 1,000."""

    @pytest.mark.parametrize("form", ["text", "instruction"])
    def test_of_a_table_are_checked(self, form):
        row = {"text": "a"} if form == "text" else ROWS[0]
        column = "text" if form == "text" else "output"
        table = datasets.Dataset.from_list([row] * 1_100 + [row | {column: None}])

        with pytest.raises(ConfigurationError, match=rf"row 1100, column '{column}' is None\."):
            load(table)

    def test_of_an_iterable_one_are_named_when_they_are_read(self):
        table = datasets.Dataset.from_list([ROWS[0]] * 1_100 + [ROWS[0] | {"output": None}])
        data = load(table.to_iterable_dataset())

        with pytest.raises(ConfigurationError, match=r"row 1100, column 'output' is None\."):
            list(data.dataset)

    @pytest.mark.parametrize(
        "row",
        [
            {"text": "a"},
            {"body": "a"},
            {"prompt": "a", "completion": "b"},
            {"messages": [{"role": "user", "content": "a"}]},
        ],
    )
    def test_of_an_iterable_one_come_through(self, row):
        table = datasets.Dataset.from_list([row | {"id": 1}] * 2).to_iterable_dataset()
        data = load(table, text_field="body" if "body" in row else None)

        assert [{"text": "a"} if "body" in row else row] * 2 == list(data.dataset)

    def test_with_a_prompt_of_messages_need_a_completion_of_messages(self):
        row = {"prompt": [{"role": "user", "content": "a"}], "completion": "b"}

        with pytest.raises(ConfigurationError, match=r"'completion' is 'b'\. Expected a list"):
            load(datasets.Dataset.from_list([row]))


class TestRefuseOverlap:
    def refuse(self, training, evaluation):
        refuse_overlap(
            {"dataset": load(training), "eval_dataset": load(evaluation, "eval_dataset")}
        )

    def test_refuses_to_evaluate_on_what_a_folder_has_for_training(self):
        write_jsonl("data/a.jsonl", ROWS)

        with pytest.raises(ConfigurationError, match=r"would both be '.*/data/a\.jsonl'"):
            self.refuse("data", Path("data").absolute())

    def test_refuses_one_split_for_both(self):
        table = datasets.Dataset.from_list(ROWS)
        splits = datasets.DatasetDict({"train": table})

        with pytest.raises(ConfigurationError, match=r"\[train\]'"):
            self.refuse(splits, splits)

        self.refuse(splits, datasets.DatasetDict({"train": table}))

    def test_lets_a_file_that_is_named_serve_as_both(self):
        write_jsonl("data/a.jsonl", ROWS)

        self.refuse("data/a.jsonl", "data/a.jsonl")


class TestAHubName:
    def test_is_asked_for_on_the_hub(self, monkeypatch):
        asked = []

        def load_dataset(name):
            asked.append(name)
            return datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)})

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)

        assert load("owner/data").source == "owner/data"
        assert ["owner/data"] == asked

    def test_that_cannot_be_loaded_says_why(self):
        """The tests are offline."""
        with pytest.raises(ConfigurationError) as raised:
            load("owner/none")

        assert "'owner/none': no file or folder here, and it cannot be loaded" in str(raised.value)
        assert raised.value.__cause__ is not None
