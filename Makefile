# Everything here sets up its own environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin
# errors are shown; what pip warns of is nothing that this needs
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types coverage benchmarks docs docs-serve clean

demo: .venv/base
	$(BIN)/datasetgan generate --network=demo --seeds=0-63 --outdir=out/demo

# one process for each core, with one thread each; tests of one group share a process
test: .venv/ready lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist=loadgroup

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

# the lines that no test reaches, also those that only run in processes of tests
coverage: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist=loadgroup --cov --cov-report=term-missing:skip-covered

# a link that leads nowhere, or a docstring that names no argument, fails
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

docs-serve: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# all that is not of the code of now; stopped, it goes on. ARGUMENTS='--list', '--stages=inference,training'
benchmarks: .venv/ready
	$(PIP) --editable '.[benchmarks]'
	$(BIN)/python benchmarks/all.py $(ARGUMENTS)

# what the program needs
.venv/base: setup.cfg setup.py pyproject.toml constraints.txt
	@echo '[1/3] Making a Python environment in .venv'
	@$(PYTHON) -m venv .venv
	@echo '[2/3] Installing PyTorch into it: by far the largest package, minutes on a slow connection'
	@$(PIP) torch
	@echo '[3/3] Installing this program and the nine small packages that it needs'
	@$(PIP) --editable .
	@touch $@

# and what its tests need
.venv/ready: .venv/base
	@echo 'Installing what the tests need into .venv: pytest, a browser driver, network libraries and more'
	@$(PIP) --editable '.[test]'
	@touch $@

# and what the site is built with
.venv/docs: .venv/base
	@echo 'Installing what the documentation site is built with into .venv'
	@$(PIP) --editable '.[docs]'
	@touch $@

clean:
	rm -rf .venv out site
