# "make help" shows what there is. Every target sets up what it needs itself (Debian and Ubuntu).
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(PATH)
phase := tests/ci/phase
HOST ?= hub
LAB ?= demo

.PHONY: help setup demo demo-down shell status lab-down clean test unit lint archive build sanity molecule editors endurance benchmark

help: ## This text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the targets below need (apt-get, .venv)
	@tests/lab/setup

demo: setup ## Real mail through real hosts, configured by this collection; shows what each hop did
	@tests/lab/demo

demo-down: ## Remove the demo's hosts
	@tests/lab/hosts --lab demo down

shell: ## A shell on a host: make shell HOST=hub (LAB=molecule for molecule's)
	@tests/lab/hosts --lab $(LAB) shell $(HOST)

status: ## The lab's hosts (LAB=molecule for molecule's)
	@tests/lab/hosts --lab $(LAB) status

test: setup ## All of the following
	@tests/ci/all

unit: setup ## Unit tests
	@SHOW=' (passed|failed|error).* in ' $(phase) unit python -m pytest -q -n 2 tests/unit

lint: setup ## ansible-lint, ruff, mypy, the documentation's and the changelog's linters
	@$(phase) lint tests/ci/lint

build: archive

archive: setup ## Build the archive, install it in an empty place, read all its documentation
	@$(phase) archive tests/ci/archive

sanity: setup ## ansible-test sanity
	@SHOW='^(ERROR|FATAL)' $(phase) sanity tests/ci/sanity

molecule: setup ## Real hosts: all scenarios, or make molecule SCENARIO=relay
	@SHOW='^ *image |^lab |^(INFO|WARNING|ERROR) .*Executed: |fatal: ' $(phase) molecule tests/ci/molecule $(SCENARIO)

editors: setup ## The editors of main.cf and master.cf against the Postfix of each image, thousands of generated edits
	@SHOW='^ *image|^fuzzing| (passed|failed|error).* in ' $(phase) editors python tests/ci/editors

benchmark: setup ## What it costs, against its bounds: ROUNDS=7 CASES="main_cf role-again" PEER=DIRECTORY STRICT=1
	@python tests/benchmark/benchmark.py

endurance: setup ## Runs that are killed, that meet, that the host refuses, and what check mode says of them; needs root
	@SHOW=' (passed|failed|error).* in ' $(phase) endurance python tests/ci/endurance

lab-down: ## Remove all hosts of all labs
	@tests/lab/hosts --lab demo down
	@tests/lab/hosts --lab molecule down

clean: lab-down ## Remove hosts and everything generated; images and .venv stay
	@rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis *.tar.gz
