#!/bin/sh
# Runs pytest with the arguments given. Without any, all tests, two to four at a time, and shows the coverage.
set -u
cd "$(dirname "$0")/.."

[ "$#" -eq 0 ] || exec .venv/bin/python -m pytest "$@"
exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder \
  --cov=airflow_provider_miniwdl_aws --cov=miniwdl_aws
