"""The keys of a fine-tuning configuration: what each takes, its default, and where it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from vlog.errors import ConfigurationError, unknown_name
from vlog.verbosity import Verbosity

_SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
BITSANDBYTES_OPTIMIZERS = (
    "adamw_8bit",
    "adamw_bnb_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
)
_OPTIMIZERS = (
    "adamw_torch",
    "adamw_torch_fused",
    "adafactor",
    "sgd",
    "adagrad",
    "rmsprop",
    *BITSANDBYTES_OPTIMIZERS,
)
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        name: The key.
        about: What it says, in one clause, with its unit.
        default: The value where it is left out or None.
        argument: The argument of TRL's `SFTConfig` that it becomes; empty for one that goes
            elsewhere.
    """

    name: str
    about: str
    default: Any = None
    argument: str = ""

    @property
    def allowed(self) -> str:
        """What it takes, as the end of the sentence `Expected ...`."""
        return "a data set"

    def check(self, value: Any) -> Any:
        """Return `value` as it is used.

        Raises:
            ConfigurationError: it is not what the key takes.
        """
        return value

    def refuse(self, value: object) -> ConfigurationError:
        """Return the error about `value`."""
        return ConfigurationError(f"{self.name} is {shown(value)}. Expected {self.allowed}.")


class Flag(Key):
    """Takes True or False."""

    allowed = "True or False"

    def check(self, value: Any) -> Any:
        """Return `value`."""
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value


@dataclass(frozen=True, slots=True)
class Number(Key):
    """Takes a number in a range.

    Attributes:
        minimum: The smallest value.
        maximum: The largest value.
        is_whole: Whether it must be a whole number.
        is_open: Whether the limits themselves are left out.
        also: One more value, outside of the range.
    """

    minimum: float = 0
    maximum: float = _LARGEST
    is_whole: bool = False
    is_open: bool = False
    also: int | None = None

    @property
    def allowed(self) -> str:
        """The kind of number, and the range."""
        kind = "a whole number" if self.is_whole else "a number"
        low, high = (f"{limit:,.10g}" for limit in (self.minimum, self.maximum))
        limits = f"above {low} and below {high}" if self.is_open else f"from {low} to {high}"
        return f"{kind} {limits}" + (f", or {self.also}" if self.also is not None else "")

    def check(self, value: Any) -> Any:
        """Return the number as an int or a float."""
        kind = Integral if self.is_whole else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            raise self.refuse(value)
        try:
            number = int(value) if isinstance(value, Integral) else float(value)
        except OverflowError:  # a fraction of very large numbers
            raise self.refuse(value) from None
        is_inside = self.minimum <= number <= self.maximum
        if self.is_open:
            is_inside = self.minimum < number < self.maximum
        if not is_inside and number != self.also:
            raise self.refuse(value)
        return number


@dataclass(frozen=True, slots=True)
class Text(Key):
    """Takes a text that is not blank.

    Attributes:
        choices: The texts that it takes; empty for any.
    """

    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """Which texts."""
        return f"one of: {', '.join(self.choices)}" if self.choices else "a text"

    def check(self, value: Any) -> Any:
        """Return `value`."""
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(value)
        if self.choices and value not in self.choices:
            raise ConfigurationError(unknown_name(self.name, value, self.choices))
        return value


class Level(Key):
    """Takes the name of a verbosity."""

    allowed = "low, medium, high or ultra"

    def check(self, value: Any) -> Any:
        """Return the verbosity's name."""
        return Verbosity.parse(value).label


class Texts(Key):
    """Takes a text, or a list of them."""

    allowed = "a text, or a list of texts"

    def check(self, value: Any) -> Any:
        """Return a text or a list."""
        parts = [value] if isinstance(value, str) else value
        is_list = isinstance(parts, (list, tuple)) and parts
        if not is_list or not all(isinstance(part, str) and part.strip() for part in parts):
            raise self.refuse(value)
        return value if isinstance(value, str) else list(value)


class File(Key):
    """Takes the path of a file or folder."""

    allowed = "a path"

    def check(self, value: Any) -> Any:
        """Return the path as a text, with the user's folder in place of `~`."""
        if not isinstance(value, (str, os.PathLike)):
            raise self.refuse(value)
        path = os.fsdecode(value)
        if not path.strip() or "\0" in path:
            raise self.refuse(value)
        return os.path.expanduser(path)  # noqa: PTH111 - it stays a text


