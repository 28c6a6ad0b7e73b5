#!/bin/sh
# Moves the agent executor from direct manifests to a claim as the README says, compares field by field, and moves it back.
#
#   test-agent-executor-migration.sh             the current cluster, in a namespace of its own
#   test-agent-executor-migration.sh --local     a cluster made for the test
#
# Each difference between what the manifests led to and what examples/agent-executor-claim.yaml leads to must stand in
# tests/migration/differences.txt with its reason; the reasons are printed. The pods of before must work until those of the claim
# do, Secrets must stay as they are, and after the way back everything must be as it was.
# Needs kubectl, what scripts/check-prerequisites.sh checks, this API in the cluster, and rights to make namespaces, claims,
# Secrets and workloads. Without RUNNABLE=1 no pod is awaited, because a cluster can't pull the example's image; with it, put
# your own into the example and tests/migration/agent-executor-direct.yaml before.
# --local needs the development environment and built tools (make tools); there the pods run.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/expectations.sh
. "$here/expectations.sh"

name=agent-executor
direct=${DIRECT_MANIFESTS:-$here/migration/agent-executor-direct.yaml}
differences=$here/migration/differences.txt
provider_objects=objects.kubernetes.crossplane.io
kinds='serviceaccount deployment service scaledobject'

pods_run() {
    is_local || [ -n "${RUNNABLE:-}" ]
}

object_of() {
    case $1 in
        scaledobject) printf '%s-scaler' "$name" ;;
        *) printf '%s' "$name" ;;
    esac
}

