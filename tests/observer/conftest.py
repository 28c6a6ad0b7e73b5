"""A fresh platform for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.observer.platform import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.nats import NatsServer


@pytest.fixture
async def platform(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Platform]:
    async with Platform(nats_server, tmp_path) as made:
        yield made
