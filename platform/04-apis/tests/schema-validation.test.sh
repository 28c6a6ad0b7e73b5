#!/bin/sh
# Every valid fixture and example is accepted by validate-claim.sh, and every invalid one refused with its expected words.
#
#   platform/04-apis/tests/schema-validation.test.sh
#
# Needs Node 18 or newer and no cluster. Exit code 0 all as expected, 1 otherwise.
# An invalid fixture names in its first comments the constraint that it breaks and the answer it has to get:
#   # breaks: spec.size: enum
#   # expect: spec.size: must be one of small, medium, large
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
validate=$here/../../../scripts/validate-claim.sh
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

pass() {
    passed=$((passed + 1))
}

fail() {
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$1"
}

# Runs the script; its words go to $work/said, its exit code is compared.
expect_exit() {
    wanted=$1
    title=$2
    shift 2
    code=0
    "$validate" "$@" >"$work/said" 2>&1 || code=$?
    if [ "$code" -eq "$wanted" ]; then
        pass
    else
        fail "$title: exit code $code instead of $wanted; it said:"
        cat "$work/said"
    fi
}

printf 'valid fixtures and examples …\n'
expect_exit 0 'valid fixtures' "$here"/fixtures/valid/*.yaml "$here"/../examples/*.yaml
for file in "$here"/fixtures/valid/*.yaml "$here"/../examples/*.yaml; do
    if grep -qF "$file:" "$work/said" && ! grep -F "$file:" "$work/said" | grep -qv ' is valid$'; then
        pass
    else
        fail "$(basename "$file") should be valid"
    fi
done

printf 'invalid fixtures …\n'
expect_exit 1 'invalid fixtures' "$here"/fixtures/invalid/*.yaml
for file in "$here"/fixtures/invalid/*.yaml; do
    expected=$(sed -n 's/^# expect: //p' "$file")
    if [ -z "$expected" ]; then
        fail "$(basename "$file") has no line '# expect: …'"
    elif grep -F "$file:" "$work/said" | sed 's/^.*\.yaml:[0-9]*: //' | grep -qF -- "$expected"; then
        pass
    else
        fail "$(basename "$file"): expected '$expected', got:"
        grep -F "$file:" "$work/said" || printf '(nothing)\n'
    fi
done

printf 'one at a time, wrong files, wrong usage …\n'
expect_exit 0 'minimal claim' "$here/fixtures/valid/minimal.yaml"
expect_exit 0 'full claim' "$here/fixtures/valid/full.yaml"
expect_exit 1 'bad size' "$here/fixtures/invalid/spec-size-enum.yaml"
expect_exit 1 'missing nats.stream' "$here/fixtures/invalid/spec-nats-required-stream.yaml"
expect_exit 1 'one bad among good' "$here/fixtures/valid/minimal.yaml" "$here/fixtures/invalid/spec-size-enum.yaml"
printf 'kind: [\n' >"$work/broken.yaml"
expect_exit 1 'broken YAML' "$work/broken.yaml"
: >"$work/empty.yaml"
expect_exit 1 'empty file' "$work/empty.yaml"
expect_exit 2 'no file'
expect_exit 2 'missing file' "$work/missing.yaml"
expect_exit 2 'unknown option' --strict
expect_exit 0 'help' --help

printf 'schema validation: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
