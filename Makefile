# The commands of the house. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export MLFLOW_DISABLE_TELEMETRY := true
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help setup demo test check check-lint check-format check-types check-definitions \
	check-docstrings docs wheel ui mlflow serve audit bench lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP)  ## make the virtual environment from the hashed lock

# The lock is complete, so nothing is resolved here: every file is checked against its hash, and
# `pip check` holds that the whole fits together.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info[:2] == (3, 11) else "its_pipeline is locked for Python 3.11, but this is " + sys.version.split()[0] + "; run: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check --disable-pip-version-check
	touch $@

demo: setup  ## simulate 18 people and run the whole pipeline on them
	$(BIN)/its-pipeline demo

test: setup  ## run the tests, with coverage
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-fail-under=85

# Each part is a hook of .pre-commit-config.yaml as well; a test holds that the two lists are one.
check: check-lint check-format check-types check-definitions check-docstrings docs  ## run what CI runs beside the tests: lint, format, types, definitions, documentation

check-lint: setup
	$(BIN)/ruff check .

check-format: setup
	$(BIN)/ruff format --check .

check-types: setup
	$(BIN)/pyright

check-definitions: setup
	$(BIN)/dagster definitions validate -m its_pipeline.definitions

check-docstrings: setup
	$(BIN)/numpydoc lint $$(find its_pipeline -name '*.py')

# From nothing each time (-E): what Sphinx has read before it does not complain about again.
docs: setup  ## build the documentation site in build/docs/html; a warning is an error
	$(BIN)/sphinx-build -E -W --keep-going -q -b html -d build/docs/doctrees docs build/docs/html

wheel: setup  ## build the wheel that others install, into dist/
	$(BIN)/python -m build --no-isolation

ui: setup  ## open Dagster's UI on http://127.0.0.1:3000, with daemon, schedules and sensors
	$(BIN)/its-pipeline ui

mlflow: setup  ## open MLflow's UI on http://127.0.0.1:5000
	$(BIN)/its-pipeline mlflow

serve: setup  ## start the page to ask on and the HTTP API on http://127.0.0.1:8000, for this machine alone
	$(BIN)/its-pipeline serve

audit: setup  ## look for known vulnerabilities in the lock (needs a package index)
	$(BIN)/python tools/audit.py

bench: setup  ## measure fit, cold start and calibration in short form
	$(BIN)/python -m benchmarks.fit --rounds 1
	$(BIN)/python -m benchmarks.cold --rounds 1
	$(BIN)/python -m benchmarks.calibration --series 20 --quadrature 100 --power 20

lock:  ## resolve the dependencies anew (needs uv)
	uv pip compile --quiet pyproject.toml --all-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 -o requirements.lock
	echo uv | uv pip compile --quiet - --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 -o requirements-uv.lock

clean:  ## delete everything generated (the demo's store too)
	find data -mindepth 1 -not -name README.md -delete
