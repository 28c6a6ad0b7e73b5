"""The breaker on a clock of its own: when it opens, who may ask, how long it waits."""

from __future__ import annotations

import asyncio

import pytest

from worker.errors import Deferred, Misconfigured, Rejected, Unavailable
from worker.outbound.breaker import Breaker, Breakers, BreakerState, guarded


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A breaker with a clock, without chance, and with a list of its changes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.changes: list[BreakerState] = []
        self.breaker = Breaker(
            "kubernetes", clock=self.clock, dice=lambda: 0.5, on_change=lambda _, state: self.changes.append(state)
        )

    async def fail(self, error: Exception | None = None) -> None:
        with pytest.raises(Unavailable), self.breaker.call():
            raise error or Unavailable("kubernetes", "gone")

    async def succeed(self) -> None:
        with self.breaker.call():
            pass


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_it_is_closed_and_lets_everything_through(bench: Bench) -> None:
    await bench.succeed()
    await asyncio.wait_for(bench.breaker.wait(), 1)
    assert bench.breaker.state is BreakerState.CLOSED
    assert bench.breaker.admits
    assert bench.changes == []


async def test_one_failure_opens_it_and_calls_are_refused_without_being_made(bench: Bench) -> None:
    await bench.fail()

    assert bench.breaker.state is BreakerState.OPEN
    assert not bench.breaker.admits
    with pytest.raises(Unavailable, match="gone") as caught, bench.breaker.call():
        pytest.fail("a call was made")
    assert caught.value.retry_after == 0.5


async def test_delays_grow_to_half_a_minute_and_start_anew_after_a_good_time(bench: Bench) -> None:
    delays = []
    for _ in range(9):
        await bench.fail()
        delays.append(bench.breaker._retry_at - bench.clock.now)
        bench.clock.now = bench.breaker._retry_at
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    await bench.succeed()
    bench.clock.now += 61
    await bench.fail()
    assert bench.breaker._retry_at - bench.clock.now == 0.5


async def test_failing_again_at_once_is_a_relapse(bench: Bench) -> None:
    """Reads close it, the next write fails: the delays must grow all the same."""
    delays = []
    for _ in range(5):
        await bench.fail()
        delays.append(bench.breaker._retry_at - bench.clock.now)
        bench.clock.now = bench.breaker._retry_at
        await bench.succeed()
    assert delays == [0.5, 1, 2, 4, 8]


async def test_chance_spreads_the_delays() -> None:
    for dice, delay in ((0.0, 0.4), (1.0, 0.6)):
        breaker = Breaker("nats", clock=lambda: 0.0, dice=lambda dice=dice: dice)  # type: ignore[misc]
        with pytest.raises(Unavailable), breaker.call():
            raise Unavailable("nats", "gone")
        assert breaker._retry_at == pytest.approx(delay)


async def test_what_the_server_asked_for_is_honoured(bench: Bench) -> None:
    await bench.fail(Unavailable("kubernetes", "slow down", retry_after=7))
    states = []
    for seconds in (6.9, 0.2):
        bench.clock.now += seconds
        states.append(bench.breaker.state)
    assert states == [BreakerState.OPEN, BreakerState.HALF_OPEN]


async def test_one_outage_is_counted_once_however_many_calls_it_hits(bench: Bench) -> None:
    async def slow(go: asyncio.Event) -> None:
        with bench.breaker.call():
            await go.wait()
            raise Unavailable("kubernetes", "gone", retry_after=3)

    go = asyncio.Event()
    calls = [asyncio.create_task(slow(go)) for _ in range(32)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(result, Unavailable) for result in results)
    assert bench.changes == [BreakerState.OPEN]
    assert bench.breaker._failures == 1
    assert bench.breaker._retry_at == bench.clock.now + 3


async def test_one_waiter_asks_and_the_others_follow_its_success(bench: Bench) -> None:
    bench.breaker = Breaker("kubernetes", dice=lambda: 0.0)
    await bench.fail()
    let_through: list[int] = []

    async def waiter(number: int) -> None:
        await bench.breaker.wait()
        let_through.append(number)

    waiters = [asyncio.create_task(waiter(number)) for number in range(5)]
    async with asyncio.timeout(5):
        while not let_through:  # noqa: ASYNC110 - real time passes: the breaker waits for its delay
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(let_through) == 1
    assert not bench.breaker.admits

    await bench.succeed()
    await asyncio.wait_for(asyncio.gather(*waiters), 5)
    assert len(let_through) == 5


