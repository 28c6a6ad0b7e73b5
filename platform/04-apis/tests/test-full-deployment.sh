#!/bin/sh
# A claim that says everything leads to what it says: size, Secrets by key and as a whole, init container, pull secrets, scaling.
# And a Secret that is missing keeps the pod from starting, says so, and starts it once it is there.
#
#   test-full-deployment.sh             the current cluster, in a namespace of its own
#   test-full-deployment.sh --local     a cluster made for the test
#
# Applies examples/full-claim.yaml, waits for the four objects (TIMEOUT, 120 s), looks at each; then tests/cases/secret-keys.yaml
# without its Secrets, looks at its pod, makes the Secrets, looks again; and takes all away.
# Needs kubectl, what scripts/check-prerequisites.sh checks, this API in the cluster, rights to make namespaces, claims and
# Secrets, and an image that nodes can pull, for the pod (TEST_IMAGE, registry.k8s.io/pause:3.10; what it does is all the same).
# --local needs the development environment and built tools (make tools).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/expectations.sh
. "$here/expectations.sh"

image=registry.acme.example:5000/shop/billing:v2.3.1@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b

# expect_variables CONTAINER: NATS, single keys of two Secrets, a whole one, plain values.
expect_variables() {
    # Single keys come first, because what follows may name them.
    expect_names "$1.env" "POSTGRES_HOST POSTGRES_PORT POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD DRAGONFLY_HOST \
DRAGONFLY_PASSWORD NATS_URL NATS_STREAM_NAME NATS_CONSUMER_GROUP NATS_CREDENTIALS_FILE LOG_LEVEL OTEL_SERVICE_NAME"
    expect_nats "$1" tls://nats-0.nats.svc:4222,tls://nats-1.nats.svc:4222 BILLING billing-workers
    expect "$1.env[NATS_CREDENTIALS_FILE].value" '"/var/run/secrets/nats/nats.creds"'
    expect_key "$1" POSTGRES_HOST billing-db endpoint
    expect_key "$1" POSTGRES_PORT billing-db port
    expect_key "$1" POSTGRES_DB billing-db database
    expect_key "$1" POSTGRES_USER billing-db username
    expect_key "$1" POSTGRES_PASSWORD billing-db password
    expect_key "$1" DRAGONFLY_HOST billing-cache endpoint
    expect_key "$1" DRAGONFLY_PASSWORD billing-cache password
    expect "$1.env[LOG_LEVEL].value" '"info"'
    expect "$1.env[OTEL_SERVICE_NAME].value" '"billing"'
    expect_names "$1.envFrom" 0
    expect_whole "$1" 0 billing-llm-keys
    expect "$1.volumeMounts[nats-credentials].mountPath" '"/var/run/secrets/nats"'
    expect "$1.volumeMounts[nats-credentials].readOnly" true
}

check_full_claim() {
    step 'the full claim'
    apply_claim "$examples/full-claim.yaml"
    wait_for_composed billing

    step 'ServiceAccount'
    snapshot serviceaccount billing
    expect_labels billing
    expect_service_account false
    expect .metadata.annotations.iam.acme.example/role '"billing"'

    step 'Deployment'
    snapshot deployment billing
    expect_labels billing
    expect_deployment billing
    expect_container "$main" "$image" IfNotPresent
    expect_size "$main" medium
    expect "$main.command[0]" '"/app/billing"'
    expect_names "$main.args" '0 1'
    expect "$main.args[0]" '"--mode"'
    expect "$main.args[1]" '"worker"'
    expect_variables "$main"
    expect_probes 9090 /livez /readyz
    expect "$pod.terminationGracePeriodSeconds" 120
    expect "$pod.automountServiceAccountToken" false
    expect_names "$pod.imagePullSecrets" acme-registry
    expect_names "$pod.volumes" nats-credentials
    expect "$pod.volumes[nats-credentials].secret.secretName" '"billing-nats"'
    expect "$pod.volumes[nats-credentials].secret.items[0].key" '"billing.creds"'
    expect "$pod.volumes[nats-credentials].secret.items[0].path" '"nats.creds"'
    expect_nothing_at "$pod.volumes[nats-credentials].secret.optional" 'a missing Secret must fail the pod'

    step 'init container'
    expect_names "$pod.initContainers" init
    expect_container "$init" "$image" IfNotPresent
    expect_size "$init" medium
    expect_names "$init.command" '0 1'
    expect "$init.command[0]" '"/bin/sh"'
    expect "$init.command[1]" '"-c"'
    expect_names "$init.args" 0
    expect "$init.args[0]" '"cd /app && ./migrate up"'
    expect_variables "$init"

    step 'Service'
    snapshot service billing
    expect_labels billing
    expect_service billing 9090

    step 'ScaledObject'
    snapshot scaledobject billing-scaler
    expect_labels billing
    expect_scaler billing nats-headless.nats.svc.cluster.local:8222 SHOP BILLING billing-workers 50 2 20
    expect .spec.pollingInterval 15
    expect .spec.cooldownPeriod 600
    behavior=.spec.advanced.horizontalPodAutoscalerConfig.behavior
    expect "$behavior.scaleUp.stabilizationWindowSeconds" 0
    expect_names "$behavior.scaleUp.policies" '0 1'
    expect "$behavior.scaleDown.selectPolicy" '"Min"'
    expect "$behavior.scaleDown.policies[0].value" 50
    expect_honest billing
}

check_missing_secret() {
    step 'a claim whose Secrets are missing'
    # The local lane composes cases as they are, and pulls nothing.
    patch='{}'
    is_local || patch="{\"spec\":{\"image\":\"${TEST_IMAGE:-registry.k8s.io/pause:3.10}\"}}"
    apply_claim "$here/cases/secret-keys.yaml" "$patch"
    wait_for_composed orders
    wait_until "$patience" 'its pod waits with CreateContainerConfigError' waits_because orders CreateContainerConfigError
    case $(waiting orders) in
        *db.main* | *cache*) ok "the pod names the Secret: $(waiting orders | head -n 1)" ;;
        *) fail "the pod does not name the Secret: $(waiting orders)" ;;
    esac
    expect_honest orders

    step 'the Secrets come later'
    secret db.main tls.crt=test password=test
    secret cache password=test
    wait_until "$patience" 'its pod waits for no Secret any more' waits_no_more_because orders CreateContainerConfigError
}

begin controllers "$@"
make_namespace full
check_full_claim
check_missing_secret
finish
