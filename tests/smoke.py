"""What an installed wheel must do without torch, transformers and the source tree."""

import logging.config
import subprocess
import sys
from pathlib import Path

import yaml

import vlog


def command(*arguments):
    return subprocess.run(
        [Path(sys.executable).with_name("vlog"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


assert "site-packages" in vlog.__file__, vlog.__file__

command("init")
logging.config.dictConfig(yaml.safe_load(Path("logging.yaml").read_text()))
logging.getLogger("vlog").info("written by the %s", "wheel")
(entry,) = vlog.read("verbose_training_logs.jsonl")
assert entry["message"] == "written by the wheel", entry
assert vlog.validate("verbose_training_logs.jsonl").is_valid
assert command("validate", "verbose_training_logs.jsonl").returncode == 0
assert "training_step_complete" in command("levels").stdout

try:
    vlog.VerboseLoggingCallback  # noqa: B018
except ImportError as error:
    assert "pip install 'vlog-training[trainer]'" in str(error), error
else:
    raise AssertionError("transformers is not installed here")
demo = command("demo")
assert demo.returncode == 2, demo
assert "pip install 'vlog-training[trainer]'" in demo.stderr, demo.stderr
assert "Traceback" not in demo.stderr, demo.stderr
print("the wheel works")
