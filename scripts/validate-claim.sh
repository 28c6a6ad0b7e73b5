#!/bin/sh
# Checks claims of the platform APIs without a cluster, as the API server would: schema, unique names, CEL rules.
#
#   scripts/validate-claim.sh FILE…         files or folders; `-` is standard input
#   scripts/validate-claim.sh --install     only install the packages, and print their folder
#
# A file may hold several YAML documents, of any of the kinds in platform/04-apis/schemas; other objects are left alone. Of a
# folder everything below it is read that ends in .yaml, .yml or .json; there, files without a claim are left alone too. One
# line per claim or error: FILE:LINE: PATH: what is wrong and what is allowed. Exit code 0 all valid, 1 something is not, 2 wrong
# usage or not able to tell.
# Needs Node 18 or newer. The first run installs the pinned packages into $XDG_CACHE_HOME (~/.cache), nothing into the tree.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
validator=$here/claim-validator
# A schema, or a folder of them.
schemas=${CLAIM_SCHEMA:-$here/../platform/04-apis/schemas}
installing=

usage() {
    printf 'usage: %s FILE… | --install\n\nChecks claims against the published schemas: in files, folders or on standard input (-).\n' "$(basename -- "$0")"
}

fail() {
    printf 'validate-claim: %s\n' "$1" >&2
    exit 2
}

clean_up() {
    [ -z "$installing" ] || rm -rf -- "$installing"
}

# Sets `folder` to the one with the validator and its packages; makes it if need be. Nobody ever sees a half-made one.
find_validator() {
    key=$(cat "$validator"/package.json "$validator"/package-lock.json "$validator"/*.mjs "$validator"/*.cjs |
        node -e 'const hash = require("crypto").createHash("sha256");
            process.stdin.on("data", (d) => hash.update(d)).on("end", () => console.log(hash.digest("hex").slice(0, 16)))')
    cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/platform-worker
    folder=$cache/claim-validator-$key
    [ ! -d "$folder" ] || return 0
    command -v npm >/dev/null || fail 'npm is not on PATH: it comes with Node'
    mkdir -p -- "$cache"
    installing=$(mktemp -d "$cache/installing-XXXXXX")
    cp "$validator"/package.json "$validator"/package-lock.json "$validator"/*.mjs "$validator"/*.cjs "$installing"
    printf 'validate-claim: installing its packages, once …\n' >&2
    # Standard input may be a claim.
    (cd "$installing" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 </dev/null) ||
        fail 'npm ci failed (see above): is the package registry reachable?'
    # Fails if another run was quicker, which is as good.
    node -e 'try { require("fs").renameSync(...process.argv.slice(1)) } catch {}' "$installing" "$folder"
    [ -d "$folder" ] || fail "cannot make $folder"
}

case ${1-} in
-h | --help) usage; exit 0 ;;
--install) set -- ;;
'') usage >&2; exit 2 ;;
-?*) usage >&2; fail "unknown option $1" ;;
esac
for file; do
    [ "$file" = - ] || [ -r "$file" ] || fail "$file is neither a file nor a folder that can be read"
done
[ -r "$schemas" ] || fail "$schemas is missing: run scripts/publish-schema.sh"
command -v node >/dev/null || fail 'node is not on PATH: install Node 18 or newer'
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' ||
    fail "Node $(node --version) is too old: 18 or newer is needed"

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
find_validator
if [ $# -eq 0 ]; then
    printf '%s\n' "$folder"
    exit 0
fi
node "$folder/validate.mjs" "$schemas" "$@"
