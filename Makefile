# The two commands: `make demo` and `make test`. Both set themselves up: a virtual environment in .venv from requirements.lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
WORKERS ?= logical
MODEL ?= mini-sd
DEVICE ?= cpu
BIN := .venv/bin
STAMP := .venv/.installed
UV := 0.13.9
DEMO := $(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml --rerun-incomplete --quiet rules
UNLOCK := $(BIN)/snakemake --unlock --configfile config/demo.yaml
export PYTHONPATH := src

.PHONY: help setup demo test lint classify benchmark

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP)  ## the environment alone

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"diffzero: found Python {sys.version.split()[0]}, expected 3.11 or newer. Set PYTHON, e.g. make demo PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@touch $@

demo: $(STAMP)  ## the whole experiment in miniature; tables and figures in results/demo
	@echo "$(DEMO)"
	@$(DEMO) || { printf '%s\n' 'diffzero: not finished; everything scored is kept. To go on, type: make demo' \
		'Does it say that the directory cannot be locked, and no other run is at work here? Then the last one was killed; type first:' \
		'$(UNLOCK)' >&2; exit 1; }
	@echo "Tables: results/demo/tables/   Figures: results/demo/figures/"

test: $(STAMP)  ## all tests, a file on each core at a time
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: $(STAMP)  ## ruff, snakefmt, snakemake --lint
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --configfile config/demo.yaml

# Through the environment, as typed: neither make nor the shell may read what stands in a prompt.
unexport IMAGE PROMPTS MODEL
classify: export CLASSIFY_IMAGE = $(value IMAGE)
classify: export CLASSIFY_PROMPTS = $(value PROMPTS)
classify: export CLASSIFY_MODEL = $(value MODEL)
classify: $(STAMP)  ## one image: make classify IMAGE=photo.png PROMPTS="a sneaker,a bag" [MODEL=mini-sd]
	@$(BIN)/python -m diffzero.cli.classify --image "$$CLASSIFY_IMAGE" --prompts "$$CLASSIFY_PROMPTS" --model "$$CLASSIFY_MODEL"

benchmark: $(STAMP)  ## the engine's speed as ratios, in results/benchmarks/engine.json [DEVICE=cuda]
	$(BIN)/python benchmarks/engine.py --device $(DEVICE)
