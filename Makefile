# `make demo` and `make test` are all the set-up there is: each makes .venv first if need be.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# The build of torch that is tested here. Set TORCH to the one that you have or want.
TORCH ?= torch==2.13.0

.PHONY: demo test soak check bench clean

demo: $(VENV)/.trainer
	$(BIN)/vlog demo

# Each worker takes whole files: most tests wait for a process of their own.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not alone" --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest -m alone

# 1,000 kills at random instants, in minutes; the test suite does 50.
soak: $(VENV)/.dev
	VLOG_SOAK_KILLS=$${VLOG_SOAK_KILLS:-1000} $(BIN)/python -m pytest -q -s \
		tests/test_a_kill_at_any_instant_loses_no_returned_entry.py

# Lint, format and types.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The measured tables of the README, written into it: an hour, on a machine with nothing else
# to do, in an environment of its own for what it compares with.
bench: $(VENV)-bench/.bench
	for script in log_size monitor_cost entry_cost peers kill_loss slowdown run_length startup readers; do \
		$(VENV)-bench/bin/python benchmarks/$$script.py --write README.md || exit 1; \
	done

clean:
	rm -rf $(VENV) $(VENV)-bench build dist vlog-demo

$(VENV)/.trainer: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e ".[trainer]"
	touch $@

$(VENV)/.dev: $(VENV)/.trainer
	$(BIN)/python -m pip install --quiet -e ".[trainer,dev]"
	touch $@

$(VENV)-bench/.bench: pyproject.toml
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet "$(TORCH)"
	$(VENV)-bench/bin/python -m pip install --quiet -e ".[bench]"
	touch $@
