"""Everything at once, in any order: events, duplicates, reorderings, crashes between any two actions, failures, stops.

Two workers, an observer and a controller work in bursts. Whatever happened: when all is quiet, the cluster is as the
newest accepted event wants it. ``PLATFORM_TEST_PROFILE=thorough`` searches longer, and somewhere else each time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.unit.domain.wishes import desired, front, policy, rarely
from tests.unit.domain.world import Actor, Worker, World
from worker.domain.digest import digest
from worker.domain.events import AppKey, EventKind
from worker.domain.model import Identity
from worker.domain.normalise import normalise
from worker.domain.record import Record, State

ORDERS = AppKey("shop", "orders")  # an Application, with uids and generations
FRONT = AppKey("shop", "front")  # requests, ordered by the stream; it may use what ORDERS provides

THOROUGH = os.environ.get("PLATFORM_TEST_PROFILE") == "thorough"
#: Choices with a meaning of their own: the tries of a message are used up; a task fails.
GIVE_UP, FAILS = 11, 7

_actors = [
    "worker-0",
    "worker-1",
    "worker-0",
    "worker-1",
    "controller",
    "observer",
    "crash-0",
    "crash-1",
    "observer-crash",
]
_bursts = st.lists(
    st.tuples(st.sampled_from(_actors), st.integers(1, 14), st.integers(0, GIVE_UP)), min_size=2, max_size=8
)


class Platform(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.workers = [Worker(self.world, self.world.pipeline()) for _ in range(2)]
        self.observer: Actor | None = None
        #: What Kubernetes knows of the Application, and its events that are not in the stream yet.
        self.uid = 0
        self.generation = 0
        self.version = 0
        self.outbox: list[tuple[str, dict[str, Any]]] = []
        self.last: dict[str, Any] = {"components": [], "annotations": {}}

    # --- senders ----------------------------------------------------------------------------------------------------

    def _object(self) -> dict[str, Any]:
        return {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {
                "name": ORDERS.name,
                "namespace": ORDERS.namespace,
                "uid": f"uid-{self.uid}",
                "generation": self.generation,
                "resourceVersion": str(self.version),
                "creationTimestamp": f"2026-01-{self.uid:02d}T00:00:00Z",
                "annotations": self.last["annotations"],
            },
            "spec": {"components": self.last["components"]},
        }

    @initialize(components=desired)
    def begins_with_an_application(self, components: list[dict[str, Any]]) -> None:
        self.change_application(components, "", allow_empty=True, held_back=False)

    @rule(components=desired, policy=policy, allow_empty=st.booleans(), held_back=rarely)
    def change_application(
        self, components: list[dict[str, Any]], policy: str, allow_empty: bool, held_back: bool
    ) -> None:
        if not self.generation:
            self.uid += 1
        self.generation += 1
        self.version += 1
        annotations = {"platform.io/deletion-policy": policy} if policy else {}
        if allow_empty:
            annotations["platform.io/allow-empty"] = "true"
        self.last = {"components": components, "annotations": annotations}
        self._send("oam.application.changed", held_back)

    @precondition(lambda self: self.generation)
    @rule(held_back=rarely)
    def touch_application(self, held_back: bool) -> None:
        self.version += 1
        self._send("oam.application.changed", held_back)

    @precondition(lambda self: self.generation)
    @rule(held_back=rarely)
    def delete_application(self, held_back: bool) -> None:
        self.version += 1
        self._send("oam.application.deleted", held_back)
        self.generation = 0

    def _send(self, kind: str, held_back: bool) -> None:
        self.outbox.append((kind, self._object()))
        if not held_back:
            self._publish(-1)

    @precondition(lambda self: self.outbox or self.world.messages)
    @rule(index=st.integers(0, 3))
    def publish_late(self, index: int) -> None:
        """What was held back, or once more what was sent: later than the server's duplicate window."""
        if self.outbox:
            self._publish(min(index, len(self.outbox) - 1))
        else:
            self.world.publish_again(self.world.messages[-1 - index % len(self.world.messages)])

    def _publish(self, index: int) -> None:
        kind, application = self.outbox.pop(index)
        self.world.publish(kind, {"application": application}, f"platform.oam.{ORDERS.namespace}.{ORDERS.name}")

    def _request(self, kind: str, app: AppKey = FRONT, **data: Any) -> None:
        body = {"name": app.name, "namespace": app.namespace, **data}
        self.world.publish(f"provisioning.{kind}", body, f"platform.request.{app.namespace}.{app.name}")

    @rule(components=front)
    def request(self, components: list[dict[str, Any]]) -> None:
        self._request("requested", components=components)

    @rule(components=st.sampled_from([[], [], ["web"], ["store"]]), policy=st.sampled_from([None, "delete"]))
    def ask_for_removal(self, components: list[str], policy: str | None) -> None:
        self._request("removal.requested", FRONT, components=components, deletionPolicy=policy)

    @rule(app=st.sampled_from([ORDERS, FRONT]), reconcile=st.booleans())
    def ask_for_retry(self, app: AppKey, reconcile: bool) -> None:
        self._request("retry.requested", app, reconcile=reconcile)

    # --- everybody at once ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.messages)
    @rule(bursts=_bursts)
    def work(self, bursts: list[tuple[str, int, int]]) -> None:
        self._work(bursts)

    @precondition(lambda self: self.world.messages)
    @rule(bursts=_bursts)
    def work_on(self, bursts: list[tuple[str, int, int]]) -> None:
        """The same again: half of all steps should be work."""
        self._work(bursts)

    def _work(self, bursts: list[tuple[str, int, int]]) -> None:
        """Let actors work in bursts: who, how many actions, and a choice of what."""
        for who, actions, choice in bursts:
            match who:
                case "worker-0" | "worker-1":
                    self._worker_works(self.workers[int(who[-1])], actions, choice)
                case "crash-0" | "crash-1":
                    if self.workers[int(who[-1])].actor is not None:
                        self.workers[int(who[-1])].crash()
                case "observer":
                    self._observer_works(actions, choice)
                case "observer-crash":
                    if self.observer is not None:
                        self.observer.kill()
                case _:
                    self._controller_works(actions, choice)

    def _worker_works(self, worker: Worker, actions: int, choice: int) -> None:
        for _ in range(actions):
            if worker.actor is not None:
                worker.step()
                continue
            waiting = [m for m in self.world.messages if not m.end]
            if not waiting:
                return
            # Redelivered while the other worker has it in hand, too: heartbeats get lost.
            message = waiting[choice % len(waiting)]
            worker.take(message, give_up=choice == GIVE_UP)

    def _observer_works(self, actions: int, choice: int) -> None:
        for _ in range(actions):
            if self.observer is not None and not self.observer.over:
                self.observer.step()
                continue
            due = self._due()
            if not due:
                return
            app, name = due[-1 - choice % len(due)]
            seen = self.world.runs.get(name)
            settler = self.world.settler(120.0 if choice % 2 else 0.0)
            self.observer = Actor(settler.settle(app, name, seen.observed() if seen else None))

    def _controller_works(self, actions: int, choice: int) -> None:
        runs = [w for w in self.world.runs.values() if not w.finished and not w.suspended]
        for _ in range(actions if runs else 0):
            self.world.controller(runs[choice % len(runs)], fail=choice == FAILS)

    @precondition(lambda self: self.world.runs)
    @rule(index=st.integers(0, 3), stop=rarely)
    def somebody_meddles_with_a_workflow(self, index: int, stop: bool) -> None:
        if stop:
            self._stop_run(index)
        else:
            self._delete_workflow(index)

    def _stop_run(self, index: int) -> None:
        """As `platform-worker stop` does, at any time: before it was confirmed or started, or in the middle."""
        runs = [w for w in self.world.runs.values() if not w.finished]
        if runs:
            self.world.stop(runs[-1 - index % len(runs)].run.name, "")

    def _delete_workflow(self, index: int) -> None:
        """Only what its own delivery has done with: a Workflow that is gone before that is rightly made again."""
        in_hand = [worker.message for worker in self.workers]
        done = [m.event.delivery.key for m in self.world.messages if m.end and m not in in_hand]
        runs = [w for w in self.world.runs.values() if w.run.cause.delivery in done and not w.suspended]
        if runs:
            del self.world.runs[runs[min(index, len(runs) - 1)].run.name]

    def _due(self) -> list[tuple[AppKey, str]]:
        """Every Workflow, and every run that a record waits for."""
        due = {(w.app, w.run.name): None for w in self.world.runs.values()}
        for app, stored in self.world.records.items():
            record = stored.record
            if record.run is not None and record.unfinished:
                due[app, record.run.name] = None
            due.update({(app, stale.name): None for stale in record.stale_runs})
        return list(due)

    # --- at rest ----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if self.world.broken:
            return
        while self.outbox:
            self._publish(0)
        for worker in self.workers:
            worker.finish()
        if self.observer is not None:
            self.observer.finish() if not self.observer.over else None
        for _ in range(8):
            self._until_quiet()
            unsettled = [app for app, stored in self.world.records.items() if _unsettled(stored.record)]
            if not unsettled:
                break
            for app in unsettled:
                self._request("retry.requested", app)
        else:
            raise AssertionError(f"never at rest: {[self.world.stored(a).record for a in unsettled]}")
        self._check()

    def _until_quiet(self) -> None:
        for _ in range(30):
            before = self._fingerprint()
            worker = self.workers[0]
            for message in self.world.messages:
                if not message.end:
                    worker.take(message)
                    worker.finish()
            for workflow in list(self.world.runs.values()):
                while self.world.controller(workflow):
                    pass
            for app, name in self._due():
                seen = self.world.runs.get(name)
                Actor(self.world.settler(120.0).settle(app, name, seen.observed() if seen else None)).finish()
            if self._fingerprint() == before:
                return
        raise AssertionError("it never becomes quiet")

    def _fingerprint(self) -> object:
        revisions = {app: stored.revision for app, stored in self.world.records.items()}
        runs = {name: (w.phase, w.shutdown, w.suspended) for name, w in self.world.runs.items()}
        return (revisions, runs, [m.end for m in self.world.messages])

    def _check(self) -> None:
        world = self.world
        for message in world.messages:
            told = world.told.get(message.event.delivery.key, set())
            assert message.end, f"{message.event.id} is never disposed of"
            assert len(told) == 1, f"{message.event.id} ends as {told}"
            assert (message.end == "term") == (told == {"rejected"})
            assert ("rejected" in told) == (message.event.delivery.key in world.dead)
        for name, workflow in world.runs.items():
            assert workflow.finished, f"{name} is left behind"
        for app in (ORDERS, FRONT):
            self._check_application(app)

    def _check_application(self, app: AppKey) -> None:
        record = self.world.stored(app).record
        content = self.world.cluster.get(app, {})
        recorded = {c.identity: c for c in record.components}
        orphans = set(content) - set(recorded)
        assert not orphans, f"orphaned: {orphans}"
        wanted = self._wanted(app)
        recorded_as_wanted = {i for i, c in recorded.items() if c.wanted}
        assert recorded_as_wanted == set(wanted), f"{recorded_as_wanted}\n{self._history(app)}"
        for identity, known in recorded.items():
            if known.wanted:
                assert known.state is State.APPLIED
                assert content[identity].certain
                assert content[identity].digest == wanted[identity] == known.digest, f"{identity} is not the newest"
            else:
                assert known.state is State.RETAINED
        assert set(content) <= set(wanted) | {i for i, c in recorded.items() if c.state is State.RETAINED}
        used = {value for identity in wanted for value in content[identity].uses}
        provided = {v for one in self.world.records.values() for c in one.record.components for v in c.outputs.values()}
        assert used <= provided

    def _history(self, app: AppKey) -> str:
        """What became of each event of ``app``, for the reader of a failure."""
        events = (m.event for m in self.world.messages if m.event.app == app)
        return "\n".join(
            f"{e.id} {e.kind} uid={e.order.uid} generation={e.order.generation} version={e.order.resource_version} "
            f"{[f'{c.name}:{c.type}' for c in e.components]} only={e.only} → {self.world.told.get(e.delivery.key)}"
            for e in events
        )

    def _wanted(self, app: AppKey) -> dict[Identity, str]:
        """What the newest of the events of ``app`` asks for that were accepted, or intended before they were given up.

        The latter's wish is recorded, so that a retry can carry it out once the cause is gone.
        """
        intended = {run.cause.delivery for run, _, _ in self.world.intents.values()}
        neighbours = {a.name: s.record for a, s in self.world.records.items() if a != app}
        good = [
            m.event
            for m in self.world.messages
            if m.event.app == app
            and (m.event.delivery.key in intended or self.world.told[m.event.delivery.key] & {"accepted", "unchanged"})
        ]
        newest = None
        for event in good:
            if event.kind in {EventKind.CHANGED, EventKind.REQUESTED, EventKind.DELETED}:
                newest = event if newest is None or event.order.newer_than(newest.order) else newest
        if newest is None or newest.kind is EventKind.DELETED:
            return {}
        specs = normalise(newest, Record(app), neighbours).specs
        wanted = {spec.identity: digest(spec, newest.settings) for spec in specs}
        for event in good:
            if event.kind is EventKind.REMOVAL and event.order.newer_than(newest.order):
                wanted = {i: d for i, d in wanted.items() if event.only and i.name not in event.only}
        return wanted


def _unsettled(record: Record) -> bool:
    return any(c.state in {State.DIRTY, State.REMOVING} for c in record.components)


TestPlatform = Platform.TestCase
TestPlatform.settings = settings(
    max_examples=5000 if THOROUGH else 150,
    stateful_step_count=50 if THOROUGH else 30,
    deadline=None,
    derandomize=not THOROUGH,
    # A failure of the short search is shown at once; the thorough one takes the time to make it small.
    phases=list(Phase) if THOROUGH else [Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
