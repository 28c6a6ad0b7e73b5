#!/bin/sh
# A backlog brings more pods, and its end brings them back: from the least number to several, as many as the lag asks for, and
# back to the least once all messages are handled.
#
#   test-autoscaling.sh             the current cluster
#   test-autoscaling.sh --local     a cluster made for the test, with short scaling intervals
#
# Applies examples/platform-worker-claim.yaml in its own namespace, argo, with the Role beside it, and takes it away again; a
# claim that is there already is tested as it is, and stays. The messages ask for the removal of something that does not
# exist: they change nothing, and leave one empty record and what the ledger says of them. The worker handles them faster than
# anybody scales, so its consumer is paused until the pods are there; the clock starts when the backlog stands. A pause ends by
# itself after TIMEOUT (600 s in a cluster, where scaling takes minutes; 120 s locally), which also bounds each wait.
# Needs what test-functional.sh needs, and NATS 2.11 or newer. --local needs the development environment and built tools.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/worker-claim.sh
. "$here/worker-claim.sh"

# More than the lag of one pod: several.
several=4
pausing='' watching=''

begin 'nats,controllers,keda' "$@"
if is_local; then
    poll=${POLL:-0.2}
else
    patience=${TIMEOUT:-600}
fi

scaler() {
    kubectl get scaledobject "$worker-scaler" --namespace "$home" --output "jsonpath={$1}"
}

replicas() {
    kubectl get deployment "$worker" --namespace "$home" --output 'jsonpath={.spec.replicas}/{.status.readyReplicas}'
}

# pause MESSAGES: holds the consumer until `go_on`, and tells when so many messages wait at it.
pause() {
    "$(dirname -- "$(command -v platform-worker)")/python" "$root/tests/platform/pause_consumer.py" \
        "$stream" "$consumer" "$patience" "$1" >"$work/pause" 2>&1 &
    pausing=$!
}

# wait_for_word WORD: of what holds the consumer; it has to live for it.
wait_for_word() {
    poll_until "$patience" said_or_ended "$1" || :
    grep -qx "$1" "$work/pause" || abort "consumer $consumer is not held ($1): $(cat "$work/pause")"
}

# shellcheck disable=SC2329 # awaited
said_or_ended() {
    grep -qx "$1" "$work/pause" || ! kill -0 "$pausing" 2>/dev/null
}

go_on() {
    kill "$pausing" 2>/dev/null || :
    wait "$pausing" || {
        pausing=''
        fail "consumer $consumer is paused for up to $patience s more: $(cat "$work/pause")"
        return 0
    }
    pausing=''
}

# shellcheck disable=SC2329 # called by lib.sh at the end
clean_up_first() {
    [ -z "$pausing" ] || go_on
    [ -z "$watching" ] || kill "$watching" 2>/dev/null
}

# scaled WANTED: tells each change on the way; true when so many pods are wanted and ready.
scaled() {
    now=$(replicas)
    if [ "$now" != "${before:-}" ]; then
        note "$(($(date +%s) - began)) s: pods wanted/ready $now, lag $(lag)"
        before=$now
    fi
    [ "$now" = "$1/$1" ]
}

# wait_until says nothing of what it sees on the way, so the way is told here.
wait_for_pods() {
    deadline=$(($(date +%s) + patience))
    until scaled "$1"; do
        [ "$(date +%s)" -lt "$deadline" ] || abort "pods wanted and ready, $1 of each: not within $patience s"
        sleep "$poll"
    done
    ok "pods wanted and ready, $1 of each, after $(($(date +%s) - began)) s"
}

reach_nats
use_worker

step 'before'
least=$(scaler .spec.minReplicaCount)
most=$(scaler .spec.maxReplicaCount)
threshold=$(scaler '.spec.triggers[0].metadata.lagThreshold')
stream=$(scaler '.spec.triggers[0].metadata.stream')
consumer=$(scaler '.spec.triggers[0].metadata.consumer')
note "$least to $most pods, one for every $threshold messages that wait at consumer $consumer of stream $stream"
[ "$least" -lt "$several" ] || abort "minReplicas is $least: there is nothing to scale to"
[ "$most" -ge "$several" ] || abort "maxReplicas is $most: too few for $several pods"
began=$(date +%s)
wait_until "$patience" 'nothing waits' no_lag
# shellcheck disable=SC2034 # lag reads it
metric=$(metric_name)
wait_for_pods "$least"

step 'a backlog'
count=$(((several - 1) * threshold + 1))
[ "$count" -ge 50 ] || count=50
wanted=$(((count + threshold - 1) / threshold))
[ "$wanted" -le "$most" ] || wanted=$most
run=autoscaling-test-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
number=0
while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    printf -- '---\n{"specversion": "1.0", "id": "%s", "source": "urn:platform-worker:test-autoscaling",' "$run-$number"
    printf ' "type": "io.platform.provisioning.removal.requested.v1", "datacontenttype": "application/json",'
    printf ' "data": {"name": "%s", "namespace": "%s", "reason": "test-autoscaling.sh"}}\n' "$run" "$home"
done >"$work/events.yaml"
pause "$count"
wait_for_word paused
platform-worker publish "$work/events.yaml" --watch --timeout "$patience" --output json >"$work/watched" 2>"$work/said" &
watching=$!
wait_for_word backlog
began=$(date +%s)
note "$count messages, so $wanted pods"
wait_for_pods "$wanted"
ok "KEDA sees a lag of $(lag), and does not scale beyond it"

step 'its end'
go_on
# Its exit code says that a message was superseded by the next, which is well: all are about the same thing.
wait "$watching" || :
expect_equal 'messages handled' "$count" "$(grep -cE '"outcome": "(unchanged|superseded)"' "$work/watched")"
watching=''
wait_until "$patience" 'nothing waits any more' no_lag
wait_for_pods "$least"

finish
