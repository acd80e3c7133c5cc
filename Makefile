# make demo       see it work: environment, shipped judge, a small training, one HTML page   (openset demo)
# make test       what CI runs: lint, format, types, tests
# make check-long tests of minutes, and ten minutes of fuzzing
# make sheet-music  rebuild the shipped judge, resumable
# make clean      remove what make made
#
# Needs Python 3.11 or newer and pip. Another Python:  make PYTHON=python3.12 demo

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MINUTES ?= 10

.PHONY: help demo test check-long sheet-music clean

help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/.installed-demo
	$(BIN)/openset demo --output demo-out

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not long"

check-long: $(VENV)/.installed-dev $(VENV)/.installed-fuzz
	$(BIN)/pytest -m long
	$(BIN)/python scripts/fuzz_images.py --minutes $(MINUTES)

sheet-music: $(VENV)/.installed-sheetmusic
	$(BIN)/python -m openset.sheetmusic

$(VENV)/.installed-%: pyproject.toml scripts/make_env.sh
	@PYTHON="$(PYTHON)" sh scripts/make_env.sh "$(VENV)" "$*"
	@touch "$@"

clean:
	rm -rf "$(VENV)" build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
