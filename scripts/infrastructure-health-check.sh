#!/bin/sh
# Looks at the whole installation (NATS, JetStream, KEDA, Crossplane with definitions, Compositions and functions, Argo
# Workflows with the templates, accounts and their rights, Secrets by name, KubeVela) and says what is missing.
#
#   scripts/infrastructure-health-check.sh [--output json|yaml] [--secret NAMESPACE/NAME]…
#
# A thin wrapper around `platform-worker doctor`, which has the options and the exit codes; it changes nothing.
set -eu
if command -v platform-worker >/dev/null 2>&1; then
    exec platform-worker doctor "$@"
fi
cd "$(dirname -- "$0")/.."
for python in .venv/bin/python python3; do
    if "$python" -c 'import worker' 2>/dev/null; then
        exec "$python" -m worker doctor "$@"
    fi
done
printf 'infrastructure-health-check: platform-worker is not installed: make demo installs it in a checkout; docs/operations.md says how else\n' >&2
exit 2
