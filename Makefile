# One entry for each task. Each target sets up what it needs in .venv and may be repeated.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# So many test processes; a file's tests stay in one of them.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# ORDER=random shuffles files and tests, and says the seed (pytest -p randomly --randomly-seed=N)
ORDER ?= fixed
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(if $(filter random,$(ORDER)),,-p no:randomly)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test test-all check lint types imports audit wheel bench chaos fuzz simulate lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "newsletter needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "installing the tools for tests"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime  ## Send the sample digest to the sample subscribers, offline
	@$(BIN)/newsletter demo --dir demo

test: $(VENV)/.dev  ## Run the tests: every behaviour, in some five minutes
	@$(PYTEST) -m "not heavy"

test-all: $(VENV)/.dev  ## Run the others: browsers, servers, kills, PostgreSQL, fuzzers, a year
	@$(PYTEST) -m "heavy or properties" --hypothesis-profile=thorough
	@$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),20000)

check: lint types imports  ## Lint, types, import directions, unit and wire tests: before each commit
	@$(PYTEST) -m "not slow and not heavy" tests/unit tests/wire tests/fuzz tests/chaos

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev
	@$(BIN)/lint-imports

audit: $(VENV)/.dev
	@$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

wheel: $(VENV)/.dev  ## Build the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

bench: $(VENV)/.dev  ## Measure against peers, as ratios
	@$(BIN)/python -m benchmarks

chaos: $(VENV)/.dev  ## Kill senders and break servers at random: 240 rounds, judged by the servers' own logs
	@$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),240)

fuzz: $(VENV)/.dev  ## Put 20,000 odd digests through all that reads and writes them
	@$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),20000)

simulate: $(VENV)/.dev  ## A year of mornings in all kinds of zones, with crashes: judged and printed
	@$(BIN)/python -m tests.simulation --seed $(or $(SEED),1)

lock: $(VENV)/.dev  ## Renew the locks: names, versions, hashes, no hosts
	@$(PIP) install 'uv>=0.9'
	@for part in "requirements.lock:" "requirements-dev.lock:--extra=dev --extra=scale" \
	  "deploy/postgresql.lock:--extra=scale --constraint=requirements-dev.lock"; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url --no-annotate --upgrade pyproject.toml \
	    $${part#*:} --output-file $${part%%:*}; done
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --upgrade - --output-file requirements-build.lock

clean:  ## Remove what the targets made
	@rm -rf $(VENV) dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
