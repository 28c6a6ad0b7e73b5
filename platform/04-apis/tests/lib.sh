# shellcheck shell=sh
# What the cluster tests have in common: options, progress, waiting, assertions, clean-up. To be sourced, after `here` is set.
#
#   here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
#   . "$here/lib.sh"
#   begin 'controllers,nats' "$@"         # parts that the local lane starts beside the API server; may be ''
#   make_namespace minimal                # sets $namespace; it goes at the end, however that comes
#   apply_claim "$examples/minimal-claim.yaml"
#   wait_until "$patience" 'the Deployment exists' exists deployment orders
#   snapshot deployment orders            # what follows looks at this
#   expect '.spec.strategy.type' '"RollingUpdate"'
#   finish
#
# `expect` and its kin count a failure and go on, so that one run shows all; `wait_until` and `abort` end the test. Exit code
# 0 all as expected, 1 something is not, 2 wrong usage or no cluster to ask. The comment at the head of a script is its help.
# Each test has a namespace of its own name, so that any number of them may run beside each other.
#
# TIMEOUT (seconds that anything awaited may take, 120), POLL (seconds between two looks, 0.5) and NO_COLOR may be set.
set -eu

root=$(CDPATH='' cd -- "${here:?set here before sourcing lib.sh}/../../.." && pwd)
api=$root/platform/04-apis
# shellcheck disable=SC2034 # for the scripts
examples=$api/examples
patience=${TIMEOUT:-120}
poll=${POLL:-0.5}
claims=eventdrivenservices.platform.bizmatters.io
passed=0
failed=0
namespace=
work=
# What a script takes beside the options, if it takes anything; see begin.
operand=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
    bold='' green='' red='' plain=''
fi

# --- Words ------------------------------------------------------------------------------------------------------------------

step() {
    printf '%s==> %s%s\n' "$bold" "$1" "$plain"
}

note() {
    printf '      %s\n' "$1"
}

ok() {
    passed=$((passed + 1))
    printf '%sok%s    %s\n' "$green" "$plain" "$1"
}

fail() {
    failed=$((failed + 1))
    printf '%sFAIL%s  %s\n' "$red" "$plain" "$1"
}

# Nothing that would follow makes sense any more.
abort() {
    fail "$1"
    exit 1
}

# Neither passed nor failed: the test can't be run.
refuse() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

usage() {
    sed -n '2,/^[^#]/ { s/^# \{0,1\}//p; }' "$here/${0##*/}"
}

# --- Begin and end ----------------------------------------------------------------------------------------------------------

# begin PARTS "$@": reads the command line. With --local it starts the script again within the local lane. A script that takes
# a word beside the options says so by operand=NAME before, and finds the word in $operand afterwards.
begin() {
    parts=$1 locally='' expected_operand=$operand operand=''
    shift
    for argument; do
        case $argument in
            -h | --help)
                usage
                exit 0
                ;;
            --local) locally=yes ;;
            -*)
                usage >&2
                refuse "unknown option $argument"
                ;;
            *)
                if [ -z "$expected_operand" ] || [ -n "$operand" ]; then
                    usage >&2
                    refuse "what is $argument?"
                fi
                operand=$argument
                ;;
        esac
    done
    [ -z "$locally" ] || run_locally
    command -v kubectl >/dev/null || refuse 'kubectl is not on PATH'
    reason=$(kubectl --request-timeout=10s get --raw /readyz 2>&1) || refuse "no cluster to ask: $reason"
    trap 'leave $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d)
}

# The same script once more, in a cluster made for it. LOCAL_LANE tells it so.
run_locally() {
    cd -- "$root"
    for python in "${PYTHON-}" .venv/bin/python python3; do
        [ -n "$python" ] || continue
        if "$python" -c 'import sys, yaml, aiohttp; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            export LOCAL_LANE=1
            # shellcheck disable=SC2086 # no parts and no operand are no words
            exec "$python" -m tests.local_lane ${parts:+--with "$parts"} -- "$here/${0##*/}" $operand
        fi
    done
    refuse '--local needs the development environment of the project: run make check, which makes .venv'
}

is_local() {
    [ -n "${LOCAL_LANE:-}" ]
}

