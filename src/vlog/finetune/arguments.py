"""The arguments of TRL's trainer, from a checked configuration."""

from __future__ import annotations

from typing import Any

from vlog.errors import ConfigurationError, unknown_name
from vlog.finetune.configuration import check_checkpoint
from vlog.finetune.keys import KEYS


def make_arguments(values: dict[str, Any]) -> Any:
    """Return the `SFTConfig`. Nothing is loaded or written.

    Raises:
        ConfigurationError: this machine cannot do what was asked for, a tracker is unknown or not
            installed, or there is no checkpoint to resume from.
    """
    import torch  # noqa: PLC0415
    from trl import SFTConfig  # noqa: PLC0415

    _check_checkpoint(values)
    given = {
        key.argument: values[key.name]
        for key in KEYS
        if key.argument and values[key.name] is not None
    }
    has_gpu = torch.accelerator.is_available() and not values["use_cpu"]
    if values["fp16"] and not has_gpu:
        raise ConfigurationError("fp16 is True: float16 needs a GPU. Leave it out.")
    if values["bf16"] is None:
        can_bf16 = has_gpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        given["bf16"] = can_bf16 and not values["fp16"]
    given |= {"use_cpu": not has_gpu, "dataloader_pin_memory": has_gpu}
    given["report_to"] = _trackers(values["report_to"])
    if "activation_checkpointing" in SFTConfig.__dataclass_fields__:  # the newer name
        given["activation_checkpointing"] = given.pop("gradient_checkpointing")
    if values["eval_dataset"] is not None:
        given["eval_strategy"] = "epoch" if values["eval_steps"] is None else "steps"
        given["per_device_eval_batch_size"] = values["per_device_train_batch_size"]
    try:
        # Of the two ways to show progress, vlog's: the losses of every step would fill the screen.
        return SFTConfig(**given, save_strategy="steps", disable_tqdm=True)
    except (ValueError, RuntimeError) as error:
        raise ConfigurationError(f"The configuration cannot be used here: {error}") from error


def _trackers(asked: str | list[str]) -> str | list[str]:
    from transformers.integrations import get_available_reporting_integrations  # noqa: PLC0415

    installed = get_available_reporting_integrations()
    for name in [asked] if isinstance(asked, str) else asked:
        if name not in ("none", "all", *installed):
            raise ConfigurationError(
                unknown_name("tracker", name, ("none", "all", *installed))
                + " A tracker must be installed to be one of them."
            )
    return asked


def _check_checkpoint(values: dict[str, Any]) -> None:
    from transformers.trainer_utils import get_last_checkpoint  # noqa: PLC0415

    if values["resume_from_checkpoint"] is not True:
        return
    folder = values["output_dir"]
    try:
        last = get_last_checkpoint(folder)
    except FileNotFoundError:
        last = None
    if last is None:
        raise ConfigurationError(
            f"resume_from_checkpoint is True, but there is no checkpoint in {folder!r}. "
            "Leave it out, or give the path of a checkpoint."
        )
    check_checkpoint(last)
