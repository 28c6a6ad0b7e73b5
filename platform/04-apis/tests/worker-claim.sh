# shellcheck shell=sh
# The worker's own claim in the cluster, and a way to NATS and to its pods: for test-functional.sh and test-autoscaling.sh. To be
# sourced after `here` is set.
#
#   . "$here/worker-claim.sh"
#   begin 'nats,controllers,keda' "$@"
#   reach_nats
#   use_worker
#
# The worker's Workflows are in the namespace of its claim, which the claim names twice: so these tests can't have a namespace of
# their own. A claim that is there already is tested as it is, and stays.
# shellcheck source=platform/04-apis/tests/lib.sh
. "${here:?set here before sourcing worker-claim.sh}/lib.sh"

worker_file=$examples/platform-worker-claim.yaml
worker=platform-worker
home=argo
made_claim='' made_home='' forward='' metric=''

# Sets NATS_URL, if it is not set, to the forwarded port of the NATS service.
reach_nats() {
    step 'NATS'
    command -v platform-worker >/dev/null || refuse 'platform-worker is not on PATH: make check leaves it in .venv/bin'
    if [ -z "${NATS_URL:-}" ]; then
        kubectl port-forward --namespace nats service/nats :4222 >"$work/forward" 2>&1 &
        forward=$!
        wait_until 20 'service nats in namespace nats is forwarded' grep -q 'Forwarding from 127' "$work/forward"
        NATS_URL=nats://$(sed -n 's/^Forwarding from \(127[^ ]*\).*/\1/p' "$work/forward" | head -n 1)
        export NATS_URL
    fi
    if is_local; then
        platform-worker streams apply >/dev/null || abort 'the streams could not be made'
    fi
    platform-worker streams check >"$work/said" 2>&1 ||
        abort "the streams are not as the worker needs them: run platform-worker streams apply; $(cat "$work/said")"
    ok "streams and consumer are as declared"
}

# Applies the claim with the Role beside it, unless it is there; returns when it is ready.
use_worker() {
    step "the worker's own claim"
    if kubectl get "$claims" "$worker" --namespace "$home" >/dev/null 2>&1; then
        note "claim $worker is in namespace $home already: it is tested as it is, and stays"
    else
        if ! kubectl get namespace "$home" >/dev/null 2>&1; then
            made_home=yes
            kubectl create namespace "$home" >/dev/null || abort "namespace $home could not be made"
        fi
        made_claim=yes
        kubectl apply --filename "$worker_file" >"$work/said" 2>&1 || abort "the API server refuses it: $(cat "$work/said")"
        ok 'the API server takes the claim, its Role and its RoleBinding'
    fi
    wait_until "$patience" 'the claim is ready' worker_ready
}

worker_ready() {
    kubectl wait "$claims/$worker" --namespace "$home" --for condition=Ready --timeout 1s
}

# Names of the worker's pods, one to a line.
worker_pods() {
    kubectl get pods --namespace "$home" --selector "app.kubernetes.io/name=$worker" \
        --output 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}

# answers POD PATH: whether a pod answers an HTTP GET with 2xx.
answers() {
    if is_local; then
        # The API server forwards no requests to loopback, where the pods of the local lane are.
        address=$(kubectl get pod "$1" --namespace "$home" --output 'jsonpath={.status.podIP}')
        kubectl --kubeconfig /dev/null --server "http://$address:8080" get --raw "$2"
    else
        kubectl get --raw "/api/v1/namespaces/$home/pods/$1:8080/proxy$2"
    fi
}

# The consumer's lag, as KEDA tells it to the autoscaler. Who asks often sets $metric before.
lag() {
    kubectl get --raw "/apis/external.metrics.k8s.io/v1beta1/namespaces/$home/${metric:-$(metric_name)}?labelSelector=scaledobject.keda.sh%2Fname%3D$worker-scaler" |
        sed -n 's/.*"value":"\([0-9]*\)".*/\1/p'
}

metric_name() {
    kubectl get scaledobject "$worker-scaler" --namespace "$home" --output 'jsonpath={.status.externalMetricNames[0]}'
}

no_lag() {
    [ "$(lag)" = 0 ]
}

# Called by lib.sh at any exit. A script may define `clean_up_first` for what needs the worker.
clean_up_more() {
    if command -v clean_up_first >/dev/null; then
        clean_up_first
    fi
    if [ "$failed" -ne 0 ]; then
        namespace=$home
        show_state
        namespace=
    fi
    if [ -n "$made_claim" ]; then
        step "clean-up: claim $worker in namespace $home"
        kubectl delete --filename "$worker_file" --ignore-not-found --wait --timeout=60s >/dev/null ||
            fail "claim $worker or the Role beside it could not be deleted"
        if ! poll_until 60 worker_gone; then
            fail "what was composed for $worker is still there: kubectl get deployments,scaledobjects -n $home"
        fi
    fi
    if [ -n "$made_home" ]; then
        waiting=true
        is_local && waiting=false # its end is not worth waiting for
        kubectl delete namespace "$home" --wait="$waiting" --timeout=60s >/dev/null ||
            fail "namespace $home could not be deleted"
    fi
    [ -z "$forward" ] || kill "$forward" 2>/dev/null
}

worker_gone() {
    left=$(kubectl get "serviceaccounts,services,deployments,scaledobjects,pods" --namespace "$home" \
        --selector "app.kubernetes.io/name=$worker,app.kubernetes.io/managed-by=crossplane" --output name) && [ -z "$left" ]
}
