#!/bin/sh
# The least claim leads to a ServiceAccount, a Deployment, a Service and a ScaledObject with all defaults of the platform.
#
#   test-minimal-deployment.sh             the current cluster, in a namespace of its own
#   test-minimal-deployment.sh --local     a cluster made for the test
#
# Applies examples/minimal-claim.yaml, waits for the four objects (TIMEOUT, 120 s), looks at each, and takes all away again. The
# image need not exist: what the pods do is not looked at.
# Needs kubectl, what scripts/check-prerequisites.sh checks, this API in the cluster, and rights to make namespaces and claims.
# --local needs the development environment and built tools (make tools).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=platform/04-apis/tests/expectations.sh
. "$here/expectations.sh"

begin '' "$@"
step 'the minimal claim'
make_namespace minimal
apply_claim "$examples/minimal-claim.yaml"
wait_for_composed orders

step 'ServiceAccount'
snapshot serviceaccount orders
expect_labels orders
expect_service_account false

step 'Deployment'
snapshot deployment orders
expect_labels orders
expect_deployment orders
expect_container "$main" ghcr.io/acme/orders:v1.0.0 IfNotPresent
expect_size "$main" medium
expect_names "$main.env" 'NATS_URL NATS_STREAM_NAME NATS_CONSUMER_GROUP'
expect_nats "$main" nats://nats.nats.svc:4222 ORDERS orders-workers
expect_probes 8080 /health /ready
expect "$pod.automountServiceAccountToken" false
expect_nothing_at "$main.envFrom" 'the claim names no Secrets'
expect_nothing_at "$main.command" "the image's own program runs"
expect_nothing_at "$pod.initContainers" 'the claim asks for none'
expect_nothing_at "$pod.imagePullSecrets" "those of the ServiceAccount count"
expect_nothing_at "$pod.volumes" 'there are no credentials to mount'

step 'Service'
snapshot service orders
expect_labels orders
expect_service orders 8080

step 'ScaledObject'
snapshot scaledobject orders-scaler
expect_labels orders
# shellcheck disable=SC2016 # the name of the account of servers that configure none
expect_scaler orders nats-headless.nats.svc.cluster.local:8222 '$G' ORDERS orders-workers 5 1 10

step 'readiness'
expect_honest orders
finish
