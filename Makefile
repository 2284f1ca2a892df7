# Every target first installs requirements.lock into .venv, if that is not done yet.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
# One more than cores: the tests on SLURM mostly wait.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
MODEL ?= mini-sd
DEVICE ?= cpu
BIN := .venv/bin
STAMP := .venv/.installed
UV := 0.13.9
DEMO := $(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml --rerun-incomplete --quiet rules
UNLOCK := $(BIN)/snakemake --unlock --configfile config/demo.yaml
export PYTHONPATH := src

.PHONY: help setup demo test lint config-docs classify benchmark

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP)  ## install the environment in .venv

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"diffzero: found Python {sys.version.split()[0]}, expected 3.11 or newer. Set PYTHON, e.g. make demo PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@echo ../../../../src > "$$(echo .venv/lib/python3.*/site-packages)/diffzero.pth"  # `python -m diffzero...` works as typed
	@touch $@

demo: $(STAMP)  ## run the experiment in miniature; tables and figures in results/demo
	@echo "$(DEMO)"
	@$(DEMO) || { printf '%s\n' 'diffzero: the demo stopped early; all computed scores are kept. To continue, type: make demo' \
		'If Snakemake reports that the directory cannot be locked, the last run was killed. If no other run is active here, type first:' \
		'$(UNLOCK)' >&2; exit 1; }
	@echo "Tables: results/demo/tables/   Figures: results/demo/figures/"

test: $(STAMP)  ## run all tests, one test file per core at a time
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: $(STAMP)  ## check style, spelling, imports between packages, types and rules
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --configfile config/demo.yaml

config-docs: $(STAMP)  ## write config/schema.json and docs/configuration.md from the classes of the configuration
	$(BIN)/python -m diffzero.config

# Passed through the environment, so that neither make nor the shell expands characters of a prompt.
unexport IMAGE PROMPTS MODEL
classify: export CLASSIFY_IMAGE = $(value IMAGE)
classify: export CLASSIFY_PROMPTS = $(value PROMPTS)
classify: export CLASSIFY_MODEL = $(value MODEL)
classify: $(STAMP)  ## classify one image: make classify IMAGE=photo.png PROMPTS="a sneaker,a bag" [MODEL=mini-sd]
	@$(BIN)/python -m diffzero.cli.classify --image "$$CLASSIFY_IMAGE" --prompts "$$CLASSIFY_PROMPTS" --model "$$CLASSIFY_MODEL"

benchmark: $(STAMP)  ## measure the engine's speed; results/benchmarks/engine.json [DEVICE=cuda]
	$(BIN)/python benchmarks/engine.py --device $(DEVICE)
