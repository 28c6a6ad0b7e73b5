"""Where crash tests run: always on the embedded API, in ``make test-cluster`` also on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.crash.arena import Arena

OpenArena = Callable[..., AbstractAsyncContextManager[Arena]]


@pytest.fixture(scope="module", params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
def server(request: pytest.FixtureRequest) -> str:
    """Which API server the test runs on."""
    return str(request.param)


@pytest.fixture
def open_arena(server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> OpenArena:
    """Return a function that opens arenas on the chosen API server."""

    @asynccontextmanager
    async def open_(**options: Any) -> AsyncIterator[Arena]:
        if server == "real":
            options["kubeconfig"] = request.getfixturevalue("control_plane").kubeconfig()
        async with Arena(tmp_path_factory.mktemp("arena"), **options) as arena:
            yield arena

    return open_
