# make demo   the main job in a few minutes, and a report
# make test   the tests
# Both set up .venv on first use; nothing else is needed but python3.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests that fork stay first: tests/faults/conftest.py says why.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test test-all test-faults check benchmark reproduce-theory reproduce-cse reproduce-controls reproduce-matters reproduce-perm clean

demo: $(VENV)/.installed
	$(BIN)/offctx demo

# On all cores, four at most. One test alone: `.venv/bin/python -m pytest -k name`.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PARALLEL)

test-all: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PARALLEL) -m ""

# kill -9, races, mutated files and full disks, all of them: at most 20 minutes, and a table of what was done. `make test` runs some.
test-faults: $(VENV)/.installed-dev
	OFFCTX_FAULTS=full $(BIN)/python -m pytest --numprocesses 4 --dist load tests/faults

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(VENV)/.installed-dev
	$(BIN)/python tools/benchmark.py

reproduce-theory: $(VENV)/.installed
	$(BIN)/python tools/reproduce.py theory

reproduce-cse: $(VENV)/.installed
	$(BIN)/python tools/reproduce.py cse

# The headline: CSE beside every control and reference. docs/results/controls.md records 62 core-minutes, on shared cores.
reproduce-controls: $(VENV)/.installed
	$(BIN)/python tools/reproduce.py controls

reproduce-matters: $(VENV)/.installed
	$(BIN)/python tools/reproduce.py matters

reproduce-perm: $(VENV)/.installed
	$(BIN)/python tools/reproduce.py perm

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache *.egg-info

# torch first and by its exact version: what needs it would otherwise bring the newest build and its CUDA packages.
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "setting up $(VENV): a few minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) "$(TORCH)"
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable ".[dev]"
	touch $@
