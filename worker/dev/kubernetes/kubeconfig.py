"""A kubeconfig for the embedded API, so that every Kubernetes client finds it in the usual way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.dev.kubernetes.objects import encode

if TYPE_CHECKING:
    from pathlib import Path

    from worker.dev.kubernetes.objects import JsonObject


def kubeconfig(url: str, token: str, namespace: str = "default") -> JsonObject:
    """Return a kubeconfig (valid as JSON and as YAML) with one cluster, user and context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "embedded",
        "clusters": [{"name": "embedded", "cluster": {"server": url}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "admin", "namespace": namespace}}],
    }


def write(path: Path, config: JsonObject) -> None:
    """Write a kubeconfig that only its owner can read: it holds a token."""
    path.touch(mode=0o600)
    path.write_bytes(encode(config))
