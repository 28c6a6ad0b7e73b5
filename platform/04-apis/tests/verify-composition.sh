#!/bin/sh
# Verifies that definition and Composition of EventDrivenService are in the cluster and fit each other.
#
#   verify-composition.sh             the current cluster; only reads
#   verify-composition.sh --local     a cluster made for the test, into which this repository's definition and Composition are put
#
# Looked at: the definition and the kinds that Crossplane makes of it; the Composition's reference to the definition, its mode and
# functions; its resource templates, of which it prints a list, with labels, readiness and provider configuration.
# Needs kubectl, and rights to read what is looked at. --local needs the development environment and built tools (make tools).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/lib.sh
. "$here/lib.sh"

definition=xeventdrivenservices.platform.bizmatters.io
composition=event-driven-service
kinds='deployment scaledobject service serviceaccount'

# Without Crossplane nothing knows its kinds: there they are, without their schemas.
put_into_local_lane() {
    step "put definition and Composition into the local lane"
    kubectl apply --filename "$here/local/crossplane-kinds.yaml" >/dev/null || abort "Crossplane's kinds could not be made"
    for kind in compositeresourcedefinitions compositions; do
        wait_until "$patience" "$kind are served" kubectl get "$kind.apiextensions.crossplane.io"
    done
    kubectl apply --filename "$api/definitions/xeventdrivenservices.yaml" \
        --filename "$api/compositions/event-driven-service-composition.yaml" >/dev/null ||
        abort 'the API server refuses definition or Composition'
}

check_condition() {
    expect_equal "$1 $2 is $3" True \
        "$(kubectl get "$1" "$2" --output "jsonpath={.status.conditions[?(@.type==\"$3\")].status}" 2>/dev/null)"
}

check_definition() {
    step "the definition $definition"
    snapshot compositeresourcedefinition.apiextensions.crossplane.io "$definition"
    expect .spec.group '"platform.bizmatters.io"'
    expect .spec.names.kind '"XEventDrivenService"'
    expect .spec.claimNames.kind '"EventDrivenService"'
    expect '.spec.versions[v1alpha1].served' true
    expect .spec.defaultCompositionRef.name "\"$composition\""
    if ! is_local; then
        check_condition compositeresourcedefinition.apiextensions.crossplane.io "$definition" Established
        check_condition compositeresourcedefinition.apiextensions.crossplane.io "$definition" Offered
    fi
    check_condition customresourcedefinition "$definition" Established
    check_condition customresourcedefinition "$claims" Established
}

check_pipeline() {
    step "the Composition $composition"
    snapshot composition.apiextensions.crossplane.io "$composition"
    expect .spec.compositeTypeRef.apiVersion '"platform.bizmatters.io/v1alpha1"'
    expect .spec.compositeTypeRef.kind '"XEventDrivenService"'
    expect .spec.mode '"Pipeline"'
    functions=$(sed -n 's/^\.spec\.pipeline\[[0-9]*\]\.functionRef\.name "\(.*\)"$/\1/p' "$looked_at")
    note "its functions: $(printf '%s' "$functions" | tr '\n' ' ')"
    if ! is_local; then
        for function in $functions; do
            check_condition function.pkg.crossplane.io "$function" Healthy
        done
    fi
}

# Sets $resources to the path of the templates: they belong to the one step that runs function-patch-and-transform.
find_resources() {
    owner=$(sed -n 's/^\(\.spec\.pipeline\[[0-9]*\]\)\.functionRef\.name "function-patch-and-transform"$/\1/p' "$looked_at")
    case $owner in
        '') abort "no step of composition/$composition runs function-patch-and-transform" ;;
        *']'*']'*) abort "several steps of composition/$composition run function-patch-and-transform" ;;
    esac
    resources=$owner.input.resources
    ok "function-patch-and-transform owns the resources, as step $(value "$owner.step")"
}

check_resources() {
    step 'its resource templates'
    find_resources
    names=$(awk -v list="${resources}[" '
        index($0, list) == 1 { name = substr($0, length(list) + 1); sub(/\].*/, "", name); if (!seen[name]++) print name }
        ' "$looked_at" | sort)
    for name in $names; do
        note "$name: $(value "${resources}[$name].base.kind") with a $(value "${resources}[$name].base.spec.forProvider.manifest.kind")"
    done
    # shellcheck disable=SC2086 # a word per name
    expect_equal 'resource templates' "$kinds" "$(printf '%s ' $names | sed 's/ $//')"
    for name in $kinds; do
        case $name in
            deployment) check_resource Deployment apps/v1 ;;
            scaledobject) check_resource ScaledObject keda.sh/v1alpha1 ;;
            service) check_resource Service v1 ;;
            serviceaccount) check_resource ServiceAccount v1 ;;
        esac
    done
    # Available, and of the present generation: created is not ready.
    expect_equal 'deployment readiness.policy' '"DeriveFromCelQuery"' "$(value "${resources}[deployment].base.spec.readiness.policy")"
    case $(value "${resources}[deployment].base.spec.readiness.celQuery") in
        *observedGeneration*Available*) ok 'the Deployment counts as ready when it is available' ;;
        *) fail 'the Deployment counts as ready before it is available: readiness.celQuery must look at Available and observedGeneration' ;;
    esac
    expect_equal 'scaledobject readiness.policy' '"DeriveFromObject"' \
        "$(value "${resources}[scaledobject].base.spec.readiness.policy")"
    if grep -q '^[^ ]*\.manifest\.spec\.replicas ' "$looked_at" || grep -q ' "[^ ]*manifest\.spec\.replicas"$' "$looked_at"; then
        fail 'the Composition sets spec.replicas of the Deployment, which belong to the autoscaler'
    else
        ok 'the Composition leaves spec.replicas to the autoscaler'
    fi
}

# check_resource KIND VERSION: the template $name.
check_resource() {
    template="${resources}[$name]"
    expect_at .base.kind '"Object"'
    expect_at .base.spec.providerConfigRef.name '"kubernetes-provider"'
    expect_at .base.spec.forProvider.manifest.kind "\"$1\""
    expect_at .base.spec.forProvider.manifest.apiVersion "\"$2\""
    labels=.base.spec.forProvider.manifest.metadata.labels.app.kubernetes.io
    expect_at "$labels/component" '"event-driven-worker"'
    expect_at "$labels/managed-by" '"crossplane"'
    for condition in Ready Synced; do
        if grep -qF "$template.readinessChecks[" "$looked_at" &&
            grep -F "$template.readinessChecks[" "$looked_at" | grep -q "matchCondition\.type \"$condition\"$"; then
            ok "$name counts as ready when it is $condition"
        else
            fail "$name counts as ready although it may not be $condition: readinessChecks lacks it"
        fi
    done
}

# expect_at PATH WANTED: within the template $name.
expect_at() {
    expect_equal "$name $1" "$2" "$(value "$template$1")"
}

begin '' "$@"
if is_local && ! kubectl get composition.apiextensions.crossplane.io "$composition" >/dev/null 2>&1; then
    put_into_local_lane
fi
check_definition
check_pipeline
check_resources
finish
