#!/bin/sh
# Runs pytest under coverage with the arguments given, then shows the coverage; ends with pytest's exit code.
set -u
cd "$(dirname "$0")/.."

status=0
.venv/bin/coverage run -m pytest "$@" || status=$?
[ "$#" -gt 0 ] || .venv/bin/coverage report || status=$((status ? status : 1))
exit "$status"
