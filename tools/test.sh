#!/bin/sh
# Runs pytest with the arguments given: without any, all tests, two to four at a time.
set -u
cd "$(dirname "$0")/.."

[ "$#" -eq 0 ] || exec .venv/bin/python -m pytest "$@"
exec .venv/bin/python -m pytest -n logical --maxprocesses 4 --no-loadscope-reorder
