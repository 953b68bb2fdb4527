# What is assumed: Python 3.11 or newer (with venv), make, a network or a pip cache.
# Everything else is installed into .venv from requirements/*.lock, hashes checked.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN    := $(VENV)/.installed-run
DEV    := $(VENV)/.installed-dev
DEPLOY := $(VENV)/.installed-deploy
BUILD  := pyproject.toml core/tidemill/_version.py
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(UPGRADE)

# What pip does for packages that are not editable. Where Python may write no bytecode by itself
# (PYTHONDONTWRITEBYTECODE) each of the thousands of processes of the tests would compile anew.
COMPILED := $(BIN)/python -m compileall -q core dsl plugins

.DEFAULT_GOAL := help
.PHONY: help demo test lint lint-tide lint-format lint-style lint-types lint-imports bench bench-fleet bench-order chaos simulate lock clean

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(RUN) ## Install, then run the release example to its end
	@echo; echo '$$ cd examples/release && tidemill run release.tide -p version=1.2.0'
	@cd examples/release && ../../$(BIN)/tidemill run release.tide -p version=1.2.0

test: $(DEV) ## Run every test
	@$(COMPILED)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: lint-tide lint-format lint-style lint-types lint-imports ## Check layout, style, types and imports

lint-tide: $(RUN)
	@$(BIN)/tidemill fmt --check ci.tide examples
	@$(BIN)/tidemill validate ci.tide examples

lint-format: $(DEV)
	@$(BIN)/ruff format --check --quiet .

lint-style: $(DEV)
	@$(BIN)/ruff check --quiet .

lint-types: $(DEV)
	@$(BIN)/mypy

lint-imports: $(DEV)
	@$(BIN)/lint-imports --no-logo

bench: $(DEV) ## Compare with the Python floor, make, ninja, doit, luigi and snakemake
	@$(BIN)/python tests/benchmarks $(ARGS)

bench-fleet: $(DEV) ## Compare the fleet with task queues, Prefect and Airflow (some 15 minutes)
	@$(BIN)/python tests/benchmarks/fleet $(ARGS)

bench-order: $(DEV) ## Simulate the order of dispatch under load: tables and picture of the docs
	@cd tests/benchmarks && ../../$(BIN)/python -m order tables --write ../../docs/explanation/order.md
	@cd tests/benchmarks && ../../$(BIN)/python -m order large $(ARGS) \
		--write ../../docs/explanation/order.md --picture ../../docs/pictures/load.svg
	@cd tests/benchmarks && ../../$(BIN)/python -m order large --runs 510 --slots 1000 $(ARGS) \
		--write ../../docs/explanation/order.md

chaos: $(DEV) ## Kill, stop and cut off parts of a real fleet, for 40 minutes; report in .chaos/
	@CHAOS_FAULTS=$${CHAOS_FAULTS:-1000} CHAOS_TASKS=$${CHAOS_TASKS:-50000} \
		CHAOS_GAP=$${CHAOS_GAP:-2} CHAOS_FOLDER=$${CHAOS_FOLDER:-.chaos} \
		$(BIN)/python -m pytest -p no:xdist --timeout 0 -s tests/chaos/test_chaos.py $(ARGS)

simulate: $(DEV) ## A fleet in virtual time, with bad luck (SEEDS=0..9999 JOBS=4)
	@$(BIN)/python -m tidemill.testing.simulation --seeds $(or $(SEEDS),0..999) \
		--jobs $(or $(JOBS),1) $(ARGS)

lock: $(DEV) ## Write requirements/*.lock anew (UPGRADE=--upgrade for newer releases)
	@$(COMPILE) pyproject.toml --group build -o requirements/run.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements/run.lock -o requirements/dev.lock
	@$(COMPILE) pyproject.toml --group deploy -c requirements/dev.lock -o requirements/deploy.lock

clean: ## Remove what make and the tools made
	rm -rf $(VENV) .bench-venv dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .tidemill examples/*/.tidemill .chaos

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Tidemill needs Python 3.11 or newer: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(RUN): requirements/run.lock $(BUILD) | $(BIN)/python
	@echo 'installing what Tidemill needs'
	@$(PIP) install --require-hashes -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(COMPILED)
	@touch $@

$(DEV): requirements/dev.lock $(RUN)
	@echo 'installing the tools for tests and checks'
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

$(DEPLOY): requirements/deploy.lock $(DEV)
	@echo 'installing what checks the Helm chart'
	@$(PIP) install --require-hashes -r requirements/deploy.lock
	@touch $@
