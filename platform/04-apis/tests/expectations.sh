# shellcheck shell=sh
# What a claim must lead to, by requirement; said once for all tests of live objects. To be sourced in place of lib.sh.
#
# Each function looks at the snapshot taken last. Quantities stand here as the API server prints them: 2000m is "2".

# shellcheck source=platform/04-apis/tests/lib.sh
. "${here:?set here before sourcing expectations.sh}/lib.sh"

pod=.spec.template.spec
main="$pod.containers[service]"
# shellcheck disable=SC2034 # for the scripts
init="$pod.initContainers[init]"

# names_at LIST: the names of a list's entries, in their order, separated by spaces.
names_at() {
    awk -v list="$1[" '
        index($0, list) == 1 {
            name = substr($0, length(list) + 1)
            sub(/\].*/, "", name)
            if (!seen[name]++) printf "%s%s", separator, name
            separator = " "
        }' "$looked_at"
}

# expect_names LIST 'NAME…': exactly these entries.
expect_names() {
    expect_equal "$subject $1" "${2:-none}" "$(printf '%s\n' "$(names_at "$1")" | sed 's/^$/none/')"
}

# expect_labels CLAIM [PREFIX]: the three labels of requirement 15.
expect_labels() {
    expect "${2:-}.metadata.labels.app.kubernetes.io/name" "\"$1\""
    expect "${2:-}.metadata.labels.app.kubernetes.io/component" '"event-driven-worker"'
    expect "${2:-}.metadata.labels.app.kubernetes.io/managed-by" '"crossplane"'
}

# expect_selector CLAIM PATH: matches the labels of the pods, and nothing else.
expect_selector() {
    expect "$2.app.kubernetes.io/name" "\"$1\""
    expect "$2.app.kubernetes.io/component" '"event-driven-worker"'
    expect_equal "$subject $2 has this many labels" 2 "$(grep -cF -- "$2." "$looked_at")"
}

# expect_service_account AUTOMOUNT
expect_service_account() {
    expect .automountServiceAccountToken "$1"
    expect_nothing_at .secrets 'it has no token of its own'
}

# expect_deployment CLAIM: what is the same for all claims (requirements 9, 13, 15, 19).
expect_deployment() {
    expect .spec.strategy.type '"RollingUpdate"'
    expect_selector "$1" .spec.selector.matchLabels
    expect_labels "$1" .spec.template
    expect "$pod.serviceAccountName" "\"$1\""
    expect "$pod.securityContext.runAsNonRoot" true
    expect "$pod.securityContext.runAsUser" 1000
    expect "$pod.securityContext.seccompProfile.type" '"RuntimeDefault"'
    expect_names "$pod.containers" service
    # Whoever applies a number of replicas undoes what the autoscaler does.
    expect_equal "$subject .spec.replicas is applied by" nobody "$(appliers_of_replicas)"
}

appliers_of_replicas() {
    awk '
        match($0, /^\.metadata\.managedFields\[[^]]*\]/) {
            entry = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
            if (rest == ".operation \"Apply\"") applies[entry] = 1
            if (rest ~ /^\.manager /) manager[entry] = substr(rest, 10)
            if (rest ~ /^\.fieldsV1\.f:spec\.f:replicas /) owns[entry] = 1
        }
        END {
            for (entry in owns) if (entry in applies) found = found " " manager[entry]
            print found == "" ? "nobody" : substr(found, 2)
        }' "$work/everything"
}

# expect_container CONTAINER IMAGE POLICY: requirements 3 and 19.
expect_container() {
    expect "$1.image" "\"$2\""
    expect "$1.imagePullPolicy" "\"$3\""
    expect "$1.securityContext.allowPrivilegeEscalation" false
    expect_names "$1.securityContext.capabilities.drop" 0
    expect "$1.securityContext.capabilities.drop[0]" '"ALL"'
    expect_nothing_at "$1.securityContext.capabilities.add" 'nothing is given back'
}

# expect_size CONTAINER small|medium|large: requirement 4.
expect_size() {
    case $2 in
        small) expect_resources "$1" 250m 512Mi 1 2Gi ;;
        medium) expect_resources "$1" 500m 1Gi 2 4Gi ;;
        large) expect_resources "$1" 1 2Gi 4 8Gi ;;
        *) abort "no such size: $2" ;;
    esac
}

# expect_resources CONTAINER CPU MEMORY CPU-LIMIT MEMORY-LIMIT
expect_resources() {
    expect "$1.resources.requests.cpu" "\"$2\""
    expect "$1.resources.requests.memory" "\"$3\""
    expect "$1.resources.limits.cpu" "\"$4\""
    expect "$1.resources.limits.memory" "\"$5\""
}