# Says what was found and ends the test. To be a script's last word: whatever ends before it is a failure.
finish() {
    finished=yes
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

# At any exit: say what the namespace looked like if something was wrong, then take everything away again.
leave() {
    code=$1
    trap '' HUP INT TERM
    trap - EXIT
    set +e
    if [ "$code" -ne 0 ] && [ -n "$namespace" ]; then
        show_state
    fi
    clean_up
    [ -z "$work" ] || rm -rf -- "$work"
    if [ -z "${finished:-}" ] && [ "$failed" -eq 0 ] && [ "$code" -lt 128 ]; then
        fail 'the script ended before its end: see above'
    fi
    [ "$code" -ne 0 ] || [ "$failed" -eq 0 ] || code=1
    colour=$green
    [ "$code" -eq 0 ] || colour=$red
    printf '%s%s: %d passed, %d failed%s\n' "$colour" "${0##*/}" "$passed" "$failed" "$plain"
    exit "$code"
}

show_state() {
    step "what is in namespace $namespace"
    kubectl --request-timeout=10s get "$claims,serviceaccounts,services,deployments,replicasets,pods,scaledobjects" \
        --namespace "$namespace" 2>&1 | sed 's/^/      /'
    kubectl --request-timeout=10s get "$claims" --namespace "$namespace" --output \
        'jsonpath={range .items[*].status.reasons[*]}{.resource}: {.reason}: {.message}{"\n"}{end}' 2>/dev/null | sed 's/^/      /'
    kubectl --request-timeout=10s get events --namespace "$namespace" --sort-by .metadata.creationTimestamp \
        --no-headers 2>/dev/null | tail -n 10 | sed 's/^/      /'
}

# A script may define `clean_up_more` for what it made outside its namespace, or runs in the background.
clean_up() {
    if command -v clean_up_more >/dev/null; then
        clean_up_more
    fi
    [ -n "$namespace" ] || return 0
    step "clean-up: namespace $namespace"
    kubectl delete "$claims" --all --namespace "$namespace" --ignore-not-found --wait --timeout=60s >/dev/null ||
        fail "the claims in $namespace could not be deleted: kubectl get $claims -n $namespace"
    if ! poll_until 60 nothing_composed; then
        fail "what was composed in $namespace is still there: kubectl get deployments,scaledobjects -n $namespace"
    fi
    # Nothing waits for its end: it has no more to say, and finishes by itself.
    kubectl delete namespace "$namespace" --wait=false >/dev/null || fail "namespace $namespace could not be deleted"
}

nothing_composed() {
    left=$(kubectl get "serviceaccounts,services,deployments,scaledobjects" --namespace "$namespace" \
        --selector app.kubernetes.io/managed-by=crossplane --output name) && [ -z "$left" ]
}

# --- Claims -----------------------------------------------------------------------------------------------------------------

# make_namespace WORD: an own namespace that holds its pods to the strictest Pod Security level. Sets $namespace.
make_namespace() {
    # Set before it exists, so that it goes even if the answer is lost.
    namespace=eds-$1-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    kubectl create namespace "$namespace" >/dev/null || abort "namespace $namespace could not be made"
    kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
    note "namespace $namespace, which enforces the Pod Security level restricted"
}

# claim_of FILE [MERGE-PATCH]: prints the claim of a file, in $namespace and changed by a patch, in JSON.
claim_of() {
    documents_of "$1" | grep '"kind":"EventDrivenService"' >"$work/placed.json"
    kubectl patch --local --filename "$work/placed.json" --type merge --patch "${2:-{\}}" --output 'jsonpath={@}'
}

# documents_of FILE: all documents of a file, in $namespace, in JSON, one to a line.
documents_of() {
    kubectl patch --local --filename "$1" --type merge --patch "{\"metadata\":{\"namespace\":\"$namespace\"}}" \
        --output 'jsonpath={@}{"\n"}'
}

# apply_claim FILE [MERGE-PATCH]
apply_claim() {
    claim_of "$@" >"$work/claim.json" || abort "${1##*/} has no claim that could be read"
    kubectl apply --filename "$work/claim.json" >"$work/said" 2>&1 ||
        abort "the API server refuses the claim of ${1##*/}: $(cat "$work/said")"
    ok "the API server takes the claim of ${1##*/}"
}

# apply_beside FILE: what stands beside the claim in its file, such as its Role, also in $namespace.
apply_beside() {
    documents_of "$1" | grep -v '"kind":"EventDrivenService"' |
        sed "s/\"namespace\":\"[^\"]*\"/\"namespace\":\"$namespace\"/g" >"$work/beside.json"
    kubectl apply --filename "$work/beside.json" >"$work/said" 2>&1 ||
        abort "the API server refuses what is beside the claim of ${1##*/}: $(cat "$work/said")"
    ok "the API server takes what is beside the claim of ${1##*/}"
}

# exists KIND NAME
exists() {
    kubectl get "$1" "$2" --namespace "$namespace" --output name
}

# wait_for_composed CLAIM: until all four objects of a claim are there.
wait_for_composed() {
    for object in "serviceaccount/$1" "deployment/$1" "service/$1" "scaledobject/$1-scaler"; do
        wait_until "$patience" "$object exists" exists "${object%%/*}" "${object#*/}"
    done
}

# secret NAME KEY=VALUE…
secret() {
    secret_name=$1
    shift
    for pair; do
        shift
        set -- "$@" "--from-literal=$pair"
    done
    kubectl create secret generic "$secret_name" --namespace "$namespace" "$@" >/dev/null ||
        abort "Secret $secret_name could not be made"
}

# --- Waiting ----------------------------------------------------------------------------------------------------------------

# poll_until SECONDS COMMAND…: runs a command until it succeeds; false if it did not in time.
poll_until() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep "$poll"
    done
}

