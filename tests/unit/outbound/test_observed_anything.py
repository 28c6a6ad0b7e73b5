"""Whatever stands where a Workflow should be: looking at it neither fails nor costs the memory of a bomb."""

from __future__ import annotations

import base64
import gzip
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.observed import ObservedRun
from worker.outbound.observed_workflow import observed_run

KEYS = [
    "metadata",
    "spec",
    "status",
    "nodes",
    "labels",
    "annotations",
    "outputs",
    "parameters",
    "name",
    "value",
    "displayName",
    "boundaryID",
    "phase",
    "finishedAt",
    "creationTimestamp",
    "compressedNodes",
    "other",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON))
def test_whatever_it_holds_it_is_read(found: dict[str, Any]) -> None:
    assert isinstance(observed_run(found), ObservedRun)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(gzip.compress(b'{"a":"' + b"x" * 160 * 1024 * 1024 + b'"}')).decode()
    tracemalloc.start()
    try:
        assert observed_run({"status": {"compressedNodes": bomb}}).nodes == {}
        assert tracemalloc.get_traced_memory()[1] < 128 * 1024 * 1024
    finally:
        tracemalloc.stop()
