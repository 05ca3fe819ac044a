# The one file to type at: `make demo` shows the house, `make test` proves it.
# The environment is made in .venv the first time anything needs it, and then left alone.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/installed
DOCS_STAMP := .venv/installed-docs
TESTS ?= tests

.PHONY: help env demo test lint bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    train on embedded handwriting, measure it, write its report (minutes)"
	@echo "make test    run the tests; TESTS=tests/data runs some of them"
	@echo "make lint    check format, style and types"
	@echo "make bench   measure speed and memory on this machine"
	@echo "make docs    build the documentation site into site/"
	@echo "make env     make the environment in .venv"
	@echo "make clean   remove what was built; runs and .venv stay"

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer here: install one, or name it: make PYTHON=..." >&2; exit 1; }
	@echo "Making the environment in .venv with $(PYTHON): a few minutes the first time."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[dev,cluster]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[docs]'
	@touch $@

# An interrupted demo goes on where it stopped; a finished one stays, and the next stands beside it.
demo: $(STAMP)
	@run=runs/demo; \
	if [ -e $$run/checkpoint/last.safetensors ] && [ ! -e $$run/report.html ]; then \
		$(BIN)/fewgan resume $$run; \
	else \
		if [ -e $$run ]; then run=$$run-$$(date +%Y%m%d-%H%M%S); fi; \
		$(BIN)/fewgan train --config recipes/digits-acgan.yaml --out $$run; \
	fi && \
	$(BIN)/fewgan evaluate $$run --data digits --n 1000 && \
	$(BIN)/fewgan report $$run && \
	echo && \
	echo "Pictures:          $$run/samples/" && \
	echo "Table of figures:  $$run/README.md (as data: $$run/evaluation.json)" && \
	echo "Report page:       $$run/report.html" && \
	echo "More pictures:     $(BIN)/fewgan sample $$run --label 7 --out sevens.png"

# One thread a process: two processes with two threads each lose twenty-fold on two cores.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 $(TESTS)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/memory.py

docs: $(DOCS_STAMP)
	$(BIN)/zensical build --clean --strict
	@echo "The site is in site/: open site/index.html"

clean:
	rm -rf site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
