# Every verb does the set-up it needs. PYTHON picks the interpreter the environment is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-long results results-fast bench docs clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv and install torchlgg into it, editable, with the tools of development

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(READY) ## the main job on the embedded digits: a teacher, and students by four losses
	$(BIN)/lgg demo --out runs/demo --overwrite

check: $(READY) ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check ## the checks, then every test but the long ones
	$(BIN)/python -m pytest -m 'not long' -n 2

test-long: $(READY) ## the tests that take minutes
	$(BIN)/python -m pytest -m long

results: demo ## run the demonstration and keep its record: the front page is drawn from it
	$(BIN)/python results/draw.py --from runs/demo

results-fast: $(READY) ## the fast recipes on 10,000 images of CIFAR-10, 3 seeds: DATA=path/to/cifar10
	$(BIN)/python results/fast.py --data $(DATA)

bench: $(READY) ## measure speed against the floor and the peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m benchmarks

docs: $(READY) ## the documentation site, into docs/_build/html; an undocumented public name fails
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean: ## remove what the verbs made, but not .venv and not runs/
	rm -rf docs/_build docs/reference .pytest_cache .mypy_cache .ruff_cache dist build
