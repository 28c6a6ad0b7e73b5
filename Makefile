# Every command of the project. `make` alone lists them; only Python >= 3.11 and make are needed, Go for the cluster suites.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first Python that is new enough; override with `make PYTHON=/path/to/python3`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
# The long suites mostly wait (for a redelivery, a lease, a breaker), so four workers suit two cores; JOBS=2 suits one.
PYTEST := $(BIN)/python -m pytest -n $(or $(JOBS),4) --dist loadgroup

.PHONY: help
help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(RUN) ## Run the main job on embedded servers, show what became of each event, end by itself
	@$(BIN)/python -m worker demo $(ARGS)

.PHONY: dev
dev: $(RUN) ## The same servers, but they stay up; prints their addresses
	@$(BIN)/python -m worker dev $(ARGS)

.PHONY: test
test: $(DEV) ## All suites that need nothing but Python
	$(PYTEST) -m "not cluster" $(ARGS)

.PHONY: test-cluster
test-cluster: $(DEV) tools ## The suites that run on real servers: kube-apiserver and etcd, controllers, KEDA (needs Go)
	$(PYTEST) -m cluster $(ARGS)

.PHONY: soak
soak: $(DEV) ## Random kills, freezes, restarts and lost answers for SECONDS (60) from SEED (1), then the checker's judgement
	$(BIN)/python -m tests.crash.soak --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1) $(ARGS)

.PHONY: check
check: $(DEV) ## Lint, format, types, layers, drift of generated files
	@$(BIN)/python -m tools.check

.PHONY: bench
bench: $(DEV) ## Measure throughput, latency, planning and memory, as ratios within one run
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: generate
generate: $(DEV) ## Write schemas, AsyncAPI document, CRDs, golden files and tables of the documents anew
	$(BIN)/python -m contracts.generate
	$(BIN)/python -m tools.crds
	$(BIN)/python -m tests.golden.regenerate
	$(BIN)/python -m tests.unit.cli.regenerate
	$(BIN)/python -m tools.platform_api
	$(BIN)/python -m tools.docs

.PHONY: tools
tools: ## Build the real servers of the cluster suites once (20 min cold), into the cache folder of the user (needs Go)
	@$(PYTHON) tools/build.py

.PHONY: lock
lock: $(DEV) ## Pin the newest allowed dependencies with their hashes
	$(LOCK) pyproject.toml --extra dev-mode -o requirements/run.txt
	$(LOCK) pyproject.toml --extra dev-mode --group dev --constraint requirements/run.txt -o requirements/dev.txt
	$(LOCK) requirements/checkov.in -o requirements/checkov.txt

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --upgrade

.PHONY: clean
clean: ## Delete the virtual environment and all caches in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build dist

# The development environment contains the run-time one at the same versions, so one folder serves both.
$(RUN): requirements/run.txt pyproject.toml | $(BIN)/python
	@$(call install,run)
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	@$(call install,dev)
	@touch $@ $(RUN)

# Without build isolation the build backend comes from the hash-pinned list too, and nothing else is downloaded.
define install
echo "Installing requirements/$(1).txt into $(VENV) …" && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$(1).txt && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none is on PATH: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
