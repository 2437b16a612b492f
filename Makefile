# Plantroom. `make demo` and `make test` need Python 3.11, make and git; what else they need they fetch once, into .venv and node_modules.
# Paths are relative, so that the checkout may lie in a folder with a space.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: setup demo test lint check proof bench screenshots lock clean help
MAKEFLAGS += --no-print-directory
ARGS ?=

setup: ## set up what running needs: Python packages and the dashboard's browser files
	@scripts/environment.sh runtime
	@scripts/assets.sh

demo: setup ## a simulated plant, a gateway and the service desk, on this machine (ARGS="--for 60 --json")
	@.venv/bin/plantroom-sim demo $(ARGS) || { code=$$?; [ $$code -eq 130 ] || exit $$code; } # Ctrl-C is no error

.PHONY: dev
dev:
	@scripts/environment.sh dev
	@scripts/assets.sh dev

.PHONY: servers
servers:
	@scripts/system-packages.sh

test: dev servers ## set up what tests need and run them (ARGS="-k ticket" chooses)
	@.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: dev ## ruff, mypy, import rules, size budgets, nothing of this machine in a tracked file
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/python -m pytest -q tests/test_tracked_files.py tests/test_architecture.py tests/test_code_budget.py

check: lint test ## lint and test: what CI runs

proof: dev servers ## the issues' full figures, which make test leaves out: every kill, scenario and browser; long
	@.venv/bin/python -m pytest -m proof $(ARGS)

bench: dev servers ## measure, with floors (ARGS=--json prints one object a line)
	@.venv/bin/python -m benchmarks $(ARGS)

.PHONY: explore
explore: setup ## search for a broken promise in random plants and troubles (ARGS="--runs 1000 --seed 7")
	@.venv/bin/plantroom-sim explore $(ARGS)

screenshots: dev servers ## make the README's pictures from a running demo
	@.venv/bin/python scripts/screenshots.py $(ARGS)

lock: ## write the hashed locks again (UPGRADE=yes or UPGRADE=name moves versions)
	@scripts/lock.sh

clean: ## remove environments, caches and test output; data of demos in .plantroom stays
	@rm -rf .venv .venv-node .venv-lock node_modules cloud/dashboard/static/vendor test-output build dist
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
