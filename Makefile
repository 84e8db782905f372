# guotu: make setup | demo | test | search | late | lint | bench | robustness | postgres | clean
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt hatch_build.py $(wildcard proto/guotu/v1/*.proto)
DEMO_ARGS ?=
BENCH ?= federation
TEST_ARGS ?=
LATE ?= registry=2,replicas=1,announce=1
RUNS ?= 1
SEED ?= 1

.PHONY: setup demo test search late lint format bench robustness clean help postgres

help:  ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "需要 Python 3.11 或更新版本 Python >= 3.11 is needed: apt-get install python3 python3-venv"; exit 1; }
	@echo "建立虚拟环境 making a virtual environment in $(VENV) ($(PYTHON))"
	@$(PYTHON) -m venv $(VENV) || { echo "缺少 venv 模块 the venv module is missing: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.demo: $(BIN)/python $(SOURCES)
	@echo "安装 installing guotu and etcd (about a minute)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(BIN)/python $(SOURCES)
	@echo "安装 installing guotu with its test and lint tools (about two minutes)"
	@$(PIP) --editable '.[demo,geopandas,test,lint]'
	@touch $@ $(VENV)/.demo

setup: $(VENV)/.dev  ## make .venv with everything that developing needs

demo: $(VENV)/.demo  ## run the mesh on real data: six nodes, questions, a lost node (DEMO_ARGS="--keep --report FILE")
	@$(BIN)/python -m demo $(DEMO_ARGS)

postgres: setup  ## make sure that PostgreSQL 15 and PostGIS are there, which tests and benchmarks need
	@$(BIN)/python -m benchmarks.pg_install

# Nodes and commands start hundreds of times in tests: what Python compiled once is kept for them.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup postgres lint  ## check and test everything
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

search: setup postgres  ## look for examples that no test has seen yet (TEST_ARGS=tests/property)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --hypothesis-profile search $(or $(TEST_ARGS),tests/property tests/unit)

late: setup postgres  ## test with seams that are late (LATE=registry=2,replicas=1 TEST_ARGS=tests/integration; tests/late)
	PYTHONPATH=$(CURDIR)/tests/late LATE=$(LATE) $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

lint: setup  ## format, lint, types, imports, wire contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd proto && ../$(BIN)/buf lint

format: setup  ## format in place
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## run a benchmark (BENCH=federation|registry|publish|replication|stores|table|fdw|scale|overlay|failover)
	@mkdir -p benchmarks/out
	$(BIN)/python -m benchmarks $(BENCH) --out benchmarks/out/$(BENCH).json

robustness: setup postgres  ## run a mesh under faults (RUNS=1 SEED=1), report in benchmarks/out/robustness/report.md
	$(BIN)/python -m tests.robustness --runs $(RUNS) --seed $(SEED)

clean:  ## remove the environment, generated stubs, caches and demo leftovers
	rm -rf $(VENV) guotu/v1 .demo benchmarks/out benchmarks/cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
