# Customhouse: `make audit` is the main job, `make test` proves it. Both set up all that they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= sample/camera-1.0.img
AUDIT_FLAGS ?=
export IMAGE
.DEFAULT_GOAL := help

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.ready-audit  ## The environment, with the command at .venv/bin/customhouse

$(VENV)/.ready-audit: pyproject.toml constraints.txt scripts/make-environment
	@PYTHON="$(PYTHON)" scripts/make-environment $(VENV) audit
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready-audit
	@PYTHON="$(PYTHON)" scripts/make-environment $(VENV) test
	@touch $@

audit: setup  ## Audit IMAGE=... (the bundled sample camera by default)
	@scripts/audit "$$IMAGE" $(AUDIT_FLAGS)

test: $(VENV)/.ready-test  ## Lint, types, import contracts and all tests
	@scripts/run-tests

lint: $(VENV)/.ready-test  ## ruff, mypy --strict, import-linter
	@scripts/run-tests lint

bench: $(VENV)/.ready-test  ## Measure speed and accuracy beside the peers (BENCH=name for one)
	@$(BIN)/python -m bench $(BENCH)

docs: $(VENV)/.ready-test  ## Write the generated reference pages
	@$(BIN)/python scripts/write_reference.py

sample: $(VENV)/.ready-test  ## Rebuild the sample camera's images from their sources
	@$(BIN)/python sample/build.py

.PHONY: help setup audit test lint bench docs sample
