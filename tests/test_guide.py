"""The user guide is true: each of its code blocks runs, in its order, in an empty folder.

The blocks stand word for word in `guide_blocks.md`. `PERMITTED` is all that is changed in them:
`processing_class` for `tokenizer`, a small local model, a data set and the arguments of a run on a
CPU. `BEFORE` has the imports and objects that a block takes for granted, `AFTER` what its reader
would do next.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from saved_model import save_model
from trainers import entries_of, of_type, small_model

from vlog import VerboseLoggingCallback, validate

TESTS = Path(__file__).parent
BLOCK = re.compile(r"^### ([^\n]+)\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOG, STANDARD_LOG = "verbose_training_logs.jsonl", "training_logs.jsonl"

PERMITTED = {
    "Basic Usage": {
        "    model=model,\n": "    model=model,\n    args=arguments,\n",
        "tokenizer=tokenizer": "processing_class=tokenizer",
    },
    "Configuration-Based Usage": {
        "unsloth/llama-3-8b-bnb-4bit": "./model",
        "# ... other training parameters": '"dataset": "rows.jsonl", "use_cpu": True,',
    },
    "Training Configuration": {
        "unsloth/llama-3-8b-bnb-4bit": "./model",
        '"output_dir": "./results"': '"output_dir": "./results", "use_cpu": True',
    },
    "Run Tests": {"test_verbose_logging.py": str(TESTS / "test_verbose_logging.py")},
}

BEFORE = {
    "Basic Usage": """
        import torch
        from datasets import load_dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import SFTConfig, SFTTrainer
        torch.set_num_threads(1)
        model = AutoModelForCausalLM.from_pretrained("./model")
        tokenizer = AutoTokenizer.from_pretrained("./model")
        dataset = load_dataset("json", data_files="rows.jsonl", split="train", cache_dir="cache")
        arguments = SFTConfig("results", max_steps=3, use_cpu=True, bf16=False, report_to=[])
        from vlog.settings import Settings
        Settings.overhead_budget_percent = 0  # a share of steps as short as these is too little
        """,
    "Configuration-Based Usage": "from verbose_logging import train_with_config",
    "With Custom Monitoring": """
        VerboseLoggingCallback()._write_log({"level": "WARNING", "message": "written by hand"})
        import io
        import sys
        sys.stdout = shown = io.StringIO()
        """,
}

AFTER = {
    "Basic Usage": "trainer.train()",
    "Training Configuration": 'train_with_config(config=config, dataset="rows.jsonl")',
    "Custom Log File": 'callback._write_log({"message": "written by hand"})',
    "Reading Logs": "print(len(training_steps), 'steps,', len(resource_warnings), 'warnings')",
    "Resource Usage Trends": "plt.savefig('memory.png')",
    "With FastAPI": """
        import asyncio
        import httpx

        async def post(config):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://guide") as client:
                return await client.post("/train", json=config)

        body = {"model_name": "./model", "dataset": "rows.jsonl", "use_cpu": True, "max_steps": 2}
        print(asyncio.run(post(body)).json())
        """,
    "With Custom Monitoring": """
        deadline = time.monotonic() + 60
        while not shown.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        sys.stdout = sys.__stdout__
        print(shown.getvalue())
        """,
}


def blocks(language):
    """Return the guide's blocks of `language` by heading, with what is permitted changed."""
    text = (TESTS / "guide_blocks.md").read_text(encoding="utf-8")
    found = {}
    for heading, kind, code in BLOCK.findall(text):
        if kind == language:
            found[heading] = code
            for old, new in PERMITTED.get(heading, {}).items():
                assert 1 == code.count(old), f"{heading}: {old!r} is not there once"
                found[heading] = found[heading].replace(old, new)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all Python blocks in one process; return the folder, with what was printed."""
    home = tmp_path_factory.mktemp("guide")
    save_model(home / "model")
    rows = [{"text": f"{n} and {n} is {2 * n}"} for n in range(64)]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = [
        part
        for heading, code in blocks("python").items()
        if heading != "VerboseLoggingCallback"  # a signature
        for part in (BEFORE.get(heading, ""), code, AFTER.get(heading, ""))
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(map(inspect.cleandoc, script))],
        cwd=home,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (home / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return home


class TestBlocks:
    def test_train_as_they_say(self, folder):
        entries = entries_of(folder / LOG)
        ends = of_type(entries, "training_complete", "training_failed", "training_interrupted")

        assert ["training_complete"] * 4 == [end["type"] for end in ends]
        assert [3, 100, 60, 2] == [end["statistics"]["steps"] for end in ends]
        assert {"high"} == {
            entry["logging"]["verbosity_level"]
            for entry in of_type(entries, "system_initialization")
        }

    def test_leave_valid_logs_under_the_names_of_the_guide(self, folder):
        written = sorted(path.name for path in folder.glob("*log*") if path.name[0] != ".")

        assert ["custom_training_logs.jsonl", STANDARD_LOG, LOG] == written  # and no error log
        for name in written:
            assert [] == validate(folder / name).problems
        assert "written by hand" == entries_of(folder / written[0])[-1]["message"]

    def test_print_what_they_promise(self, folder):
        printed = (folder / "printed.txt").read_text(encoding="utf-8")

        assert "163 steps, " in printed  # before the service trained two more
        assert re.search(r"\nAverage step time: \d+\.\d{3}s ± \d+\.\d{3}s\n", printed)
        assert "{'status': 'Training started with verbose logging'}" in printed
        assert "⚠️ Warning: written by hand" in printed
        assert f"✅ {LOG} is valid" in printed

    def test_plot(self, folder):
        assert b"\x89PNG" == (folder / "memory.png").read_bytes()[:4]

    def test_run_the_tests(self):
        (command,) = blocks("bash").values()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        printed = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

        for verbosity in ("low", "medium", "high", "ultra"):
            assert f"✅ test_verbose_logs_{verbosity}.jsonl is valid" in printed
            assert Path(f"test_verbose_logs_{verbosity}.jsonl").exists()


class TestLogEntryFormat:
    def test_is_that_of_the_guide(self, folder):
        """Each key of the guide's entry is there, in its place, with a value of its kind."""
        example = json.loads(blocks("json")["Log Entry Format"])
        entry = of_type(entries_of(folder / LOG), "training_step_complete")[102]
        if "gpu" not in entry["resource_usage"]:  # the schema has it: see test_schema.py
            del example["resource_usage"]["gpu"]

        assert [] == list(differences(example, entry))
        assert re.fullmatch(r"✅ Step 100 completed - Loss: \d\.\d{6}", entry["message"])