# keep AS: what is there now, one file per kind, without what neither manifests nor claims say: addresses, the replicas that the
# autoscaler chose, the revision, KEDA's own marks.
keep() {
    for kind in $kinds; do
        snapshot "$kind" "$(object_of "$kind")" "$work/seen"
        sed '/^\.spec\.clusterIP/d
            /^\.spec\.replicas /d
            /^\.metadata\.annotations\.deployment\.kubernetes\.io\/revision /d
            /^\.metadata\.finalizers\[/d
            /^\.metadata\.labels\.scaledobject\.keda\.sh\/name /d' "$work/seen" >"$work/$1.$kind"
    done
    kubectl get secrets --namespace "$namespace" --output \
        'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}' >"$work/$1.secrets"
}

make_secrets() {
    secret agent-executor-db-conn endpoint=db port=5432 database=agents username=agent password=test
    secret agent-executor-cache-conn endpoint=cache port=6379 password=test
    secret agent-executor-llm-keys OPENAI_API_KEY=test ANTHROPIC_API_KEY=test
    kubectl create secret docker-registry ghcr-pull-secret --namespace "$namespace" --docker-server=ghcr.io \
        --docker-username=test --docker-password=test >/dev/null || abort 'Secret ghcr-pull-secret could not be made'
    ok 'the Secrets that manifests and claim name'
}

# put_manifests VERB [KIND]: without a kind all four.
put_manifests() {
    documents_of "$direct" | grep "\"kind\":\"${2:+$2\"}" >"$work/direct.json"
    kubectl "$1" --filename "$work/direct.json" >"$work/said" 2>&1 || abort "the manifests are refused: $(cat "$work/said")"
    ok "the API server takes the direct manifests ($1${2:+ $2})"
}

# available: the Deployment works, in its present generation.
# shellcheck disable=SC2329 # awaited
available() {
    [ "$(kubectl get deployment "$name" --namespace "$namespace" --output \
        'jsonpath={.status.conditions[?(@.type=="Available")].status}/{.status.observedGeneration}')" = \
        "True/$(kubectl get deployment "$name" --namespace "$namespace" --output 'jsonpath={.metadata.generation}')" ]
}

wait_until_it_works() {
    if pods_run; then
        wait_until "$patience" "$1" available
    else
        note "not looked at: $1 (see RUNNABLE)"
    fi
}

# pods_of_before WHAT: their number, of those that fit the old selector and are or are not ready and not on their way out.
pods_of_before() {
    kubectl get pods --namespace "$namespace" --selector "app=$name" --output \
        'jsonpath={range .items[*]}{.metadata.deletionTimestamp}/{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
        grep -c "^/$1$" || true
}

still_work() {
    pods_run || return 0
    if [ "$(pods_of_before True)" -ge 1 ]; then
        ok "the pods of before work: $1"
    else
        fail "no pod of before works any more: $1"
    fi
}

# What the init container of the claim's pods ended with.
migrations_ran() {
    pods_run || return 0
    expect_equal 'the migrations of the claim ended with' 0 "$(kubectl get pods --namespace "$namespace" \
        --selector "app.kubernetes.io/name=$name" --output \
        'jsonpath={.items[0].status.initContainerStatuses[0].state.terminated.exitCode}')"
}

# The selector of a Deployment can't be changed. Without its Deployment the ReplicaSet keeps its pods.
release_pods() {
    kubectl delete deployment "$name" --namespace "$namespace" --cascade=orphan --wait --timeout="${patience}s" >/dev/null ||
        abort "the Deployment could not be deleted without its pods"
    ok "the Deployment is gone, its pods are not"
}

# claims_own KIND: whether an object carries the label by which the API's are known.
# shellcheck disable=SC2329 # awaited
claims_own() {
    [ "$(kubectl get "$1" "$(object_of "$1")" --namespace "$namespace" --output \
        'jsonpath={.metadata.labels.app\.kubernetes\.io/managed-by}')" = crossplane ]
}

move_to_claim() {
    step 'to the claim'
    release_pods
    still_work 'while there is no Deployment'
    apply_claim "$examples/agent-executor-claim.yaml"
    for kind in $kinds; do
        wait_until "$patience" "$kind/$(object_of "$kind") is the claim's" claims_own "$kind"
    done
    still_work 'until those of the claim do'
    wait_until_it_works "the claim's Deployment is available"
    migrations_ran
    kubectl delete replicasets --namespace "$namespace" --selector "app=$name" --wait=false >/dev/null
    keep claim
}

check_claims_objects() {
    step 'what the claim led to'
    snapshot deployment "$name"
    expect_labels "$name"
    expect_deployment "$name"
    for container in "$main" "$init"; do
        expect_container "$container" ghcr.io/acme/agent-executor:latest Always
        expect_size "$container" medium
        expect_nats "$container" nats://nats.nats.svc:4222 AGENT_EXECUTION agent-executor-workers
        for variable in HOST:endpoint PORT:port DB:database USER:username PASSWORD:password; do
            expect_key "$container" "POSTGRES_${variable%:*}" agent-executor-db-conn "${variable#*:}"
        done
        for variable in HOST:endpoint PORT:port PASSWORD:password; do
            expect_key "$container" "DRAGONFLY_${variable%:*}" agent-executor-cache-conn "${variable#*:}"
        done
        expect_whole "$container" 0 agent-executor-llm-keys
    done
    expect "$init.command[1]" '"-c"'
    expect "$init.args[0]" '"cd /app && ./scripts/ci/run-migrations.sh"'
    expect_probes 8080 /health /ready
    expect_names "$pod.imagePullSecrets" ghcr-pull-secret
    snapshot scaledobject "$name-scaler"
    # shellcheck disable=SC2016 # the name of the account of servers that configure none
    expect_scaler "$name" nats-headless.nats.svc.cluster.local:8222 '$G' AGENT_EXECUTION agent-executor-workers 5 1 10
}

# compare BEFORE AFTER [DIFFERENCES]: every field of the four objects; without a file of differences there may be none.
compare() {
    for kind in $kinds; do
        awk -v kind="$kind" -v list="${3:-/dev/null}" '
            # A path is below another one if that ends where it goes on with a step.
            function below(path, top,    rest) {
                rest = substr(path, length(top) + 1, 1)
                return substr(path, 1, length(top)) == top && (rest == "" || rest == "." || rest == "[")
            }
            BEGIN {
                while ((getline line < list) > 0) {
                    if (line ~ /^#/ || split(line, word, " ") < 3 || word[1] != kind) continue
                    why = line
                    if (word[3] == "=") {
                        sub(/^[^ ]+ [^ ]+ = [^ ]+ /, "", why)
                        from[++renames] = word[2]; to[renames] = word[4]; renamed_why[renames] = why
                    } else {
                        sub(/^[^ ]+ [^ ]+ /, "", why)
                        rule[++rules] = word[2]; reason[rules] = why
                    }
                }
            }
            {
                space = index($0, " "); path = substr($0, 1, space - 1); here = substr($0, space + 1)
            }
            FNR == NR {
                for (i = 1; i <= renames; i++) if (below(path, from[i])) {
                    path = to[i] substr(path, length(from[i]) + 1); renamed[i] = 1
                }
                before[path] = here; order[++paths] = path
                next
            }
            { after[path] = here; if (!(path in before)) order[++paths] = path }
            END {
                for (n = 1; n <= paths; n++) {
                    path = order[n]
                    if ((path in before) && (path in after) && before[path] == after[path]) { same++; continue }
                    change = path ": " ((path in before) ? before[path] : "nothing") " -> " ((path in after) ? after[path] : "nothing")
                    for (i = rules; i > 0; i--) if (below(path, rule[i])) break
                    if (i == 0) print "fail " kind " " change ", and no reason is given for it"
                    else { used[i] = 1; said[i] = said[i] "\nnote " change }
                }
                print "ok " kind ": " same " fields are the same"
                for (i = 1; i <= renames; i++)
                    if (renamed[i]) print "ok " kind " " from[i] " is now " to[i] ": " renamed_why[i]
                    else print "fail " kind " " from[i] " was to be compared under another name, but is not there"
                for (i = 1; i <= rules; i++)
                    if (used[i]) print "ok " kind " " rule[i] " differs: " reason[i] said[i]
                    else print "fail " kind " " rule[i] " was to differ, but does not"
            }' "$work/$1.$kind" "$work/$2.$kind" >"$work/compared"
        while read -r verdict words; do
            "$verdict" "$words"
        done <"$work/compared"
    done
    expect_equal 'Secrets that were touched' '' "$(diff "$work/$1.secrets" "$work/$2.secrets" || true)"
}

# Where a provider composes: the objects stay while the claim goes, because the provider may only observe them any more.
keep_objects() {
    composite=$(kubectl get "$claims" "$name" --namespace "$namespace" --output 'jsonpath={.spec.resourceRef.name}')
    kubectl annotate xeventdrivenservices.platform.bizmatters.io "$composite" crossplane.io/paused=true >/dev/null ||
        abort "the composite $composite could not be paused"
    kubectl get "$provider_objects" --selector "crossplane.io/claim-name=$name,crossplane.io/claim-namespace=$namespace" \
        --output name >"$work/objects"
    while read -r object; do
        kubectl patch "$object" --type merge --patch '{"spec":{"managementPolicies":["Observe"]}}' >/dev/null ||
            abort "$object could not be told to observe only"
    done <"$work/objects"
    ok "$(wc -l <"$work/objects" | tr -d ' ') provider objects only observe"
}

# With the provider nothing goes but the claim; without one, what was composed goes with it, and comes back.
move_back() {
    step 'back to the manifests'
    if is_local; then
        kubectl delete "$claims" "$name" --namespace "$namespace" --wait --timeout="${patience}s" >/dev/null ||
            abort 'the claim could not be deleted'
        wait_until "$patience" 'what was composed is gone' nothing_composed
        put_manifests create
    else
        keep_objects
        release_pods
        put_manifests create Deployment
        for kind in ServiceAccount Service ScaledObject; do
            # Not applied: what only the claim said has to go.
            put_manifests replace "$kind"
        done
        kubectl delete "$claims" "$name" --namespace "$namespace" --wait=false >/dev/null || abort 'the claim could not be deleted'
        kubectl annotate xeventdrivenservices.platform.bizmatters.io "$composite" crossplane.io/paused- >/dev/null || true
        wait_until "$patience" 'the composite is gone' composite_is_gone
        for kind in $kinds; do
            wait_until "$patience" "$kind/$(object_of "$kind") is still there" exists "$kind" "$(object_of "$kind")"
        done
    fi
    wait_until_it_works 'the Deployment of the manifests is available again'
    kubectl delete replicasets --namespace "$namespace" --selector "app.kubernetes.io/name=$name" --wait=false >/dev/null
    keep after
}

# shellcheck disable=SC2329 # awaited
composite_is_gone() {
    ! kubectl get xeventdrivenservices.platform.bizmatters.io "$composite"
}

begin controllers "$@"
step 'the direct manifests'
make_namespace migration
make_secrets
put_manifests create
wait_until_it_works 'the Deployment of the manifests is available'
keep before
move_to_claim
check_claims_objects
step 'compared field by field with the direct manifests'
compare before claim "$differences"
move_back
step 'compared with how it was at first'
compare before after
finish
