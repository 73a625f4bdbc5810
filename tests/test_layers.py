"""Imports point down only, and each third-party package stays in its room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "vlog"

# Row by module or package, the lowest first. A module imports its own row or a lower one;
# handlers and processors do not import each other, and analysis imports no row above 2.
ROWS = {
    1: ("clock", "decimals", "encoded", "errors", "fork", "schema", "verbosity"),
    2: (
        "alerts", "budget",
        "describe", "device_values", "environment_settings", "family", "file_lines",
        "filters", "gap", "interrupts", "lineage", "lines", "open_runs", "own_entry", "ranks",
        "reader", "record",
        "redaction", "resources", "segments", "settings", "stretches", "threads", "timing",
        "trends", "true_losses",
        "units", "values", "verbosity_request", "visible", "wording",
    ),
    3: ("handlers", "processors"),
    4: (
        "app_logger", "capture", "config", "endings", "machine", "meter", "options", "output",
        "progress", "recorder", "run_log", "step_entries", "verbosity_switch", "watch",
    ),
    5: ("__main__", "analysis", "cli", "demo", "finetune", "integrations"),
}  # fmt: skip
ROW_OF = {name: row for row, names in ROWS.items() for name in names}

FENCES = {
    "accelerate": ("integrations.transformers",),
    "anyio": ("integrations.asgi", "integrations.log_stream"),
    "concurrent_log_handler": ("handlers.owned_file",),
    "datasets": ("finetune",),
    "msgspec": ("analysis",),
    "peft": ("finetune",),
    "portalocker": ("handlers.keeper", "handlers.owned_file"),
    "psutil": ("resources",),
    "pynvml": ("resources.gpu.nvml",),
    "pythonjsonlogger": ("handlers.formatters",),
    "rich": ("cli", "handlers.console", "handlers.live_line"),
    "starlette": ("integrations.asgi", "integrations.log_stream"),
    "structlog": ("app_logger", "run_log", "processors"),
    "tokenizers": ("demo",),
    "torch": ("demo", "finetune"),
    "transformers": ("demo", "finetune", "integrations.transformers"),
    "trl": ("finetune",),
    "typer": ("cli",),
    "unsloth": ("finetune",),
    "yaml": ("config",),
    "zstandard": ("handlers.keeper", "segments"),
}


def modules() -> list[str]:
    names = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in SOURCE.rglob("*.py")
    ]
    return sorted(name.removesuffix(".__init__") for name in names if name != "__init__")


def imports_of(module: str) -> set[str]:
    path = SOURCE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(name: str) -> str:
    return name.removeprefix("vlog.").split(".")[0]


@pytest.mark.parametrize("module", modules())
class TestModule:
    def test_has_a_row(self, module):
        assert room_of(module) in ROW_OF

    def test_imports_point_down(self, module):
        own = room_of(module)
        for name in imports_of(module):
            if not name.startswith("vlog.") or room_of(name) not in ROW_OF:
                continue
            room = room_of(name)
            assert ROW_OF[room] <= ROW_OF[own], f"{module} imports {name}, of a higher row"
            assert {own, room} != {"handlers", "processors"}
            if own == "analysis":
                assert room == "analysis" or ROW_OF[room] <= 2
            if ROW_OF[own] == 5 and room in ("cli", "integrations", "demo"):
                assert own in (room, "cli", "demo", "finetune", "__main__")

    def test_third_party_packages_stay_in_their_room(self, module):
        for name in imports_of(module):
            package = name.split(".")[0]
            if package in FENCES:
                assert module.startswith(FENCES[package]), f"{module} imports {package}"
