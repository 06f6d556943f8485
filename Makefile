# Every command makes `.venv` first, where it is missing or older than what it is made from.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip install --quiet

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-all test-versions test-oldest test-newest check format docs clean

help:
	@echo "make demo      run the whole line on real handwritten digits (ARGS=--json for machines)"
	@echo "make test      run the quick tests"
	@echo "make test-all  run every test, the slow ones too"
	@echo "make test-versions  run the quick tests with the oldest and the newest libraries that setup.cfg admits"
	@echo "make check     run ruff, mypy, the import layers and the size limits"
	@echo "make format    let ruff format and mend what it can"
	@echo "make docs      write the tables of docs/config.md anew"
	@echo "make clean     remove the environments and the caches"

demo: $(STAMP)
	$(BIN)/lathe demo $(ARGS)

# A worker for each core, and one thread in each: threads of several workers would spin against one another.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" $(ARGS)

test-all: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# Both environments stand beside `.venv`, which keeps its pins. The oldest has each library at its lower bound, and the
# newest test tools.
PINS_oldest := /^dev =/q; s/^    \([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p
PINS_newest :=

test-versions: test-oldest test-newest

test-oldest test-newest: test-%:
	@$(PYTHON) -m venv .venv-$*
	@sed -n '$(PINS_$*)' setup.cfg >.venv-$*/pins.txt
	@echo "Installing the $* libraries into .venv-$* (some minutes, the first time)"
	@.venv-$*/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager -c .venv-$*/pins.txt \
	    -e ".[openvino]" pytest pytest-xdist hypothesis packaging
	OMP_NUM_THREADS=1 .venv-$*/bin/python -m pytest -n auto --dist worksteal -m "not slow" $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_layers.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(BIN)/python -m scripts.write_config_docs

clean:
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis lathe.egg-info

# PyTorch goes first and alone, so that nothing that is installed later can choose another build of it.
$(STAMP): setup.cfg constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Lathe needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	    { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing PyTorch into .venv (some minutes, the first time)"
	@$(PIP) -c constraints.txt torch
	@echo "Installing Lathe and what it needs"
	@$(PIP) -c constraints.txt -e ".[dev,openvino]"
	@touch $@
