# Two commands matter: `make demo` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FREEZE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

BENCH := .venv-bench
MATCHER := .venv-bench-matcher
.PHONY: help install demo test prove bench check example format requirements clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP)  ## make .venv with the pinned, hashed requirements and the command in it

# The requirements are installed by hash; the project itself (no dependencies, no build isolation) comes after,
# because pip takes either hashes or an editable project in one call, not both.
$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# Job control (bash -m) gives the demo a process group of its own: Ctrl-C ends the demo, which ends with 0, and not make.
demo: $(STAMP)  ## a simulated organization, the daemon that audits it, and the page; Ctrl-C ends it
	@if [ -t 0 ]; then exec bash -mc '$(BIN)/auditor demo'; \
	elif [ -t 1 ]; then exec $(BIN)/auditor demo; \
	else exec $(BIN)/auditor demo --once; fi

# Three for two cores, because a third of the time is waiting; who has nothing left takes from the others.
test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -n 3 --dist worksteal

prove: $(STAMP)  ## 1,000 kills of the daemon, every fault of the API, 10,000 spoilt policy files, 5,000 histories; two hours
	AUDITOR_PROVE=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/test_no_*.py

# What we are compared with pins old packages, and nothing else needs it: it gets an environment of its own.
$(BENCH)/.installed: requirements/bench.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# It needs a pySigma that we do not run on.
$(MATCHER)/.installed: requirements/bench-matcher.txt
	$(PYTHON) -m venv $(MATCHER)
	$(MATCHER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench-matcher.txt
	@touch $@

bench: $(BENCH)/.installed $(MATCHER)/.installed  ## every benchmark beside the tools it is compared with, some minutes
	@set -e; for each in $$(grep -l '^def main' tests/benchmarks/*.py); do echo "== $$each"; \
		PYTHONPATH=tests AUDITOR_BENCH_MATCHER=$(MATCHER)/bin/python $(BENCH)/bin/python $$each; done

check: $(STAMP)  ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

example: $(STAMP)  ## make the sample report in reports/examples anew (needs chromium)
	$(BIN)/auditor demo --once --output $(VENV)/example
	cp $(VENV)/example/report.html reports/examples/report.html
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir=$(VENV)/example/browser \
		--window-size=1280,1000 --blink-settings=preferredColorScheme=1 \
		--screenshot=reports/examples/report.png file://$(CURDIR)/reports/examples/report.html 2>/dev/null

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements:  ## compile the pinned, hashed requirement files anew (needs uv)
	$(FREEZE) pyproject.toml -o requirements/core.txt
	$(FREEZE) --all-extras --group dev pyproject.toml -o requirements/dev.txt
	$(FREEZE) --group bench pyproject.toml -o requirements/bench.txt
	$(FREEZE) --group bench-matcher -o requirements/bench-matcher.txt

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(BENCH) $(MATCHER) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
