# One command each; `make` alone lists them. Everything is installed into .venv, from locks with hashes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON_ENV := .venv/bin
CODE := $(wildcard src tests bench)
LOCKS := requirements/dev.txt requirements/verifier.txt
STAMP := .venv/.interlock-installed
JOBS ?= 2
PYTEST_ARGS ?=

.PHONY: help setup test test-thorough check lint format demo bench bench-aws bench-admission bench-console bench-breakers conformance conformance-aws oracle lock clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(STAMP)  ## .venv with the locked packages and the project

# Redone when what is locked or how the project is packaged changes, and not otherwise.
$(STAMP): $(LOCKS) pyproject.toml scripts/bootstrap
	@scripts/bootstrap
	@touch $@

test: $(STAMP)  ## style, types, import contracts, and all tests, most of them on PostgreSQL 18 or 15
	@scripts/debian-packages postgresql-15 || true
	@scripts/debian-packages libpostgresql-jdbc-java || true
	@scripts/debian-packages chromium || true
	@$(PYTHON_ENV)/python -m tests.real.console.axe || true
	@$(MAKE) --no-print-directory lint
	$(PYTHON_ENV)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

test-thorough: PYTEST_ARGS += --thorough
test-thorough: test  ## as test, with all tests on every version of PostgreSQL, and incidents in every client

check: $(STAMP) lint  ## as test, while working: no Debian packages, stops at the first failure
	$(PYTHON_ENV)/python -m pytest -n $(JOBS) -x $(PYTEST_ARGS)

lint: $(STAMP)  ## style, types and import contracts only
	$(PYTHON_ENV)/ruff format --check $(CODE)
	$(PYTHON_ENV)/ruff check $(CODE)
	$(PYTHON_ENV)/mypy $(CODE)
	$(PYTHON_ENV)/lint-imports

format: $(STAMP)  ## put the code into the style that lint asks for
	$(PYTHON_ENV)/ruff check --fix $(CODE)
	$(PYTHON_ENV)/ruff format $(CODE)

demo: $(STAMP)  ## the main job on a real PostgreSQL; DEMO_ARGS=--serve leaves it running, DEMO_ARGS=--aws is the one on AWS
	$(PYTHON_ENV)/interlock demo $(DEMO_ARGS)

bench: $(STAMP)  ## measure against direct PostgreSQL and pgbouncer
	@scripts/debian-packages pgbouncer || true
	$(PYTHON_ENV)/python -m bench $(BENCH_ARGS)

bench-aws: $(STAMP)  ## measure the AWS gateway against direct calls and mitmproxy
	@scripts/debian-packages mitmproxy || true
	$(PYTHON_ENV)/python -m bench.aws $(BENCH_ARGS)

bench-admission: $(STAMP)  ## measure what admission adds to an intent, on SQLite and PostgreSQL, as the history grows
	$(PYTHON_ENV)/python -m bench.admission $(BENCH_ARGS)

bench-console: $(STAMP)  ## measure the console's pages at a million changes, on SQLite and PostgreSQL
	$(PYTHON_ENV)/python -m bench.console $(BENCH_ARGS)

bench-breakers: $(STAMP)  ## do breakers stop the runaway agent and leave the honest one alone? BENCH_ARGS="--sessions 2000"
	$(PYTHON_ENV)/python -m bench.breakers $(BENCH_ARGS)

conformance: $(STAMP)  ## others' test suites, directly and through the gateway; CONFORMANCE_ARGS="psycopg2 --keep"
	@scripts/debian-packages postgresql-15 || true
	@$(PYTHON_ENV)/python -m tests.real.node || true
	$(PYTHON_ENV)/python -m tests.real.conformance $(CONFORMANCE_ARGS)

conformance-aws: $(STAMP)  ## every operation of botocore through the codec, and moto's own tests both ways; writes docs/conformance-aws.md
	$(PYTHON_ENV)/python -m tests.real.aws.conformance
	$(PYTHON_ENV)/python -m tests.real.aws.moto_suite

oracle: $(STAMP)  ## does what changes match what was measured? ORACLE_ARGS="--parts scripts --minutes 20"
	@scripts/debian-packages postgresql-15 sqlsmith || true
	$(PYTHON_ENV)/python -m tests.real.oracle.run $(ORACLE_ARGS)

lock: $(STAMP)  ## renew requirements/*.txt; LOCK_ARGS=--upgrade takes newer versions
	scripts/lock $(LOCK_ARGS)

clean:  ## remove everything that these commands made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist var artifacts
	find src tests $(wildcard bench) -name __pycache__ -prune -exec rm -rf {} +
