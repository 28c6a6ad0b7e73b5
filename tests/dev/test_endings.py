"""What `dev` and `demo` start can neither keep them from coming up nor from ending."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from worker.dev.argo import ArgoController
from worker.dev.argo.client import ApiClient
from worker.dev.argo.informer import Informer, NotListedError
from worker.dev.endings import end_tasks
from worker.dev.environment import KubernetesUnusable, environment

if TYPE_CHECKING:
    from pathlib import Path

    from worker.dev.kubernetes import KubernetesApi

CLAIMS = "/apis/platform.io/v1alpha1/infrastructureclaims"


async def deaf(times: int) -> None:
    """Wait for ever, and lose that many cancellations."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def test_a_task_that_loses_a_cancellation_is_ended_by_the_next() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in range(3)]
    await asyncio.sleep(0)
    await end_tasks(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_does_not_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(deaf(8), name="stubborn")
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING):
        await end_tasks([task], patience=0.2)
    assert "stubborn did not end within 0.2 s" in caplog.text
    await end_tasks([task])
    assert task.done()


def informer(client: ApiClient, path: str) -> Informer:
    return Informer(client, path, replace=lambda _: None, put=lambda _: None, remove=lambda _: None)


async def test_a_collection_that_is_not_served_is_told(kubernetes: KubernetesApi) -> None:
    async with ApiClient(kubernetes.url, kubernetes.token) as client:
        with pytest.raises(NotListedError, match=rf"did not list {CLAIMS} within 0.3 s: 404: "):
            await informer(client, CLAIMS).start(patience=0.3)


async def test_a_controller_that_may_not_list_leaves_nothing_behind(kubernetes: KubernetesApi) -> None:
    controller = ArgoController(ApiClient(kubernetes.url, "nobody's token"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await controller.__aenter__()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("informer")] == []


async def test_an_informer_goes_on_after_what_it_cannot_take(kubernetes: KubernetesApi) -> None:
    tries: list[int] = []

    def take(listed: list[dict[str, Any]]) -> None:
        tries.append(len(listed))
        if len(tries) == 1:
            raise KeyError("status")

    path = "/api/v1/namespaces/default/secrets"
    async with ApiClient(kubernetes.url, kubernetes.token) as client:
        watching = Informer(client, path, replace=take, put=lambda _: None, remove=lambda _: None)
        await end_tasks([await watching.start()])
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [("a: [", "while parsing"), ("x: 1", "current context"), ("", "current context")],
)
async def test_a_kubeconfig_that_leads_nowhere_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(KubernetesUnusable, match=why) as caught:
        async with environment(kubeconfig=file, simulate=True):
            raise AssertionError("it came up")
    assert "\n" not in str(caught.value)
