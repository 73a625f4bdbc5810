"""Draw the README's picture: `python docs/picture.py LOG` writes docs/summary.svg."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 92


def on_a_terminal(command: list[str]) -> str:
    """Return what `command` prints on a terminal."""
    reader, writer = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": "100", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdout=writer, stderr=writer, stdin=writer, env={**os.environ, **size}
    )
    os.close(writer)
    parts = []
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        parts.append(part)
    process.wait()
    return b"".join(parts).decode()


def main() -> None:
    log = sys.argv[1]
    text = on_a_terminal([sys.executable, "-m", "vlog", "summary", log])
    shown = text.replace("\r\n", "\n").partition("Files\x1b")[0].rstrip()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold]$ vlog summary {Path(log).name}[/bold]", highlight=False)
    console.print(Text.from_ansi(shown))
    target = Path(__file__).with_name("summary.svg")
    target.write_text(console.export_svg(title="vlog summary"), encoding="utf-8")


if __name__ == "__main__":
    main()