async def test_only_one_call_asks_at_a_time(bench: Bench) -> None:
    await bench.fail()
    bench.clock.now += 0.5
    with bench.breaker.call():
        for _ in range(3):
            with pytest.raises(Unavailable, match="not asked again yet"), bench.breaker.call():
                pytest.fail("a second call was made")
    await bench.succeed()


async def test_a_failed_probe_keeps_the_others_waiting(bench: Bench) -> None:
    await bench.fail()
    bench.clock.now += 0.5
    await bench.breaker.wait()
    await bench.fail()
    assert bench.breaker.state is BreakerState.OPEN
    assert bench.breaker._retry_at == bench.clock.now + 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.breaker.wait(), 0.05)


async def test_a_probe_that_never_asks_does_not_block_the_others_for_ever(bench: Bench) -> None:
    await bench.fail()
    bench.clock.now += 0.5
    await bench.breaker.wait()
    assert not bench.breaker.admits
    bench.clock.now += 31
    assert bench.breaker.admits


async def test_a_cancelled_or_broken_probe_lets_the_next_one_ask(bench: Bench) -> None:
    for failure in (asyncio.CancelledError(), KeyError("defect")):
        await bench.fail()
        bench.clock.now = bench.breaker._retry_at
        await bench.breaker.wait()
        with pytest.raises(type(failure)), bench.breaker.call():
            raise failure
        assert bench.breaker.admits
        assert bench.breaker.state is BreakerState.HALF_OPEN


@pytest.mark.parametrize("error", [Rejected("x", "y"), Deferred("quota", "full")])
async def test_an_answer_about_the_event_closes_it(bench: Bench, error: Exception) -> None:
    await bench.fail()
    bench.clock.now += 0.5
    with pytest.raises(type(error)), bench.breaker.call():
        raise error
    assert bench.breaker.state is BreakerState.CLOSED
    assert bench.changes == [BreakerState.OPEN, BreakerState.CLOSED]


async def test_a_success_that_began_before_the_outage_does_not_close_it(bench: Bench) -> None:
    go = asyncio.Event()

    async def slow() -> None:
        with bench.breaker.call():
            await go.wait()

    call = asyncio.create_task(slow())
    await asyncio.sleep(0)
    await bench.fail()
    go.set()
    await call
    assert bench.breaker.state is BreakerState.OPEN


async def test_misconfiguration_tells_the_way_out(bench: Bench) -> None:
    await bench.fail(Misconfigured("kubernetes", "403", fix="add a Role"))
    breakers = Breakers(Breaker("nats"), bench.breaker)
    assert breakers.unready == "kubernetes: 403 (fix: add a Role)"
    assert not breakers.open
    with pytest.raises(Misconfigured) as caught, bench.breaker.call():
        pass
    assert caught.value.fix == "add a Role"

    bench.clock.now += 1
    await bench.succeed()
    assert breakers.unready == ""
    assert breakers.open
    await asyncio.wait_for(breakers.wait(), 1)


async def test_guarded_methods_go_through_the_breaker_and_keep_their_results(bench: Bench) -> None:
    class Adapter:
        breaker = bench.breaker

        @guarded
        async def double(self, number: int, *, fail: bool = False) -> int:
            """Double a number."""
            if fail:
                raise Unavailable("kubernetes", "gone")
            return 2 * number

    adapter = Adapter()
    assert await adapter.double(21) == 42
    assert Adapter.double.__doc__ == "Double a number."
    with pytest.raises(Unavailable):
        await adapter.double(1, fail=True)
    assert bench.breaker.state is BreakerState.OPEN


async def test_whoever_was_let_through_and_needs_no_call_holds_the_others_up_for_a_moment_only(bench: Bench) -> None:
    await bench.fail()
    bench.clock.now += 0.5
    await asyncio.wait_for(bench.breaker.wait(), 1)  # a message that turns out to be handled already: it never asks
    assert not bench.breaker.admits
    bench.clock.now += 0.5
    await asyncio.wait_for(bench.breaker.wait(), 1)
