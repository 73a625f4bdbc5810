"""Calls that users make; mypy --strict reads this file, nothing runs it."""

from __future__ import annotations

from pathlib import Path

import vlog

callback = vlog.VerboseLoggingCallback(verbosity_level="ultra", log_file=Path("log.jsonl"))
other = vlog.VerboseLoggingCallback(vlog.Verbosity.LOW, standard_log=True, compress="gzip")

steps: int = vlog.train_with_config({"model_name": "owner/model"}, "rows.jsonl").global_step
vlog.train_with_config(dataset=Path("rows.csv"), config={"model_name": "model"})

vlog.configure("logging.yaml")
vlog.configure({"version": 1})

for entry in vlog.read("log.jsonl"):
    kind: str = entry["type"]
for entry in vlog.follow(Path("log.jsonl"), from_start=False, stop=lambda: True):
    print(entry["message"])

is_valid: bool = vlog.validate("log.jsonl").is_valid
state: str = vlog.summarize("log.jsonl").runs[-1].state
