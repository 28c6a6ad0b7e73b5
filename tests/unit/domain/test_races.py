"""Races that the state machine test found, each as the one interleaving that shows it."""

from __future__ import annotations

from typing import Any

from tests.unit.domain.world import Actor, Message, Worker, World
from worker.domain.events import AppKey
from worker.domain.record import State

ORDERS, FRONT = AppKey("shop", "orders"), AppKey("shop", "front")
DB = {"name": "db", "type": "postgresql"}
WEB = {"name": "web", "type": "webservice", "properties": {"database": "orders/db"}}


def request(world: World, app: AppKey, kind: str = "requested", **data: Any) -> Message:
    body = {"name": app.name, "namespace": app.namespace, **data}
    return world.publish(f"provisioning.{kind}", body, f"platform.request.{app.namespace}.{app.name}")


def workers(world: World, *messages: Message) -> list[Worker]:
    hands = [Worker(world, world.pipeline()) for _ in messages]
    for worker, message in zip(hands, messages, strict=True):
        worker.take(message)
    return hands


def provision(world: World, message: Message) -> None:
    workers(world, message)[0].finish()
    quiet(world)


def quiet(world: World) -> None:
    for workflow in list(world.runs.values()):
        while world.controller(workflow):
            pass
        settling = world.settler(120.0).settle(workflow.app, workflow.run.name, workflow.observed())
        Actor(settling).finish()


def until_written(world: World, worker: Worker, app: AppKey, revision: int) -> None:
    while world.stored(app).revision < revision:
        worker.step()


def told(world: World, message: Message) -> set[str]:
    return world.told[message.event.delivery.key]


def test_what_a_new_user_is_about_to_use_does_not_go_away() -> None:
    """Wherever the provider's removal falls into the user's way: the user is refused, or the component stays."""
    outcomes = set()
    for steps in range(1, 12):
        world = World()
        provision(world, request(world, ORDERS, components=[DB]))
        use = request(world, FRONT, components=[WEB])
        remove = request(world, ORDERS, "removal.requested", deletionPolicy="delete")
        user, provider = workers(world, use, remove)
        for _ in range(steps):
            if user.actor is not None:
                user.step()
        provider.finish()
        user.finish()
        for message in (use, remove):
            while not message.end:
                workers(world, message)[0].finish()
        quiet(world)
        database = world.stored(ORDERS).record.component("db")
        if told(world, use) == {"accepted"}:
            assert database is not None, steps
            assert database.state is State.RETAINED, steps
        else:
            assert told(world, use) == {"rejected"}
            assert database is None
        outcomes |= told(world, use)
    assert outcomes == {"accepted", "rejected"}


def test_a_superseded_event_is_not_rejected_when_its_tries_are_used_up() -> None:
    world = World()
    late = request(world, ORDERS, components=[DB])
    provision(world, request(world, ORDERS, components=[{**DB, "properties": {"size": "large"}}]))
    first = workers(world, late)[0]
    while not world.told.get(late.event.delivery.key):
        first.step()
    first.crash() if first.actor is not None else None
    again = Worker(world, world.pipeline())
    again.take(late, give_up=True)
    again.finish()
    assert told(world, late) == {"superseded"}


def test_one_message_in_two_hands_has_one_end() -> None:
    """Its heartbeat was lost: one worker accepts it, a newer event comes, the other finds its run replaced."""
    world = World()
    message = request(world, ORDERS, components=[DB])
    slow, fast = workers(world, message, message)
    until_written(world, slow, ORDERS, 1)
    while not any(not run.suspended for run in world.runs.values()):
        fast.step() if fast.actor is not None else fast.take(message)
    newer = request(world, ORDERS, components=[{**DB, "properties": {"size": "large"}}])
    workers(world, newer)[0].finish()
    slow.finish()
    fast.finish()
    assert told(world, message) == {"accepted"}


def test_a_run_that_vanished_after_its_start_is_not_made_again() -> None:
    world = World()
    message = request(world, ORDERS, components=[DB])
    worker = workers(world, message)[0]
    while not any(not run.suspended for run in world.runs.values()):
        worker.step()
    worker.crash()
    world.runs.clear()
    workers(world, message)[0].finish()
    assert told(world, message) == {"accepted"}
    assert max(world.created.values()) == 1
