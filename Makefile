# Every target works on a fresh clone: what it needs is made or installed first. `make help` lists them.
# STACK=docker|native chooses how the system runs; CQRS_PORT_BASE, CQRS_STATE_DIR, COMMAND_REPLICAS and QUERY_REPLICAS
# are explained in deploy/README.md.

# The first Python that is new enough; else python3, which then says what is missing.
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done),python3)
VENV := .venv/bin
DEPLOY := $(PYTHON) -m deploy
PYTEST := $(VENV)/python -m pytest
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help up down status env logs clean demo test test-unit test-integration test-e2e chaos chaos-shutdown mutants hostile lint fmt lock

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

up: ## start everything that isn't running; returns when it is ready
	@$(DEPLOY) up

down: ## stop everything; the data stays
	@$(DEPLOY) down

status: ## what runs, and whether it is ready
	@$(DEPLOY) status

env: ## print what a client needs, a shell line each: eval "$(make env)"
	@$(DEPLOY) env

logs: ## follow the logs (PART=command-1 for one part)
	@$(DEPLOY) logs $(PART)

clean: ## stop everything and remove its data
	@$(DEPLOY) clean

demo: up ## the story: create, read, update, read your write, list, and what is refused
	@eval "$$($(DEPLOY) env)" && $(VENV)/python -m services.ops.demo

test: prepare ## every test, against real servers of their own, in two processes (ARGS='-n 0' for one)
	@$(PYTEST) --numprocesses=2 --dist=loadgroup $(ARGS)

test-unit: venv-dev ## tests that need no server
	@$(PYTEST) tests/unit tests/contract tests/architecture $(ARGS)

test-integration: prepare ## each part against real servers
	@$(PYTEST) tests/integration $(ARGS)

test-e2e: prepare ## the whole system from outside; CQRS_E2E_EXTERNAL=1 for one that is up already
	@$(PYTEST) tests/e2e $(ARGS)

chaos: prepare ## break everything for MINUTES=10, SEED=1; FAULTS=kill,network-cut chooses, MUTANT=no-inbox spoils (tests/chaos/README.md)
	@$(VENV)/python -m tests.chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) --faults='$(FAULTS)' --mutant='$(MUTANT)'

mutants: prepare ## show that the oracle of the chaos runs catches every deliberate mistake; ONLY=no-inbox,gap-ignored
	@$(VENV)/python -m tests.chaos.mutants --only='$(ONLY)' --seed $(or $(SEED),1)

chaos-shutdown: prepare ## SIGTERM under load, TIMES=50 (tests/chaos/README.md)
	@$(VENV)/python -m tests.chaos.shutdown --times $(or $(TIMES),50) --seed $(or $(SEED),1)

hostile: prepare ## the 66 bad inputs beside good traffic; ONLY=7,55 chooses, CQRS_E2E_EXTERNAL=1 takes a stack that is up (tests/hostile/README.md)
	@$(VENV)/python -m tests.hostile --only '$(ONLY)'

bench: prepare ## everything measured beside the peers: ROUNDS=5, ONLY=drain,rpc,... (tests/benchmarks/README.md)
	@$(VENV)/python -m tests.benchmarks --rounds $(or $(ROUNDS),5) --only '$(ONLY)' --scale $(or $(SCALE),1) $(if $(KEEP),--keep)

scale-rebuild: prepare ## rebuild users from EVENTS=1000000 events: idle, under traffic, killed halfway
	@$(VENV)/python -m tests.scale --events $(or $(EVENTS),1000000)

bench-drains: prepare ## DRAINS=200 drains in a row, none of which may stall
	@$(VENV)/python -m tests.benchmarks.drains --drains $(or $(DRAINS),200)

profile: prepare ## a drain under py-spy: flame graphs in .native/profile; FORMAT=speedscope, NATIVE=1
	@$(VENV)/python -m tests.benchmarks.profile --format $(or $(FORMAT),flamegraph) $(if $(NATIVE),--native)

scale-live: prepare ## live queries, read your writes, pages and searches at scale; ONLY=live,writes,pages USERS=1000000
	@$(VENV)/python -m tests.scale.live $(if $(ONLY),--only '$(ONLY)') --users $(or $(USERS),1000000)

lint: venv-dev ## style, format, types, import rules
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-cache

fmt: venv-dev ## format the code and mend what can be mended
	@$(VENV)/ruff check --fix-only .
	@$(VENV)/ruff format .

lock: ## write the lock files anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "error: uv is not on PATH: pip install uv" >&2; exit 1; }
	@echo 'setuptools>=80' | uv pip compile -q --upgrade $(LOCK_OPTIONS) pyproject.toml - -o requirements.lock
	@uv pip compile -q --upgrade $(LOCK_OPTIONS) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@cd tests/benchmarks/peers && uv pip compile -q --upgrade $(LOCK_OPTIONS) requirements.in -o requirements.lock

.PHONY: prepare venv-dev bench bench-drains scale-rebuild scale-live profile
prepare:
	@$(DEPLOY) prepare

venv-dev:
	@$(DEPLOY) venv --dev
