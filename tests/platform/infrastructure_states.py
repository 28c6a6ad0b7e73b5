"""Write the cases of InfrastructureClaim that are about its status: a render, seen as a cluster would answer it.

What is observed must hold what was composed, so these cases follow every change of the Composition. Run as
``python -m tests.platform.infrastructure_states`` where Crossplane is on PATH, then render.sh; the messages that the
cases lead to are stated by hand in test_infrastructure_claim.py.
"""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any

import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.platform.renderer import MissingRendererError, Renderer
from tools.platform_api.apis import api

if TYPE_CHECKING:
    from collections.abc import Callable

Observed = dict[str, dict[str, Any]]

LAYOUT = Layout(api("infrastructureclaims"))
TOKEN = "run-7"
EARLIER = "run-6"
MARK = "platform.io/generation"
TYPES = ("postgresql", "mongodb", "redis", "kafka", "clickhouse")
IMAGE = "ghcr.io/cloudnative-pg/postgresql"


def claim(kind: str, **spec: object) -> dict[str, Any]:
    """Return a claim as a run applies it."""
    name = f"shop-{kind}-0a1b2c3d"
    return {
        "apiVersion": "platform.io/v1alpha1",
        "kind": "InfrastructureClaim",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "infrastructureType": kind,
            "generation": TOKEN,
            "connectionSecretRef": {"name": f"{name}-connection"},
            **spec,
        },
    }


