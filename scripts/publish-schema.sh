#!/bin/sh
# Writes the JSON Schema (Draft 2020-12) of each claim in platform/04-apis/schemas from its definition (XRD).
#
#   scripts/publish-schema.sh           write them
#   scripts/publish-schema.sh --check   only compare; exit 1 if a published one is not that of its definition
#
# Needs Python 3.11 with PyYAML: the project's environment (`make check` makes it), else the python3 on PATH.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
case ${1-} in
'' | --check) ;;
*)
    printf 'usage: %s [--check]\n' "$(basename -- "$0")" >&2
    exit 2
    ;;
esac
cd -- "$root"
for python in "${PYTHON-}" .venv/bin/python python3; do
    [ -n "$python" ] || continue
    if "$python" -c 'import sys, yaml; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -m tools.platform_api --only schema "$@"
    fi
done
printf 'publish-schema: no Python 3.11 or newer with PyYAML: run make check, which installs both into .venv\n' >&2
exit 2