# expect_nats CONTAINER URL STREAM CONSUMER: requirement 5.
expect_nats() {
    expect "$1.env[NATS_URL].value" "\"$2\""
    expect "$1.env[NATS_STREAM_NAME].value" "\"$3\""
    expect "$1.env[NATS_CONSUMER_GROUP].value" "\"$4\""
}

# expect_key CONTAINER VARIABLE SECRET KEY: one variable from one key of a Secret, without which the pod fails (requirement 6).
expect_key() {
    expect "$1.env[$2].valueFrom.secretKeyRef.name" "\"$3\""
    expect "$1.env[$2].valueFrom.secretKeyRef.key" "\"$4\""
    expect_nothing_at "$1.env[$2].valueFrom.secretKeyRef.optional" 'a missing Secret must fail the pod'
}

# expect_whole CONTAINER INDEX SECRET: all keys of a Secret.
expect_whole() {
    expect "$1.envFrom[$2].secretRef.name" "\"$3\""
    expect_nothing_at "$1.envFrom[$2].secretRef.optional" 'a missing Secret must fail the pod'
}

# expect_probes PORT LIVENESS-PATH READINESS-PATH: requirement 11.
expect_probes() {
    expect_names "$main.ports" http
    expect "$main.ports[http].containerPort" "$1"
    expect_probe livenessProbe "$1" "$2" 10 10 5 3
    expect_probe readinessProbe "$1" "$3" 5 5 3 2
}

# expect_probe WHICH PORT PATH DELAY PERIOD TIMEOUT FAILURES
expect_probe() {
    expect "$main.$1.httpGet.port" "$2"
    expect "$main.$1.httpGet.path" "\"$3\""
    expect "$main.$1.initialDelaySeconds" "$4"
    expect "$main.$1.periodSeconds" "$5"
    expect "$main.$1.timeoutSeconds" "$6"
    expect "$main.$1.failureThreshold" "$7"
}

# expect_service CLAIM PORT: requirement 10.
expect_service() {
    expect .spec.type '"ClusterIP"'
    expect_names .spec.ports http
    expect '.spec.ports[http].port' "$2"
    expect '.spec.ports[http].targetPort' "$2"
    expect_selector "$1" .spec.selector
}

# expect_scaler CLAIM ENDPOINT ACCOUNT STREAM CONSUMER THRESHOLD LEAST MOST: requirement 12. KEDA takes only texts in a trigger.
expect_scaler() {
    expect .spec.scaleTargetRef.kind '"Deployment"'
    expect .spec.scaleTargetRef.name "\"$1\""
    expect .spec.minReplicaCount "$7"
    expect .spec.maxReplicaCount "$8"
    expect_names .spec.triggers 0
    expect '.spec.triggers[0].type' '"nats-jetstream"'
    expect '.spec.triggers[0].metadata.natsServerMonitoringEndpoint' "\"$2\""
    expect '.spec.triggers[0].metadata.account' "\"$3\""
    expect '.spec.triggers[0].metadata.stream' "\"$4\""
    expect '.spec.triggers[0].metadata.consumer' "\"$5\""
    expect '.spec.triggers[0].metadata.lagThreshold' "\"$6\""
}

# expect_honest CLAIM: nothing is called ready that is not. Crossplane writes the status; where it is not there, nothing may.
expect_honest() {
    available=$(kubectl get deployment "$1" --namespace "$namespace" --output \
        'jsonpath={.status.conditions[?(@.type=="Available")].status}')
    ready=$(kubectl get "$claims" "$1" --namespace "$namespace" --output \
        'jsonpath={.status.ready},{.status.conditions[?(@.type=="Ready")].status}')
    case $available/$ready in
        True/*) ok "claim $1 may be ready: its Deployment is available" ;;
        */true,* | */*,True) fail "claim $1 says it is ready ($ready), but its Deployment is not available" ;;
        *) ok "claim $1 does not say it is ready while its Deployment is not available" ;;
    esac
}

# waiting CLAIM: why the first container of a claim's pods waits, and the words.
waiting() {
    kubectl get pods --namespace "$namespace" --selector "app.kubernetes.io/name=$1" --output \
        'jsonpath={range .items[*].status.containerStatuses[0].state.waiting}{.reason}: {.message}{"\n"}{end}'
}

waits_because() {
    waiting "$1" | grep -q "^$2"
}

waits_no_more_because() {
    ! waiting "$1" | grep -q "^$2"
}