def condition(kind: str, status: str = "True", reason: str = "Available", message: str = "") -> dict[str, str]:
    """Return a condition of a fixed time."""
    found = {"type": kind, "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {**found, "message": message} if message else found


def working(renderer: Renderer, wanted: dict[str, Any]) -> Observed:
    """Return what a cluster answers when everything that a claim leads to is there and works."""
    kind, replicas = wanted["spec"]["infrastructureType"], wanted["spec"].get("replicas", 1)
    found: Observed = {}
    for resource, made in goldens.composed(renderer.compose(wanted)).items():
        status: dict[str, Any] = {"conditions": [condition("Synced", reason="ReconcileSuccess"), condition("Ready")]}
        if made["kind"] == "Release":
            status["atProvider"] = {"state": "deployed", "revision": 1, "releaseDescription": "Install complete"}
        else:
            status["atProvider"] = {
                "manifest": _answer(kind, resource, made["spec"]["forProvider"]["manifest"], replicas)
            }
        metadata = {
            "name": f"{wanted['metadata']['name']}-7xk2p-{resource}",
            "annotations": dict(made["metadata"]["annotations"]),
        }
        found[resource] = {
            "apiVersion": made["apiVersion"],
            "kind": made["kind"],
            "metadata": metadata,
            "spec": made["spec"],
            "status": status,
        }
    return found


def _answer(kind: str, resource: str, manifest: dict[str, Any], replicas: int) -> dict[str, Any]:
    """Return an object as its operator leaves it."""
    answer = copy.deepcopy(manifest)
    answer["metadata"]["generation"] = 2
    match resource:
        case "server":
            answer["status"] = _server_status(kind, replicas)
            if kind == "clickhouse":
                template = {"name": f"{answer['metadata']['name']}-service", "metadata": {"annotations": {MARK: TOKEN}}}
                answer["spec"] = {"templates": {"serviceTemplates": [template]}}
            else:
                answer["metadata"].setdefault("annotations", {})[MARK] = TOKEN
            if kind == "postgresql":
                answer["spec"] = {"instances": replicas, "imageName": f"{IMAGE}:17"}
        case "connection":
            done = condition("Ready", reason="SecretSynced", message="secret synced")
            answer["status"] = {"conditions": [done], "binding": {"name": answer["metadata"]["name"]}}
        case "pods":
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
            answer["status"] = {"observedGeneration": 2, **counts}
        case "broker" | "controller":
            answer["status"] = {"observedGeneration": 2}
    return answer


def _server_status(kind: str, replicas: int) -> dict[str, Any]:
    counts = {"instances": replicas, "readyInstances": replicas, "image": f"{IMAGE}:17"}
    ready = condition("Ready", reason="ClusterIsReady", message="Cluster is Ready")
    found: dict[str, dict[str, Any]] = {
        "postgresql": {"phase": "Cluster in healthy state", **counts, "conditions": [ready]},
        "mongodb": {"state": "ready", "observedGeneration": 2, "size": replicas, "ready": replicas},
        "redis": {"masterNode": "shop-redis-0a1b2c3d-0"},
        "kafka": {
            "observedGeneration": 2,
            "kafkaVersion": "4.3.1",
            "conditions": [condition("Ready", reason="Ready")],
        },
        "clickhouse": {"status": "Completed", "hosts": replicas},
    }
    return found[kind]


def _real(observed: Observed, resource: str) -> dict[str, Any]:
    found: dict[str, Any] = observed[resource]["status"]["atProvider"]["manifest"]
    return found


def _creating(observed: Observed) -> None:
    release, server = observed["release"]["status"], observed["server"]
    release["atProvider"].update(state="pending-install", releaseDescription="Initial install underway")
    release["conditions"][1] = condition("Ready", "False", "Creating")
    missing = condition("Synced", "False", "ReconcileError", "observe failed: cannot get object")
    server["status"] = {"conditions": [missing, condition("Ready", "False", "Creating")]}


def _release_failed(observed: Observed) -> None:
    release = observed["release"]["status"]
    words = 'Release "shop-postgresql-0a1b2c3d" failed: exceeded quota'
    release["atProvider"].update(state="failed", releaseDescription=words)
    release["conditions"][1] = condition("Ready", "False", "Unavailable")


def _old_generation(observed: Observed) -> None:
    _real(observed, "server")["metadata"]["annotations"][MARK] = EARLIER


def _old_values(observed: Observed) -> None:
    _old_generation(observed)
    release = copy.deepcopy(observed["release"]["spec"])
    release["forProvider"]["values"]["cluster"]["annotations"][MARK] = EARLIER
    observed["release"]["spec"] = release


def _no_secret(observed: Observed) -> None:
    failed = condition("Ready", "False", "SecretSyncedError", "could not get secret data from provider")
    _real(observed, "connection")["status"] = {"conditions": [failed]}


def _forbidden(observed: Observed) -> None:
    forbidden = condition("Synced", "False", "ReconcileError", "cannot apply object: services is forbidden")
    observed["exporter"]["status"] = {"conditions": [forbidden]}


def _server(**changes: object) -> Callable[[Observed], None]:
    return lambda observed: _real(observed, "server")["status"].update(changes)


def _pods(**changes: object) -> Callable[[Observed], None]:
    return lambda observed: _real(observed, "pods")["status"].update(changes)


def _changed_again(observed: Observed) -> None:
    _real(observed, "server")["metadata"]["generation"] = 3


#: Name of the case: why it is there, the claim, and what differs from a cluster where everything works.
STATES: dict[str, tuple[str, dict[str, Any], Callable[[Observed], None]]] = {
    "status-creating": ("The chart is being installed: its object is not there yet.", claim("postgresql"), _creating),
    "status-release-failed": ("Helm failed; its words are in the message.", claim("postgresql"), _release_failed),
    "status-old-generation": (
        "The server works, but still as an earlier claim wanted it: that Ready does not count.",
        claim("postgresql"),
        _old_generation,
    ),
    "status-release-of-old-values": (
        "The release is deployed, but with the values of an earlier claim.",
        claim("postgresql"),
        _old_values,
    ),
    "status-no-secret": (
        "The server works, but nobody can connect: there is no connection Secret.",
        claim("postgresql"),
        _no_secret,
    ),
    "status-instance-missing": (
        "One of three instances is missing.",
        claim("postgresql", replicas=3),
        _server(readyInstances=2),
    ),
    "status-old-image": (
        "It works, but still with the version before.",
        claim("postgresql"),
        _server(image=f"{IMAGE}:16"),
    ),
    "status-operator-behind": (
        "The object is changed, but its operator speaks of the generation before.",
        claim("kafka"),
        _changed_again,
    ),
    "status-server-error": (
        "The operator says what is wrong.",
        claim("mongodb"),
        _server(state="error", message="create pbm object: no such host"),
    ),
    "status-in-progress": ("The operator is still at work.", claim("clickhouse"), _server(status="InProgress")),
    "status-refused-by-the-cluster": ("The provider may not make one of the objects.", claim("redis"), _forbidden),
    "status-no-pods": (
        "The operator still names a master, but none of the pods is ready.",
        claim("redis", replicas=3),
        _pods(readyReplicas=0),
    ),
    "status-pods-being-replaced": (
        "All pods are ready, but two are still as an earlier claim wanted them.",
        claim("redis", replicas=3),
        _pods(updatedReplicas=1),
    ),
}


def _write(name: str, why: str, wanted: dict[str, Any], observed: Observed) -> None:
    text = yaml.safe_dump_all([wanted, *observed.values()], sort_keys=False, width=110)
    LAYOUT.case(name).write_text(f"# {why}\n{text}", encoding="utf-8")


def main() -> int:
    """Write the cases; return 2 where nothing can be rendered."""
    try:
        renderer = Renderer(LAYOUT)
    except MissingRendererError as error:
        print(f"cannot render: {error}", file=sys.stderr)
        return 2
    with renderer:
        for kind in TYPES:
            why = "Everything is there, as this generation of the claim wants it."
            _write(f"status-{kind}-ready", why, claim(kind), working(renderer, claim(kind)))
        for name, (why, wanted, change) in STATES.items():
            observed = working(renderer, wanted)
            change(observed)
            _write(name, why, wanted, observed)
        running = working(renderer, claim("redis"))
        # The same object with another type: what Crossplane has for it stays what it was.
        other = claim("redis")
        other["spec"]["infrastructureType"] = "postgresql"
        asks = "A running Redis is asked to become PostgreSQL: refused, and it stays as it is."
        _write("refused-change-of-type", asks, other, running)
        asks = "A running Redis is asked for a version that is not offered: refused, and it stays as it is."
        _write("refused-change-of-version", asks, claim("redis", version="9", size="large"), running)
    return 0


if __name__ == "__main__":
    sys.exit(main())