# wait_until SECONDS WHAT COMMAND…: the same, told; the test ends if it did not in time.
wait_until() {
    seconds=$1 awaited=$2
    shift 2
    poll_until "$seconds" "$@" || abort "$awaited: not within $seconds s"
    ok "$awaited"
}

# --- Assertions -------------------------------------------------------------------------------------------------------------

# expect_equal WHAT WANTED FOUND
expect_equal() {
    if [ "$2" = "$3" ]; then
        ok "$1: $3"
    else
        fail "$1: expected $2, found ${3:-nothing}"
    fi
}

# A go-template that writes an object as steps into it, steps out of it and values; `flatten` makes paths of them. An entry of a
# list goes by its name if it has one, because that is what tells containers, variables and ports apart; else by its index.
# shellcheck disable=SC2016 # these are variables of the template
flat_template='{{define "walk"}}{{$type := printf "%T" .}}{{if eq $type "map[string]interface {}"}}{{range $key, $value := .}}> .{{$key}}
{{template "walk" $value}}<
{{else}}= {}
{{end}}{{else if eq $type "[]interface {}"}}{{range $at, $value := .}}> [{{if ne (printf "%T" $value) "map[string]interface {}"}}{{$at}}{{else if eq (printf "%T" (index $value "name")) "string"}}{{index $value "name"}}{{else}}{{$at}}{{end}}]
{{template "walk" $value}}<
{{else}}= []
{{end}}{{else if eq $type "string"}}= {{printf "%q" .}}
{{else}}= {{.}}
{{end}}{{end}}{{template "walk" .}}'

# Paths and values, one to a line.
flatten() {
    awk '
        /^> / { part[++depth] = substr($0, 3) }
        /^<$/ { depth-- }
        /^= / {
            path = ""
            for (i = 1; i <= depth; i++) path = path part[i]
            print path " " substr($0, 3)
        }'
}

# snapshot KIND NAME [FILE]: keeps an object as it is now, as a file of paths and values, without its status and what the API
# server notes for itself ($work/everything has that too). Sets $looked_at and $subject.
snapshot() {
    subject=${1%%.*}/$2 looked_at=${3:-$work/snapshot}
    kubectl get "$1" "$2" --namespace "$namespace" --output "go-template=$flat_template" >"$work/walk" ||
        abort "$subject can't be read"
    flatten <"$work/walk" >"$work/everything"
    sed '/^\.status/d
        /^\.metadata\.\(uid\|resourceVersion\|generation\|creationTimestamp\|managedFields\)/d
        /^\.metadata\.annotations\.kubectl\.kubernetes\.io\/last-applied-configuration/d
    ' "$work/everything" >"$looked_at"
}

# value PATH: its value in the snapshot, texts in quotes; nothing if it is not there.
value() {
    awk -v path="$1" 'index($0, path " ") == 1 { print substr($0, length(path) + 2) }' "$looked_at"
}

# expect PATH WANTED: texts in quotes, as in JSON.
expect() {
    expect_equal "$subject $1" "$2" "$(value "$1")"
}

# expect_nothing_at PATH WHY: neither a value nor anything below it.
expect_nothing_at() {
    there=$(awk -v path="$1" '
        { rest = substr($0, length(path) + 1, 1) }
        index($0, path) == 1 && (rest == " " || rest == "." || rest == "[")' "$looked_at")
    if [ -z "$there" ]; then
        ok "$subject $1: absent, $2"
    else
        fail "$subject $1: should be absent, $2; found $there"
    fi
}
