#!/bin/sh
# Verifies that the ScaledObject of a claim says what the claim says, and that KEDA is content with it.
#
#   verify-keda-config.sh                       the current cluster, with two claims of its own, in a namespace of its own
#   verify-keda-config.sh NAMESPACE/CLAIM       the current cluster, a claim that is there; only reads
#   verify-keda-config.sh --local               a cluster made for the test, with two claims of its own
#
# Looked at: the trigger (endpoint, account, stream, consumer, threshold), the replica counts, what is scaled, and for a claim that
# was there also KEDA's conditions. The endpoint must be that of the headless Service unless the claim says another one.
# Needs kubectl and this API in the cluster with KEDA; without an operand also Crossplane and rights to make namespaces and claims.
# --local needs the development environment and built tools (make tools).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/expectations.sh
. "$here/expectations.sh"

headless=nats-headless.nats.svc.cluster.local:8222

# claimed JSONPATH: a field of the claim $claim, with the defaults that the API server filled in.
claimed() {
    kubectl get "$claims" "$claim" --namespace "$2" --ignore-not-found --output "jsonpath={$1}"
}

# check_against_claim NAMESPACE: the ScaledObject of $claim.
check_against_claim() {
    endpoint=$(claimed .spec.nats.monitoringEndpoint "$1")
    case $endpoint in
        nats.*) fail "claim $claim names $endpoint, the Service of clients: KEDA needs the headless one, nats-headless" ;;
        '') abort "claim $claim is not there: kubectl get $claims -n $1" ;;
    esac
    kept=$namespace namespace=$1
    snapshot scaledobject "$claim-scaler"
    expect_labels "$claim"
    expect_scaler "$claim" "$endpoint" "$(claimed .spec.nats.account "$1")" "$(claimed .spec.nats.stream "$1")" \
        "$(claimed .spec.nats.consumer "$1")" "$(claimed .spec.scaling.lagThreshold "$1")" \
        "$(claimed .spec.scaling.minReplicas "$1")" "$(claimed .spec.scaling.maxReplicas "$1")"
    expect .spec.pollingInterval "$(claimed .spec.scaling.pollingInterval "$1")"
    expect .spec.cooldownPeriod "$(claimed .spec.scaling.cooldownPeriod "$1")"
    namespace=$kept
}

# A claim that is there already: KEDA has had the time to look at it.
check_existing() {
    case $operand in
        ?*/?*) ;;
        *) refuse "$operand is not NAMESPACE/CLAIM" ;;
    esac
    claim=${operand#*/}
    step "claim $operand"
    check_against_claim "${operand%%/*}"
    expect_equal "KEDA calls $claim-scaler ready" True \
        "$(kubectl get scaledobject "$claim-scaler" --namespace "${operand%%/*}" --output \
            'jsonpath={.status.conditions[?(@.type=="Ready")].status}')"
}

check_own() {
    make_namespace keda
    step 'a claim that says nothing of scaling'
    claim=orders
    apply_claim "$examples/minimal-claim.yaml"
    wait_until "$patience" "scaledobject/$claim-scaler exists" exists scaledobject "$claim-scaler"
    check_against_claim "$namespace"
    # The defaults themselves, so that they can't change unseen.
    # shellcheck disable=SC2016 # the name of the account of servers that configure none
    expect_scaler "$claim" "$headless" '$G' ORDERS orders-workers 5 1 10

    step 'a claim that says all'
    claim=billing
    apply_claim "$examples/full-claim.yaml"
    wait_until "$patience" "scaledobject/$claim-scaler exists" exists scaledobject "$claim-scaler"
    check_against_claim "$namespace"
    expect_scaler "$claim" "$headless" SHOP BILLING billing-workers 50 2 20
}

operand=NAMESPACE/CLAIM
begin '' "$@"
if [ -n "$operand" ]; then
    check_existing
else
    check_own
fi
finish
