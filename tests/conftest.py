"""Fixtures that every suite may use; each lives in `tests/support`, next to the server that it starts."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from types import FrameType

pytest_plugins = [
    "tests.platform.counts",
    "tests.support.control_plane",
    "tests.support.nats",
    "tests.support.nats_cluster",
]

# How long an example takes says more about the other suites that run beside it than about the code. Two runs of the
# same code try the same examples, so that a failure is no bad luck; PLATFORM_TEST_PROFILE=thorough looks for new ones.
settings.register_profile(
    "beside-others",
    deadline=None,
    derandomize=os.environ.get("PLATFORM_TEST_PROFILE") != "thorough",
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("beside-others")


def pytest_configure() -> None:
    """Let SIGTERM (a CI time-out) end the run as Ctrl-C does: fixtures are torn down, no server is left behind."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
