#!/bin/sh
# An event becomes a Workflow: the worker's own claim is applied, its pods answer their probes, and an event that is published to
# its stream is handled, logged, told of and acknowledged.
#
#   test-functional.sh             the current cluster
#   test-functional.sh --local     a cluster made for the test
#
# Applies examples/platform-worker-claim.yaml in its own namespace, argo, with the Role beside it, and takes it away again; a
# claim that is there already is tested as it is, and stays. The event asks for a redis named functional-test-…, so Argo makes one;
# at the end its removal is asked for. TIMEOUT (120 s) bounds each wait.
# Needs kubectl, what scripts/check-prerequisites.sh checks, this API and Argo Workflows with the templates of
# platform/05-workflows in the cluster (without a controller nobody ends the removal, and the clean-up says so); the image of
# the claim; platform-worker on PATH and the streams that `platform-worker streams apply` makes; NATS at NATS_URL, else as service
# nats in namespace nats, whose port is then forwarded. --local needs the development environment and built tools (make tools).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/worker-claim.sh
. "$here/worker-claim.sh"

begin 'nats,controllers,keda' "$@"
app=functional-test-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
published=''

# shellcheck disable=SC2329 # called by lib.sh at the end
clean_up_first() {
    [ -n "$published" ] || return 0
    step "clean-up: $home/$app"
    # Nobody runs Workflows on the local lane, so nobody would end a removal.
    if is_local; then
        platform-worker delete "$home/$app" --deletion-policy delete >/dev/null || fail "$home/$app could not be removed"
    else
        platform-worker delete "$home/$app" --deletion-policy delete --watch --timeout "$patience" >/dev/null ||
            fail "$home/$app could not be removed: platform-worker status $home/$app"
    fi
}

# shellcheck disable=SC2329 # awaited
workflow_exists() {
    kubectl get workflows.argoproj.io --namespace "$home" --selector "app.oam.dev/name=$app" --output name >"$work/workflows" &&
        [ -s "$work/workflows" ]
}

# shellcheck disable=SC2329 # awaited
told_of() {
    platform-worker explain "$app" --output json >"$work/told" && grep -q 'io.platform.provisioning.accepted.v1' "$work/told"
}

# shellcheck disable=SC2329 # awaited
logged() {
    for pod in $(worker_pods); do
        kubectl logs "$pod" --namespace "$home" >>"$work/logs"
    done
    grep "$app" "$work/logs" | head -n 1 >"$work/line"
    [ -s "$work/line" ]
}

reach_nats
use_worker

step 'probes'
for pod in $(worker_pods); do
    for path in /health /ready; do
        if answers "$pod" "$path" >"$work/said" 2>&1; then
            ok "$pod answers $path with 200"
        else
            fail "$pod does not answer $path with 200: $(cat "$work/said")"
        fi
    done
done

step 'an event'
cat >"$work/event.json" <<END
{"specversion": "1.0", "id": "$app", "source": "urn:platform-worker:test-functional",
 "type": "io.platform.provisioning.requested.v1", "datacontenttype": "application/json",
 "data": {"name": "$app", "namespace": "$home", "requestedBy": "test-functional.sh",
          "components": [{"name": "cache", "type": "redis", "properties": {"size": "small"}}]}}
END
published=yes
platform-worker publish "$work/event.json" >"$work/said" 2>&1 || abort "the stream does not take it: $(cat "$work/said")"
ok "the stream has taken event $app"
wait_until "$patience" 'a Workflow exists for it' workflow_exists
note "$(cat "$work/workflows")"
wait_until "$patience" 'the ledger says that it was accepted' told_of
wait_until "$patience" "a pod's log tells of it" logged
note "$(cut -c 1-160 "$work/line")"
wait_until "$patience" 'it is acknowledged: the consumer has no lag' no_lag

finish
