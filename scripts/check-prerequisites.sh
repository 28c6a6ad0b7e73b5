#!/bin/sh
# Says whether the current cluster has what EventDrivenService stands on: NATS with JetStream, KEDA, Crossplane, its two
# functions, and provider-kubernetes with its rights. Changes nothing.
#
#   scripts/check-prerequisites.sh
#
# One line per check. Exit code 0 all hold, 1 something is missing, 2 wrong usage or no cluster to ask.
# Needs kubectl, and rights to read what is checked, to reach the NATS Service by the API server's proxy, and to impersonate.
# Set NATS_NAMESPACE, NATS_SERVICE, NATS_MONITORING_PORT if NATS is elsewhere, or NATS_MONITORING_URL to ask it without the
# proxy (then curl is needed too). Kubernetes' usual KUBECONFIG says which cluster.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prerequisites=$here/../platform/04-apis/prerequisites
keda_at_least=2.20
crossplane_at_least=1.17
provider_at_least=1.2
provider_account=system:serviceaccount:crossplane-system:provider-kubernetes
nats_path=/api/v1/namespaces/${NATS_NAMESPACE:-nats}/services/${NATS_SERVICE:-nats-headless}:${NATS_MONITORING_PORT:-8222}/proxy
checks=0
failed=0

usage() {
    printf 'usage: %s\n\nChecks the current cluster for the prerequisites of EventDrivenService.\n' "$(basename -- "$0")"
}

ok() {
    checks=$((checks + 1))
    printf 'ok    %s\n' "$1"
}

# What is missing, and what to do about it.
missing() {
    checks=$((checks + 1))
    failed=$((failed + 1))
    printf 'FAIL  %s: %s\n' "$1" "$2"
}

# Prints a field of an object, or nothing if there is no such object, field or right.
field() {
    path=$1
    shift
    kubectl --request-timeout=10s get "$@" --output "jsonpath=$path" 2>/dev/null || true
}

condition() {
    type=$1
    shift
    [ "$(field "{.status.conditions[?(@.type==\"$type\")].status}" "$@")" = True ]
}

# The version in an image or package reference: what follows the last colon, without a digest and a leading v.
version_of() {
    printf '%s\n' "$1" | sed 's/@.*//; s/.*[:]v\{0,1\}//'
}

# Whether a version is at least another one; what is no version is not.
at_least() {
    printf '%s %s\n' "$1" "$2" | awk '{
        if ($1 !~ /^[0-9]+(\.[0-9]+)*/) exit 1
        split($1, has, /[.+-]/); split($2, wants, /[.+-]/)
        for (i = 1; i <= 3; i++) if (has[i] + 0 != wants[i] + 0) exit !(has[i] + 0 > wants[i] + 0)
    }'
}

# Prints what NATS monitoring answers; fails if that is not 200.
nats_monitoring() {
    if [ -n "${NATS_MONITORING_URL:-}" ]; then
        curl --silent --fail --max-time 10 "$NATS_MONITORING_URL$1"
    else
        kubectl --request-timeout=10s get --raw "$nats_path$1" 2>/dev/null
    fi
}

check_nats() {
    if nats_monitoring /healthz >/dev/null; then
        ok 'NATS is healthy'
    else
        missing 'NATS is healthy' "${NATS_MONITORING_URL:-$nats_path}/healthz does not answer 200: install NATS with monitoring"
    fi
    # /healthz calls a server without JetStream healthy, whatever it is asked.
    case $(nats_monitoring /jsz | tr -d ' \n' || true) in
        '') missing 'JetStream is enabled' 'NATS does not say: see the line above' ;;
        *'"disabled":true'*) missing 'JetStream is enabled' 'NATS says it is not: set config.jetstream.enabled of its chart' ;;
        *) ok 'JetStream is enabled' ;;
    esac
}

