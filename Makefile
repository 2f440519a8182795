# Every target makes what it needs on a machine with Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install install-dev demo test test-all test-deep check keycloak lock

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## make .venv with what the product needs

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@$(PYTHON) install.py $(VENV) requirements.lock .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(PYTHON) install.py $(VENV) requirements-dev.lock .
	@touch $@

keycloak: $(VENV)/.installed ## a real Keycloak with the seed realm at http://localhost:8041 (needs Java and Maven)
	@$(BIN)/python -m seed.keycloak.server

install-dev: $(VENV)/.installed-dev ## … and what the tests need

demo: $(VENV)/.installed ## watch an agent call an API with delegated identity; ONCE=1 ends after it, KEYCLOAK=1 plays on a real Keycloak
	@$(BIN)/tools-provider demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(filter-out 0,$(KEYCLOAK)),--keycloak)

lock: ## lock the dependencies anew (needs uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements-dev.lock

check: $(VENV)/.installed-dev ## style, types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each test is run by one of the three: without a mark by `test`, `extended` by `test-all`, `deep` by `test-deep`.
# `make test test-all` runs nothing twice, since make makes `test` once; `make test-all` alone runs it, too.
# What must be covered whole is covered by the tests beside it; measuring that takes all tests 2.5 times as long.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadscope
CORE := $(PYTEST) -m "not extended and not deep"
COVERING := tests/audit tests/credentials tests/identity tests/memory tests/tools
COVERED := app/identity/*,app/memory/*,app/credentials/*,app/audit/outcome.py,app/tools/access.py,app/tools/request/plan.py,app/tools/executor.py
test: export COVERAGE_FILE = .cache/coverage.$(shell echo $$PPID)
test: check ## the core of everything, and the contract on a real Keycloak: at most 8 minutes on two cores
	$(CORE) --cov --cov-report= $(COVERING)
	$(BIN)/coverage report --include="$(COVERED)" --fail-under=100
	@rm $(COVERAGE_FILE)
	$(CORE) $(COVERING:%=--ignore=%)

test-all: test ## … and everything else but the long proofs: at most 40 minutes
	$(PYTEST) -m "extended and not deep"

test-deep: $(VENV)/.installed-dev ## the long proofs: more of the corpus, compose on Keycloak, mutation
	$(BIN)/pytest -m deep
	$(BIN)/python -m tests.mutation
