"""The soak with fixed seeds, and proof that it can fail."""

from __future__ import annotations

import os

import pytest

from tests.crash.conftest import OpenArena
from tests.crash.soak import Plan, Soak

# The NATS client leaves connections open that were made and then not answered.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")

_SEED = int(os.environ.get("CRASH_SEED", "20260101"))
#: Seconds of trouble: on the embedded API once, on the real one with several seeds.
CASES = [
    pytest.param("embedded", _SEED, 20.0, id="embedded"),
    *(pytest.param("real", _SEED + more, 20.0, id=f"real-{more}", marks=pytest.mark.cluster) for more in range(3)),
]
#: Planted faults that random trouble finds within seconds, whatever the seed; all of them have a test of their own.
FOUND_BY_CHANCE = {"ack-first": "was lost", "random-name": "Workflows"}


@pytest.mark.parametrize(("server", "seed", "seconds"), CASES, indirect=["server"])
async def test_all_faults_at_random(
    open_arena: OpenArena,
    server: str,
    seed: int,
    seconds: float,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plane = request.getfixturevalue("control_plane") if server == "real" else None
    async with open_arena() as arena:
        verdict = await Soak(arena, Plan(seed, seconds), plane).play()
        assert not verdict.problems, "\n".join([verdict.story, *verdict.problems, await arena.describe()])
    with capsys.disabled():
        print(f"  {verdict.story}")


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
@pytest.mark.parametrize("mutant", FOUND_BY_CHANCE)
async def test_a_planted_fault_is_found(open_arena: OpenArena, mutant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same trouble with a broken worker is not clean."""
    async with open_arena() as arena:
        verdict = await Soak(arena, Plan(_SEED, 8.0, mutant=mutant, patience=20.0)).play()
    expected = FOUND_BY_CHANCE[mutant]
    assert any(expected in problem for problem in verdict.problems), f"{mutant} was not found in {verdict.story}"
    with capsys.disabled():
        print(f"  {mutant}: {len(verdict.problems)} violations")