# A Deployment, found by label, that is available and has at least a version.
check_deployment() {
    title=$1 label=$2 wanted=$3 fix=$4
    found=$(field '{.items[0].metadata.namespace}/{.items[0].metadata.name}' deployments --all-namespaces --selector "$label")
    case $found in
        */?*) ;;
        *)
            missing "$title is installed" "$fix"
            return 0
            ;;
    esac
    namespace=${found%/*} name=${found#*/}
    version=$(version_of "$(field '{.spec.template.spec.containers[0].image}' deployment "$name" --namespace "$namespace")")
    if ! at_least "$version" "$wanted"; then
        missing "$title is at least $wanted" "deployment $found runs '$version': $fix"
    elif ! condition Available deployment "$name" --namespace "$namespace"; then
        missing "$title works" "deployment $found is not available: kubectl describe deployment $name -n $namespace"
    else
        ok "$title $version"
    fi
}

check_kind() {
    if condition Established customresourcedefinition "$1"; then
        ok "$1 is served"
    else
        missing "$1 is served" "$2"
    fi
}

# A package of Crossplane that is installed, healthy and has at least a version.
check_package() {
    kind=$1 name=$2 wanted=$3
    package=$(field '{.spec.package}' "$kind.pkg.crossplane.io" "$name")
    if [ -z "$package" ]; then
        missing "$name is installed" "kubectl apply -f platform/04-apis/prerequisites/"
    elif ! at_least "$(version_of "$package")" "$wanted"; then
        missing "$name is at least $wanted" "it is $package: kubectl apply -f platform/04-apis/prerequisites/"
    elif ! condition Installed "$kind.pkg.crossplane.io" "$name" || ! condition Healthy "$kind.pkg.crossplane.io" "$name"; then
        missing "$name works" "it is not healthy: kubectl describe $kind.pkg.crossplane.io $name"
    else
        ok "$name $(version_of "$package")"
    fi
}

check_rights() {
    for kind in serviceaccounts services deployments.apps scaledobjects.keda.sh; do
        for verb in get create patch delete; do
            if [ "$(kubectl --request-timeout=10s auth can-i "$verb" "$kind" --all-namespaces --as "$provider_account" 2>/dev/null)" != yes ]; then
                missing 'provider-kubernetes has its rights' \
                    "it may not $verb $kind: kubectl apply -f platform/04-apis/prerequisites/provider-kubernetes.yaml"
                return 0
            fi
        done
    done
    ok 'provider-kubernetes has its rights'
}

case ${1:-} in
    '') ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
if ! reason=$(kubectl --request-timeout=10s get --raw /readyz 2>&1); then
    printf 'check-prerequisites: no cluster to ask: %s\n' "$reason" >&2
    exit 2
fi

check_nats
check_deployment KEDA app.kubernetes.io/name=keda-operator "$keda_at_least" 'apply platform/04-apis/prerequisites/keda.yaml'
check_kind scaledobjects.keda.sh 'apply platform/04-apis/prerequisites/keda.yaml'
if condition Available apiservice v1beta1.external.metrics.k8s.io; then
    ok 'KEDA serves metrics to autoscalers'
else
    missing 'KEDA serves metrics to autoscalers' 'kubectl describe apiservice v1beta1.external.metrics.k8s.io'
fi
check_deployment Crossplane app=crossplane "$crossplane_at_least" "install the chart of Crossplane, $crossplane_at_least or newer"
check_kind compositions.apiextensions.crossplane.io "install the chart of Crossplane, $crossplane_at_least or newer"
packages=$(sed -n 's/^ *package: .*\///p' "$prerequisites/functions.yaml")
for package in $packages; do
    check_package function "${package%:*}" "$(version_of "$package")"
done
check_package provider provider-kubernetes "$provider_at_least"
check_kind objects.kubernetes.crossplane.io 'kubectl describe provider.pkg.crossplane.io provider-kubernetes'
if [ -n "$(field '{.metadata.name}' providerconfig.kubernetes.crossplane.io kubernetes-provider)" ]; then
    ok 'ProviderConfig kubernetes-provider'
else
    missing 'ProviderConfig kubernetes-provider exists' 'kubectl apply -f platform/04-apis/prerequisites/provider-kubernetes.yaml'
fi
check_rights

if [ "$failed" -gt 0 ]; then
    printf '%s of %s prerequisites are missing\n' "$failed" "$checks"
    exit 1
fi
printf 'all %s prerequisites hold\n' "$checks"
