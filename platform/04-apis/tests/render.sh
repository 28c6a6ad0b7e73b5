#!/bin/sh
# Writes the golden renders anew with the real Crossplane: `crossplane`, `function-go-templating` and
# `function-patch-and-transform` have to be on PATH, in the versions that tests/platform/goldens.py and
# prerequisites/functions.yaml name.
#   render.sh [--check] [--api PLURAL] [CASE…]
set -eu
cd "$(dirname "$0")/../../.."
python=.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" -m tests.platform.render "$@"
