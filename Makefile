# Everything here sets up its own environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint benchmarks clean

demo: .venv/ready
	$(BIN)/datasetgan generate --network=demo --seeds=0-63 --outdir=out/demo

# one process for each core, with one thread each; tests of one group share a process
test: .venv/ready lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist=loadgroup

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

benchmarks: .venv/ready
	$(BIN)/python benchmarks/demo_accuracy.py
	$(BIN)/python benchmarks/demo_keypoints.py
	$(BIN)/python benchmarks/demo_memory.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/preset_cost.py
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[benchmarks]'
	$(BIN)/python benchmarks/labelling.py
	$(BIN)/python benchmarks/suggestion_time.py
	$(BIN)/python benchmarks/suggestions.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/writing.py
	$(BIN)/python benchmarks/readme_tables.py

.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf .venv out
