# The words of this project. `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
WORKERS ?= auto
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
# The options of pyproject.toml without checks of shapes at every call, which double the time; `make test` has them.
UNCHECKED := --strict-markers --import-mode=importlib

.PHONY: help setup lab tour test test-slow test-all check types ui bench format clean
.DEFAULT_GOAL := help

help: ## list the words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "convscope needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

setup: $(STAMP) ## create .venv and install convscope with its tests into it

lab: $(STAMP) ## serve the page where networks are built, trained and watched, and open it
	$(BIN)/convscope lab

tour: $(STAMP) ## train on real digits, look inside, write one illustrated report
	$(BIN)/convscope tour

test: $(STAMP) ## the tests that answer in some minutes, on all cores
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: $(STAMP) ## the other tests that must pass before a change lands: every verb over every network, ...
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -o addopts='$(UNCHECKED)' -m 'slow and not exhaustive and not oracle'

test-all: $(STAMP) ## all tests, every combination and those against Keras and flax included; takes hours
	$(BIN)/python -m pip install --quiet --group oracle
	$(BIN)/python -m pytest -n $(WORKERS) -m ''

check: $(STAMP) ## formatting, lint, types, the direction of every import
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/dump_openapi.py --check
	@if command -v npm > /dev/null; then cd lab-ui && npm ci --silent && npm run check && npm test; \
	  else echo "npm is absent: the sources of the page are not checked"; fi

types: $(STAMP) ## write the page's types of the lab's answers anew, from the server's (needs Node 20 or newer)
	$(BIN)/python scripts/dump_openapi.py
	cd lab-ui && npm ci --silent && npm run types

ui: ## build the page of the lab from lab-ui (needs Node 20 or newer)
	cd lab-ui && npm ci --silent && npm run build

bench: $(STAMP) ## side by side with the peers; writes benchmarks/results (python -m benchmarks recipes trains those)
	$(BIN)/python -m benchmarks

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
