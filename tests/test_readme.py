"""What the README says is there: commands, code, links, and each option in its tables."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
import torch
import typer
from starlette.applications import Starlette
from trainers import entries_of, make_trainer, of_type

import vlog
from vlog.cli.app import app
from vlog.config import Overrides
from vlog.environment_settings import VARIABLES
from vlog.finetune.keys import KEYS
from vlog.options import Options

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def section(title):
    return re.split(
        r"^#+ ", README.partition(f"\n### {title}\n")[2], maxsplit=1, flags=re.MULTILINE
    )[0]


def rows(title):
    """Return what stands in code marks in the first column of a section's tables."""
    first = re.findall(r"^\| ([^|]+) \|", section(title), re.MULTILINE)
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


class TestTour:
    @pytest.mark.parametrize(
        "line",
        [line for block in blocks("bash") for line in block.splitlines() if line[:5] == "vlog "],
    )
    def test_commands_are_there_with_their_options(self, line):
        command = typer.main.get_command(app)
        words = shlex.split(line, comments=True)[1:]
        context = command.make_context("vlog", list(words))
        name, found, rest = command.resolve_command(context, words)

        assert name == found.make_context(name, rest, parent=context).info_name

    def test_code_is_python(self):
        for code in blocks("python"):
            compile(code, "README.md", "exec")

    def test_code_runs(self):
        """All blocks but the fine-tuning, which the guide has, and the loop that never ends."""
        record, loop, _, _, read, plug_in, stream = blocks("python")
        Path("runs").mkdir()
        Path("logging.yaml").write_bytes((ROOT / "src/vlog/logging.yaml").read_bytes())
        model = torch.nn.Linear(2, 1)
        names = {
            "Trainer": lambda _, callbacks: make_trainer(callbacks),
            "model": model,
            "optimizer": torch.optim.SGD(model.parameters()),
            "loader": [(torch.ones(2), torch.ones(1))] * 4,
            "loss": torch.tensor(0.5),
            "evaluate": lambda _: 0.25,
            "app": Starlette(),
            "vlog": vlog,
        }
        for code in (record, loop, read, plug_in, stream):
            exec(code, names)
        entries = entries_of("verbose_training_logs.jsonl")

        assert [6, 12] == [
            end["statistics"]["steps"] for end in of_type(entries, "training_complete")
        ]
        assert 18 == len(names["losses"])
        assert [0.5] * 12 == names["losses"][6:]
        assert {"rows": 10} == entries[-1]["fields"]
        assert 2 == len(names["app"].routes)

    def test_links_lead_somewhere(self):
        links = re.findall(r"\]\(([^)#]+)\)", README)

        assert [] == [link for link in links if not (ROOT / link).exists()]
        examples = {path.name for path in (ROOT / "examples").iterdir() if path.is_file()}
        assert examples == {Path(link).name for link in links if link.startswith("examples/")}


class TestReference:
    def test_has_every_option_of_both(self):
        assert {"verbosity_level", "log_file", *Options.__annotations__} == rows("Options")

    def test_has_every_argument_of_the_callback(self):
        own = set(inspect.signature(vlog.VerboseLoggingCallback).parameters) - {"options"}

        assert own - rows("Options") == rows("VerboseLoggingCallback")

    def test_has_every_argument_and_method_of_a_loops_run(self):
        own = set(inspect.signature(vlog.training_run).parameters) - {"options"}
        text = section("training_run")

        assert own - rows("Options") <= rows("training_run")
        for name in vars(vlog.TrainingRun):
            assert name.startswith("_") or re.search(rf"`[^`]*\b{name}\b", text), name

    def test_has_every_key_of_a_fine_tuning(self):
        table = section("train_with_config")

        for key in KEYS:
            allowed = key.allowed.replace("2,147,483,647", "2**31 - 1")
            default = "" if key.default is None else f"`{key.default!r}`".replace("'", '"')
            cells = ["", f"`{key.name}`", allowed, default, key.about, ""]
            assert " | ".join(cells).strip().replace("  ", " ") in table.replace("  ", " ")

    def test_has_every_override_and_variable(self):
        assert set(Overrides.__annotations__) == rows("Configuration")
        for name in VARIABLES.values():
            assert f"`{name}`" in section("Configuration")
