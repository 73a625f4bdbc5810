"""Draw what a terminal shows while training: `python docs/live_line.py` writes docs/live_line.svg.

A real Trainer on a small model, in a terminal of 80 columns. From some sample on its data set has
no labels left, a fault of many a chat template: the loss of nothing is 0/0.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 80, 24
STEPS, BAD_STEP = 200, 120
RUN_NAME = "llama-tiny-sft-on-alpaca-cleaned-lr2e-3-bs8-seed42"
_COLOURS = {"brown": "yellow", "brightblack": "bright_black", "default": None}


def train() -> None:
    import torch  # noqa: PLC0415 - in the other process only
    import transformers  # noqa: PLC0415

    from vlog import VerboseLoggingCallback  # noqa: PLC0415

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()  # of the model's files
    generator = torch.Generator().manual_seed(0)
    samples = [
        {"input_ids": ids, "labels": ids.clone()}
        for ids in torch.randint(0, 64, (8 * STEPS, 64), generator=generator)
    ]
    for sample in samples[8 * (BAD_STEP - 1) :]:
        sample["labels"][:] = -100  # what the loss leaves out

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(samples)

    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    InOrder(
        model=transformers.LlamaForCausalLM(config),
        args=transformers.TrainingArguments(
            output_dir="out",
            run_name=RUN_NAME,
            max_steps=STEPS,
            per_device_train_batch_size=8,
            learning_rate=2e-3,
            logging_steps=1,
            eval_strategy="steps",
            eval_steps=50,
            save_steps=100,
            report_to=[],
            use_cpu=True,
        ),
        train_dataset=samples,
        eval_dataset=samples[:32],
        callbacks=[VerboseLoggingCallback("high", "training.jsonl", console=True)],
    ).train()


def screen_of(command: list[str], until: str) -> pyte.Screen:
    """Return the screen of a terminal in which `command` runs, once a row of it matches `until`."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=writer, stdout=writer, stderr=writer, cwd=folder, env=environment
        ) as process,
    ):
        os.close(writer)
        while not any(re.search(until, row) for row in screen.display):
            # The emulator knows neither faint text nor the mark that makes a sign wide.
            data = os.read(reader, 65536).replace(b"\x1b[2m", b"\x1b[90m")
            stream.feed(data.replace("\ufe0f".encode(), b" "))
        process.terminate()
    os.close(reader)
    return screen


def text_of(screen: pyte.Screen) -> Text:
    """Return the rows of a screen in their colours."""
    text = Text()
    for number in range(ROWS):
        row = screen.buffer[number]
        for column in range(COLUMNS):
            cell = row[column]
            colour = _COLOURS.get(cell.fg, cell.fg)
            text.append(cell.data, Style(color=colour, bold=cell.bold))
        text.append("\n")
    text.rstrip()
    return text


def main() -> None:
    command = [sys.executable, str(Path(__file__).absolute()), "train"]
    screen = screen_of(command, until=rf"1[3-9]\d/{STEPS}  loss nan")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("[bold]$ python train.py[/bold]", highlight=False)
    console.print(text_of(screen))
    target = Path(__file__).with_name("live_line.svg")
    target.write_text(console.export_svg(title="python train.py"), encoding="utf-8")


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
