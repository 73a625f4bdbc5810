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
vlog.set_redaction(keys=["badge_number"], patterns=["ACME-[0-9]{6}"], keep=["session_token"])

for entry in vlog.read("log.jsonl"):
    kind: str = entry["type"]
for entry in vlog.follow(Path("log.jsonl"), from_start=False, stop=lambda: True):
    print(entry["message"])

is_valid: bool = vlog.validate("log.jsonl").is_valid
repaired: bool = vlog.repair("log.jsonl", "new.jsonl").is_valid
state: str = vlog.summarize("log.jsonl").runs[-1].state

vlog.configure(verbosity_level="ultra", log_file=Path("log.jsonl"), standard_log=True, max_mb=64)
vlog.configure("logging.yaml", console=False, compress="none")
callback.set_verbosity("ultra", steps=10)

log = vlog.get_logger("data").bind(shard=3)
log.info("opened", rows=10)

with vlog.training_run(
    10, "high", "log.jsonl", config={"rate": 0.1}, capture=["uvicorn"], propagate=True
) as run:
    run.set_verbosity(vlog.Verbosity.ULTRA)
    for epoch in run.epochs(2, start=0):
        for text in run.steps(["one", "two"], accumulate=2):
            run.log({"length": len(text), "epoch": epoch}, loss=0.5)
    for number in run.steps():
        run.log(share=number / 10)
    with run.step(samples=8, tokens=512):
        pass
    with run.evaluation():
        run.log(eval_loss=0.4)

    @run.evaluation()
    def evaluate(limit: int) -> dict[str, float]:
        return {"eval_loss": 1 / limit}

    best: float = evaluate(3)["eval_loss"]
    with run.checkpoint(Path("model.pt")):
        pass

    @run.checkpoint("model.pt")
    def save(name: str) -> None:
        Path(name).touch()

    done: int = run.step_number
    name: str = run.run_id
    path: Path | None = run.log_file

started: vlog.TrainingRun = vlog.training_run(
    on_alert=lambda entry: print(entry["message"])
).start()
started.finish()

stream = vlog.LogApp("logs", poll_seconds=0.5)
