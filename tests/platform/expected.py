"""What a claim of the platform API must lead to, said in Python and from the claim alone.

Written from the requirements, without a look at the Composition: sizes, probe times, names and defaults stand here a
second time on purpose. A golden render is right if its manifests equal these.
"""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

NATS_URL = "nats://nats.nats.svc:4222"
MONITORING = "nats-headless.nats.svc.cluster.local:8222"
CREDENTIALS_FOLDER = "/var/run/secrets/nats"
SIZES = {
    "small": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}},
    "medium": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2000m", "memory": "4Gi"}},
    "large": {"requests": {"cpu": "1000m", "memory": "2Gi"}, "limits": {"cpu": "4000m", "memory": "8Gi"}},
}


def manifests(claim: Manifest) -> dict[str, Manifest]:
    """Return the manifests that the claim must lead to, by the name of the composed resource."""
    return {
        "serviceaccount": service_account(claim),
        "deployment": deployment(claim),
        "service": service(claim),
        "scaledobject": scaled_object(claim),
    }


def service_account(claim: Manifest) -> Manifest:
    """Return the ServiceAccount: without a token for pods unless the claim asks for one (requirements 13, 19)."""
    wish = claim["spec"].get("serviceAccount", {})
    metadata = _metadata(claim)
    if "annotations" in wish:
        metadata["annotations"] = wish["annotations"]
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": wish.get("automountToken", False),
    }


def deployment(claim: Manifest) -> Manifest:
    """Return the Deployment, whose number of replicas is left to the autoscaler (requirements 3 to 9, 11, 19)."""
    spec = claim["spec"]
    pod: Manifest = {
        "serviceAccountName": claim["metadata"]["name"],
        "automountServiceAccountToken": spec.get("serviceAccount", {}).get("automountToken", False),
        "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds", 30),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**_container(claim, "service"), **_serving(spec)}],
    }
    if "initContainer" in spec:
        wish = spec["initContainer"]
        given: Manifest = {key: wish[key] for key in ("command", "args") if wish.get(key)}
        pod["initContainers"] = [{**_container(claim, "init"), **given}]
    if "imagePullSecrets" in spec:
        pod["imagePullSecrets"] = spec["imagePullSecrets"]
    credentials = spec["nats"].get("credentialsSecretRef")
    if credentials:
        items = [{"key": credentials.get("key", "nats.creds"), "path": "nats.creds"}]
        secret = {"secretName": credentials["name"], "defaultMode": 0o440, "items": items}
        pod["volumes"] = [{"name": "nats-credentials", "secret": secret}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(claim),
        "spec": {
            "strategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": _selector(claim)},
            "template": {"metadata": {"labels": _labels(claim)}, "spec": pod},
        },
    }


def service(claim: Manifest) -> Manifest:
    """Return the Service, on the port of the container (requirement 10)."""
    port = claim["spec"].get("port", 8080)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(claim),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(claim),
            "ports": [{"name": "http", "protocol": "TCP", "port": port, "targetPort": port}],
        },
    }


def scaled_object(claim: Manifest) -> Manifest:
    """Return the ScaledObject; KEDA takes only text in a trigger's metadata (requirement 12)."""
    nats, scaling = claim["spec"]["nats"], claim["spec"].get("scaling", {})
    name = claim["metadata"]["name"]
    trigger = {
        "natsServerMonitoringEndpoint": nats.get("monitoringEndpoint", MONITORING),
        "account": nats.get("account", "$G"),
        "stream": nats["stream"],
        "consumer": nats["consumer"],
        "lagThreshold": str(scaling.get("lagThreshold", 5)),
    }
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicaCount": scaling.get("minReplicas", 1),
        "maxReplicaCount": scaling.get("maxReplicas", 10),
        "pollingInterval": scaling.get("pollingInterval", 30),
        "cooldownPeriod": scaling.get("cooldownPeriod", 300),
        "triggers": [{"type": "nats-jetstream", "metadata": trigger}],
    }
    if "behavior" in scaling:
        spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": scaling["behavior"]}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {**_metadata(claim), "name": f"{name}-scaler"},
        "spec": spec,
    }


def pull_policy(image: str) -> str:
    """Return `Always` for what moves: the tag `latest`, or neither tag nor digest, which means `latest`."""
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if tag == "latest" or not (at or colon):
        return "Always"
    return "IfNotPresent"


def _container(claim: Manifest, name: str) -> Manifest:
    """Return what the init container has in common with the service."""
    spec = claim["spec"]
    container: Manifest = {
        "name": name,
        "image": spec["image"],
        "imagePullPolicy": pull_policy(spec["image"]),
        "resources": spec.get("resources") or SIZES[spec.get("size", "medium")],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "env": _env(spec),
    }
    whole = [{"secretRef": {"name": entry["name"]}} for entry in spec.get("secretRefs", []) if entry.get("envFrom")]
    if whole:
        container["envFrom"] = whole
    if "credentialsSecretRef" in spec["nats"]:
        mount = {"name": "nats-credentials", "mountPath": CREDENTIALS_FOLDER, "readOnly": True}
        container["volumeMounts"] = [mount]
    return container


def _env(spec: Manifest) -> list[Manifest]:
    """Return the variables in the order in which they may name each other: Secrets, platform, plain values."""
    nats = spec["nats"]
    env: list[Manifest] = []
    for secret in spec.get("secretRefs", []):
        for key in secret.get("env", []):
            source = {"secretKeyRef": {"name": secret["name"], "key": key["secretKey"]}}
            env.append({"name": key["envName"], "valueFrom": source})
    env += [
        {"name": "NATS_URL", "value": nats.get("url", NATS_URL)},
        # A kubelet reads $$ as $, and $(NAME) as a variable; the scaler does not.
        {"name": "NATS_STREAM_NAME", "value": nats["stream"].replace("$", "$$")},
        {"name": "NATS_CONSUMER_GROUP", "value": nats["consumer"].replace("$", "$$")},
    ]
    if "credentialsSecretRef" in nats:
        env.append({"name": "NATS_CREDENTIALS_FILE", "value": f"{CREDENTIALS_FOLDER}/nats.creds"})
    return [*env, *({"name": entry["name"], "value": entry["value"]} for entry in spec.get("env", []))]


def _serving(spec: Manifest) -> Manifest:
    port, paths = spec.get("port", 8080), spec.get("probes", {})
    liveness, readiness = paths.get("livenessPath", "/health"), paths.get("readinessPath", "/ready")
    given: Manifest = {key: spec[key] for key in ("command", "args") if key in spec}
    return {
        **given,
        "ports": [{"name": "http", "protocol": "TCP", "containerPort": port}],
        "livenessProbe": {
            "httpGet": {"scheme": "HTTP", "path": liveness, "port": port},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "readinessProbe": {
            "httpGet": {"scheme": "HTTP", "path": readiness, "port": port},
            "initialDelaySeconds": 5,
            "periodSeconds": 5,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
    }


def _selector(claim: Manifest) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": claim["metadata"]["name"],
        "app.kubernetes.io/component": "event-driven-worker",
    }


def _labels(claim: Manifest) -> dict[str, str]:
    return {**_selector(claim), "app.kubernetes.io/managed-by": "crossplane"}


def _metadata(claim: Manifest) -> Manifest:
    metadata = claim["metadata"]
    return {"name": metadata["name"], "namespace": metadata["namespace"], "labels": _labels(claim)}
