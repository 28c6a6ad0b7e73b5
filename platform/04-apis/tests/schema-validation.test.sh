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

# Looks for each file, in one go, whether what was said of it is what it wants; a file is good if it wants nothing.
compare() {
    kind=$1
    shift
    awk -v kind="$kind" '
        FNR == 1 { pass += 1 }
        # First all that was said, by file: "FILE:LINE: words", or "FILE:LINE: KIND/NAME is valid".
        pass == 1 {
            if (match($0, /\.yaml:[0-9]+: /)) {
                file = substr($0, 1, RSTART + 4)
                said[file] = said[file] substr($0, RSTART + RLENGTH) "\n"
            }
            next
        }
        FNR == 1 { files[++count] = FILENAME }
        /^# expect: / { wants[FILENAME] = substr($0, 11) }
        END {
            for (at = 1; at <= count; at += 1) {
                file = files[at]
                if (kind == "valid") good = said[file] ~ /^[^\n]* is valid\n$/
                else good = wants[file] != "" && index("\n" said[file], "\n" wants[file]) > 0
                if (good) { passed += 1; continue }
                failed += 1
                printf "FAIL  %s: expected \"%s\", got:\n%s", file, kind == "valid" ? "is valid" : wants[file], said[file]
            }
            printf "%d %d\n", passed, failed > counts
        }' counts="$work/counts" "$work/said" "$@"
    read -r good bad <"$work/counts"
    passed=$((passed + good))
    failed=$((failed + bad))
}

# The fixtures of the first API stand here, those of the others in a folder each; so do the examples.
printf 'valid fixtures and examples …\n'
set --
for file in "$here"/fixtures/valid/*.yaml "$here"/*/fixtures/valid/*.yaml "$here"/../examples/*.yaml "$here"/../examples/*/*.yaml; do
    [ ! -f "$file" ] || set -- "$@" "$file"
done
expect_exit 0 'valid fixtures' "$@"
compare valid "$@"

printf 'invalid fixtures …\n'
set --
for file in "$here"/fixtures/invalid/*.yaml "$here"/*/fixtures/invalid/*.yaml; do
    [ ! -f "$file" ] || set -- "$@" "$file"
done
expect_exit 1 'invalid fixtures' "$@"
compare invalid "$@"

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
