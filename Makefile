# Two commands do all set-up on a fresh Linux machine (x86_64) with git, make and Python 3.11 with venv: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
OWN_UV := $(CURDIR)/.tools/bin/uv
UV := $(or $(shell command -v uv),$(OWN_UV))
RUN := $(UV) run --no-sync
export UV_COMPILE_BYTECODE = 1

.PHONY: help airflow demo stop up up-full down-full test check bench bench-quality sync services image images deploy clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(OWN_UV):
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'

sync: $(filter $(OWN_UV),$(UV)) ## install the locked environment into .venv
	@$(UV) sync --quiet --locked

services: ## install the services that the tests start, and what renders and checks the manifests
	@knative/local/services/install.sh
	@knative/install-tools.sh

airflow: $(filter $(OWN_UV),$(UV)) ## install Airflow into .airflow-venv, apart from everything else
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.airflow-venv $(UV) sync --quiet --locked --no-default-groups --no-install-project --extra airflow

demo: sync ## real matches in, forecasts served on http://localhost:8080 (DEMO_UNTIL=2025-04-01, PORT=8080)
	@$(RUN) matchcast demo --until $(or $(DEMO_UNTIL),2025-04-01) --port $(or $(PORT),8080)

up: sync ## serve what stands, on http://localhost:8080
	@$(RUN) matchcast up --port $(or $(PORT),8080)

up-full: sync $(if $(NO_AIRFLOW),,airflow) ## every server and function, private, on this machine (PORT=…, NO_AIRFLOW=1, FOLDER=var/full)
	@knative/local/services/install.sh servers
	@$(RUN) matchcast up-full --detach $(if $(NO_AIRFLOW),--no-airflow) $(if $(PORT),--port $(PORT)) $(if $(FOLDER),--folder $(FOLDER))

down-full: $(if $(wildcard .venv/bin/matchcast),,sync) ## stop what `make up-full` started; its data stay
	@$(RUN) matchcast down-full $(if $(FOLDER),--folder $(FOLDER))

stop: ## stop the server that `make demo` left running
	@$(RUN) matchcast stop

test: sync services ## the whole suite
	@$(RUN) pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

check: sync services ## what every commit passes: ruff, mypy, import rules, fast tests
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports --no-logo
	@$(RUN) pytest -m 'not slow' -x

bench: sync services ## measure, side by side in one run
	@for measure in $(filter-out %measure_quality.py %measure_pipeline.py,$(wildcard tests/measure/measure_*.py)); do echo "== $$measure"; $(RUN) python -m $$(basename $$measure .py | sed "s/^/tests.measure./") || exit 1; done

bench-quality: $(filter $(OWN_UV),$(UV)) ## our forecasts beside penaltyblog's and the close (QUALITY="--ours FILE.csv --from 2023-07-01")
	@$(UV) sync --quiet --locked --group peers
	@$(RUN) python -m tests.measure.measure_quality $(QUALITY)

image: ## build one image with podman or docker (FUNCTION=lookup, or retrain; TAG=…; BASE=local without a registry)
	@functions/build-image.sh $(or $(FUNCTION),$(error FUNCTION=lookup, for example)) $(TAG)

images: ## build every image
	@set -e; for main in functions/*/main.py; do functions/build-image.sh $$(basename $$(dirname $$main)); done; functions/build-image.sh retrain

deploy: sync ## bring an overlay onto kubectl's current cluster (OVERLAY=production IMAGES=images.txt)
	@knative/install-tools.sh
	@$(RUN) python -m knative.deploy --overlay $(or $(OVERLAY),local-cluster) $(if $(IMAGES),--images $(IMAGES))

clean: ## remove what the demo stored and what the pipeline put out; your own database stays
	@if [ -x .venv/bin/matchcast ]; then $(RUN) matchcast stop; fi
	rm -rf var/demo data
