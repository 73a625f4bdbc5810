"""A log read back: as entries, as a check, as a summary."""

import sys

import vlog

path = sys.argv[1] if len(sys.argv) > 1 else "verbose_training_logs.jsonl"

for entry in vlog.read(path):  # across rotated and compressed segments, in constant memory
    if entry["type"] == "training_step_complete":
        print(entry["step"], entry["metrics"].get("loss"), entry["timing"]["step_time_seconds"])

report = vlog.validate(path)
print(f"{report.lines} lines, valid: {report.is_valid}")

run = vlog.summarize(path).runs[-1]
print(run.run_id, run.state)
