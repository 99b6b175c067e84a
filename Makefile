# "make help" lists the targets. Each target installs its requirements (Debian and Ubuntu).
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(PATH)
phase := tests/ci/phase
HOST ?= hub
SECONDS ?= 300
LAB ?= demo

.PHONY: help setup demo demo-down shell status lab-down clean test unit lint archive build sanity images molecule editors endurance fuzz benchmark growth roles

help: ## Show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install the requirements of the other targets (apt-get, .venv)
	@tests/lab/setup

demo: setup ## Send real mail through real hosts that this collection configures; shows the result of each hop
	@tests/lab/demo

demo-down: ## Remove the demo's hosts
	@tests/lab/hosts --lab demo down

shell: ## Open a shell on a host: make shell HOST=hub (LAB=molecule for molecule's)
	@tests/lab/hosts --lab $(LAB) shell $(HOST)

status: ## Show the lab's hosts (LAB=molecule for molecule's)
	@tests/lab/hosts --lab $(LAB) status

test: setup ## Run all of the following
	@tests/ci/all

unit: setup ## Run the unit tests
	@SHOW=' (passed|failed|error).* in ' $(phase) unit python -m pytest -q -n 2 tests/unit

lint: setup ## Run ansible-lint, ruff, mypy, and the linters of documentation and changelog
	@$(phase) lint tests/ci/lint

build: archive

archive: setup ## Build the archive, import it as Galaxy does, install it into an empty directory, and read its documentation
	@$(phase) archive tests/ci/archive

sanity: setup ## Run ansible-test sanity
	@SHOW='^(ERROR|FATAL)' $(phase) sanity tests/ci/sanity

images: setup ## Build the images of the lab's hosts
	@SHOW='^ *image' $(phase) images tests/lab/images

molecule: setup ## Run all scenarios on real hosts, or one: make molecule SCENARIO=relay
	@SHOW='^ *image |^lab |^scenario ' $(phase) molecule tests/ci/molecule $(SCENARIO)

editors: setup ## Compare the editors of main.cf and master.cf with the oldest and newest Postfix, with generated edits (FULL=1: with all, four times as many)
	@SHOW='^ *image|^fuzzing| (passed|failed|error).* in ' $(phase) editors python tests/ci/editors

fuzz: setup ## Search for failures with random examples: make fuzz SECONDS=300
	@SHOW='^round|rounds without|^a failure| (passed|failed|error).* in ' $(phase) fuzz python tests/ci/fuzz $(SECONDS)

benchmark: setup ## Measure run times against their bounds: ROUNDS=7 CASES="main_cf role-again" PEER=DIRECTORY STRICT=1
	@python tests/benchmark/benchmark.py

growth: setup ## Draw how the CPU time of a plan grows with its input: CURVES="services entries" LARGEST=1000 ROUNDS=3 STRICT=1
	@python tests/benchmark/growth.py

endurance: setup ## Test runs that are killed, run at the same time, or fail on the host, and check mode (FULL=1: more of each); requires root
	@SHOW='^seed | (passed|failed|error).* in ' $(phase) endurance python tests/ci/endurance

roles: setup ## Write the sub-options of the roles' argument specs, and the tables of variables of their READMEs
	@python tests/documentation/role_documentation.py

lab-down: ## Remove all hosts of all labs
	@tests/lab/hosts --lab demo down
	@tests/lab/hosts --lab molecule down

clean: lab-down ## Remove hosts and generated files; images and .venv are kept
	@rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis *.tar.gz
