"""An app with its own logging: its YAML gets a handler, its records stand in the training's log."""

import logging
import logging.config
from pathlib import Path

import yaml

import vlog

settings = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
logging.config.dictConfig(settings)  # or vlog.configure(path), which names mistakes
app_log = logging.getLogger("shop")
log = vlog.get_logger("recommender")  # structlog: keys stay keys

app_log.info("the shop is open")
with vlog.training_run(20, capture=["shop"]) as run:  # writes where `vlog` is configured to
    log.info("training", customers=3, market="north")
    for step in run.steps():
        run.log(loss=1 / step)
        if step == 10:
            app_log.warning("stock is low")
