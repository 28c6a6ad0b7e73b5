"""AdmissionReviews through the real stream and worker: hints that make it look at the Application itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.crash.arena import Arena
from tests.crash.conftest import OpenArena

NAMESPACE, NAME = "default", "reviewed"
SUBJECT = f"platform.oam.{NAMESPACE}.{NAME}"
COLLECTION = f"/apis/core.oam.dev/v1beta1/namespaces/{NAMESPACE}/applications"
KIND = {"group": "core.oam.dev", "version": "v1beta1", "kind": "Application"}

#: What a worker needs at least: its Workflows, and nothing of Applications.
WORKER_RULES = [
    {
        "apiGroups": ["argoproj.io"],
        "resources": ["workflows"],
        "verbs": ["create", "get", "list", "watch", "patch"],
    }
]


def application(size: str) -> dict[str, Any]:
    """Return the Application as its author wrote it."""
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "annotations": {"platform.io/deletion-policy": "delete"},
        },
        "spec": {"components": [{"name": "db", "type": "postgresql", "properties": {"size": size}}]},
    }


async def review(arena: Arena, operation: str, rank: int, **request: Any) -> None:
    """Publish a review and wait until the worker is done with everything."""
    body = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"review-{rank}",
            "kind": KIND,
            "operation": operation,
            "namespace": NAMESPACE,
            "name": NAME,
            **request,
        },
    }
    plain = {"Content-Type": "application/json"}
    raw = json.dumps(body).encode()
    await arena.publish_raw(SUBJECT, raw, event_id="", app=f"{NAMESPACE}/{NAME}", headers=plain, rank=rank)
    await arena.at_rest(within=180)


async def told(arena: Arena) -> list[str]:
    """Return the disposition of each review in the order of publication."""
    history = await arena.collect()
    return ["/".join(sorted(kinds)) for _, kinds in sorted(history.dispositions().items())]


async def test_what_is_read_counts_and_not_what_the_review_says(open_arena: OpenArena) -> None:
    async with open_arena() as arena:
        await arena.worker()
        created = await arena.kube.call("POST", COLLECTION, application("large"))
        try:
            # A review of a creation has neither uid nor generation, and may say what admission changed afterwards.
            await review(arena, "CREATE", 1, object=application("small"), oldObject=None, dryRun=False)
            record = (await arena.records())[f"{NAMESPACE}/{NAME}"]
            assert record.order is not None
            assert record.order.uid == created["metadata"]["uid"]
            assert arena.runner.executed[-1].value == "large"

            await review(arena, "CREATE", 2, object=application("medium"), oldObject=None, dryRun=True)
            await review(arena, "UPDATE", 3, object=created, oldObject=created, dryRun=False)
            assert await told(arena) == ["accepted", "unchanged", "unchanged"]
        finally:
            await arena.kube.call("DELETE", f"{COLLECTION}/{NAME}")
        await review(arena, "DELETE", 4, object=None, oldObject=created, dryRun=False)
        assert (await told(arena))[-1] == "accepted"
        assert arena.runner.executed[-1].entry == "teardown"
        await review(arena, "CREATE", 5, object=application("small"), oldObject=None, dryRun=False)
        assert (await told(arena))[-1] == "unchanged"


async def test_without_access_to_applications_the_way_out_is_told(
    open_arena: OpenArena, server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    async with open_arena() as arena:
        kubeconfig = arena.kubeconfig
        if server == "embedded":
            match = {"verb": "get", "resource": "applications.core.oam.dev"}
            arena.api.faults.inject(match=match, times=None, refuse="rbac")
        else:
            plane = request.getfixturevalue("control_plane")
            token = plane.service_account(arena.namespace, WORKER_RULES)
            kubeconfig = plane.kubeconfig("reviews", token)
        await arena.worker(KUBECONFIG=str(kubeconfig))
        await review(arena, "CREATE", 1, object=application("small"), oldObject=None, dryRun=False)
        history = await arena.collect()
        assert await told(arena) == ["rejected"]
        [letter] = history.dead
        assert "may not read the Application" in letter.reason
        assert json.loads(letter.body)["request"]["uid"] == "review-1"