def differences(example, entry, path=""):
    for key, value in example.items():
        if key not in entry:
            yield f"{path}{key} is missing"
        elif isinstance(value, dict):
            yield from differences(value, entry[key], f"{path}{key}.")
        elif isinstance(value, str) != isinstance(entry[key], str):
            yield f"{path}{key} is {entry[key]!r}"


class TestApiReference:
    def test_names_the_callbacks_arguments_and_defaults(self):
        names = {"TrainerCallback": object}
        exec(blocks("python")["VerboseLoggingCallback"], names)
        written = list(inspect.signature(names["VerboseLoggingCallback"]).parameters.values())
        real = list(inspect.signature(VerboseLoggingCallback).parameters.values())

        assert [(each.name, each.kind, each.default) for each in written] == [
            (each.name, each.kind, each.default) for each in real[: len(written)]
        ]

    def test_names_the_key_methods(self):
        callback = VerboseLoggingCallback("low")

        assert "host" in callback._get_comprehensive_system_info()
        assert "memory" in callback._get_current_resource_usage()
        assert callback._get_model_info(small_model())["total_parameters"] > 0
        callback._write_log({"type": "training_start", "level": "INFO", "message": "here"})
        assert ["here"] == [entry["message"] for entry in entries_of(LOG)]

    def test_names_the_error_log(self):
        callback = VerboseLoggingCallback("low")
        callback._write_log("no entry")
        callback._output.close()

        assert "_write_log failed" in Path("verbose_logging_errors.log").read_text(encoding="utf-8")
