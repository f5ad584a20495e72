# Every command does its own set-up; the second time that is instant.
.DEFAULT_GOAL := help
.PHONY: help demo test coverage check bench campaign env constraints containers clean

export PYTHON UV COMPILE_ARGS
bin := .venv/bin
N ?=
BENCH ?=
ALONE ?=
RUNS ?=
SEED ?=
PYTEST_ARGS ?=
types := plugin/miniwdl_aws airflow_provider_miniwdl_aws example_dags demo benchmarks tools tests

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "  %-18s %s\n", $$1, $$2 }'

demo: .venv/.ready ## assemble a small genome through Airflow and the local AWS (KEEP=1 keeps Airflow up)
	@$(bin)/python -m demo $(if $(KEEP),--keep)

test: .venv/.ready ## all tests (PYTEST_ARGS="tests/plugin -k names" picks some, one at a time)
	@tools/test.sh $(PYTEST_ARGS)

coverage: .venv/.ready ## all tests, more slowly, and what they do not reach
	@$(bin)/python -m pytest --cov=airflow_provider_miniwdl_aws --cov=miniwdl_aws

check: .venv/.ready ## lint, format, types, the constraints file, the words
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy $(foreach d,$(types),$(if $(wildcard $(d)/*.py $(d)/*/*.py),$(d)))
	$(bin)/python -m tools.check_constraints
	$(bin)/python -m tools.check_words

bench: .venv/.ready ## the benchmarks (N=1000 sets their size, BENCH="NAME ..." picks some, ALONE=1 ours)
	@$(bin)/python -m benchmarks $(if $(N),--n $(N)) $(if $(ALONE),--alone) $(BENCH)

campaign: .venv/.ready ## heads killed at random moments (RUNS=100, SEED=1)
	@$(bin)/python -m benchmarks.campaign $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

env: .venv/.ready ## the environment alone, in .venv
	@:

constraints: ## renew constraints.txt (COMPILE_ARGS=--upgrade takes the newest of all)
	@tools/bootstrap.sh constraints

containers: ## install Podman, busybox and aria2 for the tests that else are skipped
	@tools/bootstrap.sh containers

clean: ## remove the environment and all caches
	@tools/bootstrap.sh clean

.venv/.ready: constraints.txt pyproject.toml plugin/pyproject.toml tools/bootstrap.sh tools/uv.txt
	@tools/bootstrap.sh env
