"""Fixtures that every suite may use; each lives in `tests/support`, next to the server that it starts."""

pytest_plugins = ["tests.support.control_plane", "tests.support.nats", "tests.support.nats_cluster"]