class Checkpoint(File):
    """Takes the path of a checkpoint, or True for the last one of `output_dir`."""

    allowed = "True, False or the path of a checkpoint"

    def check(self, value: Any) -> Any:
        """Return True, None or the path."""
        return (value or None) if isinstance(value, bool) else super().check(value)


def whole(name: str, about: str, default: int | None, argument: str = "", **limits: Any) -> Number:
    """Return a key that takes a whole number, of at least 1 if `limits` do not say otherwise."""
    return Number(name, about, default, argument, is_whole=True, **({"minimum": 1} | limits))


KEYS: tuple[Key, ...] = (
    Flag("use_verbose_logging", "write the verbose log beside the standard log", default=True),
    Level("verbosity_level", "low, medium, high or ultra; left out: high"),
    File("log_file", "the verbose log; left out: `verbose_training_logs.jsonl`"),
    File("standard_log", "the standard log; left out: `training_logs.jsonl` beside the log"),
    Flag("console", "lines on standard error: left out, as it fits; False: none"),
    Number(
        "overhead_budget_percent",
        "of the step time that vlog may take; 0: any; left out: 1",
        maximum=100,
    ),
    Text("model_name", "a Hub name, or a folder that `save_pretrained` wrote"),
    Key("dataset", "a Hub name, a folder, a CSV, JSON or JSONL file, or a `datasets.Dataset`"),
    Key("eval_dataset", "the same, for evaluations"),
    Text("text_field", "column of the texts, where rows are plain texts; left out: `text`"),
    whole("max_seq_length", "tokens, behind which a sample is cut off", 2048, "max_length"),
    Flag("packing", "several samples in a row of tokens", default=False, argument="packing"),
    Flag("use_lora", "train adapters and not all weights", default=True),
    whole("lora_r", "rank of the adapters", 16, maximum=65_536),
    Number("lora_alpha", "scale of the adapters, over `lora_r`", 16, is_open=True),
    Number("lora_dropout", "share dropped in front of the adapters", 0.0, maximum=0.99),
    Texts("lora_target_modules", "names of the modules with adapters", "all-linear"),
    Flag("load_in_4bit", "keep the model's weights in 4 bits: needs bitsandbytes", default=False),
    Flag("use_unsloth", "load the model by Unsloth: needs unsloth and a GPU", default=False),
    Number(
        "num_train_epochs", "passes over the data", 3, "num_train_epochs", maximum=1e6, is_open=True
    ),
    whole("max_steps", "steps; it beats `num_train_epochs`; -1: none", -1, "max_steps", also=-1),
    whole("per_device_train_batch_size", "samples", 2, "per_device_train_batch_size"),
    whole(
        "gradient_accumulation_steps", "micro-batches in a step", 4, "gradient_accumulation_steps"
    ),
    Number("learning_rate", "at its highest", 2e-4, "learning_rate", maximum=100, is_open=True),
    Text(
        "lr_scheduler_type", "course of the learning rate", "linear", "lr_scheduler_type",
        choices=_SCHEDULERS,
    ),
    whole("warmup_steps", "steps in which the learning rate rises", 5, "warmup_steps", minimum=0),
    Text("optim", "the optimizer", "adamw_torch", "optim", choices=_OPTIMIZERS),
    Number("weight_decay", "of the optimizer", 0.0, "weight_decay", maximum=1_000),
    Flag("bf16", "bfloat16 arithmetic; left out: where a GPU can do it", argument="bf16"),
    Flag("fp16", "float16 arithmetic: needs a GPU", default=False, argument="fp16"),
    Flag(
        "gradient_checkpointing", "less memory for more time", default=True,
        argument="gradient_checkpointing",
    ),
    Flag("use_cpu", "leave accelerators alone", default=False, argument="use_cpu"),
    whole("seed", "of all random numbers", 42, "seed", minimum=0),
    whole("logging_steps", "steps between two losses", 1, "logging_steps"),
    whole("eval_steps", "steps between evaluations; left out: one an epoch", None, "eval_steps"),
    whole("save_steps", "steps between two checkpoints", 500, "save_steps"),
    File("output_dir", "folder of the checkpoints", "./results", "output_dir"),
    Checkpoint("resume_from_checkpoint", "a checkpoint to go on from; True: the last one"),
    Texts("report_to", "trackers that get the losses too, or none", "none", "report_to"),
    Text("run_name", "name of the run in these trackers", argument="run_name"),
)  # fmt: skip
BY_NAME = {key.name: key for key in KEYS}


def shown(value: object) -> str:
    """Return what a message says of a value that was got: its text, cut to a readable length."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - anybody's repr may raise anything
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= 60 else f"{text[:60]}... ({len(text):,} characters)"
