"""The API server carries a request out and its answer is lost, a thousand times: nothing is made or started twice."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import SIZES, changed
from tests.support.proxy import LosingProxy

LOSSES = 1000
WORKERS = 2
APPLICATIONS = 180
#: Of each application; the newest wins, the others are stopped or never run.
GENERATIONS = 2
#: Each event then loses about four.
_LOSS = 0.68
_SEED = int(os.environ.get("CRASH_SEED", "20260101"))


async def test_a_thousand_lost_answers(
    open_arena: OpenArena, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of most POST and PATCH the workers never learn that they were carried out."""
    async with (
        open_arena() as arena,
        LosingProxy.before(arena.kubeconfig, loss=_LOSS, most=LOSSES, seed=_SEED) as proxy,
    ):
        through_proxy = proxy.kubeconfig(arena.kubeconfig, tmp_path / "kubeconfig-proxy")
        for _ in range(WORKERS):
            await arena.worker("--impatient", KUBECONFIG=str(through_proxy))
        for generation in range(1, GENERATIONS + 1):
            wish = (("db", SIZES[generation % 3]),)
            await asyncio.gather(
                *(
                    arena.publish(changed(f"shop-{number}", generation), rank=generation, wish=wish)
                    for number in range(APPLICATIONS)
                )
            )
        await arena.at_rest(within=240)
        history = await arena.collect()
        problems = check(history)
        assert not problems, "\n".join([*problems, await arena.describe()])
    assert proxy.lost.total() == LOSSES, f"only {proxy.lost} were lost: publish more"
    assert min(proxy.lost["POST"], proxy.lost["PATCH"]) > LOSSES // 10
    with capsys.disabled():
        print(f"  seed {_SEED}, lost {dict(proxy.lost)}: {history.summary()}")
