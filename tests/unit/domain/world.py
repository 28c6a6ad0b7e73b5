"""A world in one process for the state machine test: stream, records, cluster, two workers, an observer.

Workers run the real corridor and the observer its real settling; only the adapters are models. Each call of an adapter
waits for its turn first, so a test decides which actor takes the next action, and can kill it between any two actions.
"""

from __future__ import annotations

import contextvars
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.domain.build import outputs_of
from worker.domain.classify import TYPES
from worker.domain.decode import decode
from worker.domain.events import AppKey, Delivery, Event, InboundMessage, Settings
from worker.domain.model import Action, Identity, Task
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Record, Run
from worker.domain.status import Status, StatusKind
from worker.errors import LostRace, Rejected, WorkerError
from worker.observer.settle import Settler
from worker.pipeline import Adapters, Pipeline
from worker.ports import Outcome, Stored

INCARNATION = "2026-01-01T00:00:00Z"
DISPOSITIONS = {StatusKind.ACCEPTED, StatusKind.UNCHANGED, StatusKind.SUPERSEDED, StatusKind.REJECTED}


class Turn:
    """Hands control back to the test once."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __await__(self) -> Generator[str, None, None]:
        yield self._what


@dataclass
class Message:
    inbound: InboundMessage
    event: Event
    end: str = ""


@dataclass
class Workflow:
    app: AppKey
    run: Run
    rank: int
    settings: Settings
    created_at: float
    suspended: bool = True
    shutdown: str = ""
    superseded_by: str = ""
    phase: str = ""
    nodes: dict[str, ObservedNode] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.phase in {"Succeeded", "Failed"}

    def observed(self) -> ObservedRun:
        return ObservedRun(
            self.run.name,
            self.app.namespace,
            self.app.name,
            self.run.cause.delivery,
            phase=self.phase,
            suspended=self.suspended,
            shutdown=self.shutdown,
            finished=self.finished,
            superseded_by=self.superseded_by,
            nodes=dict(self.nodes),
            created_at=self.created_at,
        )


@dataclass(frozen=True)
class Content:
    """What is in the cluster under one identity."""

    digest: str
    uses: frozenset[str] = frozenset()
    """Values that it got from other components' outputs; what it may use while its content is not certain, too."""
    certain: bool = True


class World:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.messages: list[Message] = []
        self.records: dict[AppKey, Stored] = {}
        self.runs: dict[str, Workflow] = {}
        self.intents: dict[str, tuple[Run, int, Settings]] = {}
        self.created: Counter[str] = Counter()
        self.newest_started: dict[AppKey, int] = {}
        self.told: dict[str, set[str]] = {}
        self.dead: list[str] = []
        self.cluster: dict[AppKey, dict[Identity, Content]] = {}
        self.touched: dict[tuple[AppKey, Identity], int] = {}
        self.executed: Counter[tuple[str, str]] = Counter()
        self.broken = ""

    def must(self, holds: bool, otherwise: str) -> None:
        """Assert an invariant; the first that breaks is remembered."""
        if not holds:
            self.broken = self.broken or otherwise
            raise AssertionError(otherwise)

    # --- stream -----------------------------------------------------------------------------------------------------

    def publish(self, kind: str, data: Mapping[str, Any], subject: str) -> Message:
        sequence = len(self.messages) + 1
        self.now += 1
        body = {
            "specversion": "1.0",
            "id": f"e{sequence}",
            "source": "urn:test",
            "type": f"io.platform.{kind}.v1",
            "datacontenttype": "application/json",
            "data": data,
        }
        inbound = InboundMessage(
            subject,
            {"Content-Type": "application/cloudevents+json"},
            json.dumps(body).encode(),
            Delivery("PLATFORM_EVENTS", INCARNATION, sequence, self.now),
        )
        event = decode(inbound)
        assert isinstance(event, Event)
        self.messages.append(Message(inbound, event))
        return self.messages[-1]

    def publish_again(self, message: Message) -> None:
        """Store the same message once more, at a new place of the stream."""
        self.now += 1
        delivery = replace(message.inbound.delivery, sequence=len(self.messages) + 1, timestamp=self.now)
        inbound = replace(message.inbound, delivery=delivery)
        event = decode(inbound)
        assert isinstance(event, Event)
        self.messages.append(Message(inbound, event))

    def message_ends(self, message: Message, end: str) -> None:
        message.end = message.end or end

    # --- records ----------------------------------------------------------------------------------------------------

    def stored(self, app: AppKey) -> Stored:
        return self.records.get(app, Stored(Record(app), 0))

    def write(self, record: Record, revision: int) -> int:
        if self.stored(record.app).revision != revision:
            raise LostRace(f"record {record.app}")
        self.records[record.app] = Stored(record, revision + 1)
        if record.run is not None and record.run.name not in self.intents:
            self.intents[record.run.name] = (record.run, len(self.intents), record.settings)
        return revision + 1

    # --- cluster ----------------------------------------------------------------------------------------------------

    def create(self, name: str) -> bool:
        if name in self.runs:
            return False
        run, rank, settings = self.intents[name]
        app = next(app for app, stored in self.records.items() if name.startswith(app.name))
        self.runs[name] = Workflow(app, run, rank, settings, self.now)
        self.created[name] += 1
        self.must(self.created[name] == 1, f"{name} was created twice")
        return True

    def start(self, name: str) -> bool:
        workflow = self.runs.get(name)
        if workflow is None or workflow.shutdown or not workflow.suspended:
            return False
        self.must(workflow.rank >= self.newest_started.get(workflow.app, -1), f"{name} starts after a newer run")
        self.newest_started[workflow.app] = workflow.rank
        workflow.suspended = False
        return True

    def stop(self, name: str, superseded_by: str) -> bool:
        workflow = self.runs.get(name)
        if workflow is None:
            return False
        workflow.shutdown, workflow.suspended = "Stop", False
        workflow.superseded_by = superseded_by
        return True

    def controller(self, workflow: Workflow, *, fail: bool = False) -> bool:
        """Let the Workflow controller take one step with one Workflow; ``False`` if there is nothing to do."""
        if workflow.suspended or workflow.finished:
            return False
        running = next((t for t in workflow.run.tasks if self._phase(workflow, t) == "Running"), None)
        if running is not None:
            self._end_node(workflow, running, fail)
            return True
        if workflow.shutdown:
            workflow.phase = "Failed"
            return True
        if any(
            other is not workflow and other.app == workflow.app and other.phase == "Running"
            for other in self.runs.values()
        ):
            return False  # the mutex
        workflow.phase = "Running"
        for task in workflow.run.tasks:
            if not self._phase(workflow, task):
                needed = [workflow.nodes.get(name) for name in task.depends_on]
                if all(node is not None and node.phase == "Succeeded" for node in needed):
                    self._begin_node(workflow, task)
                    return True
                if all(node is not None and node.phase != "Running" for node in needed):
                    workflow.nodes[task.name] = ObservedNode("Omitted")
                    return True
        good = all(node.phase == "Succeeded" for node in workflow.nodes.values())
        workflow.phase = "Succeeded" if good else "Failed"
        return True

    def _phase(self, workflow: Workflow, task: Task) -> str:
        node = workflow.nodes.get(task.name)
        return node.phase if node else ""

    def _begin_node(self, workflow: Workflow, task: Task) -> None:
        app, identity = workflow.app, task.identity
        key = (workflow.run.name, task.name)
        self.executed[key] += 1
        self.must(self.executed[key] == 1, f"{key} runs twice")
        self.must(workflow.rank >= self.touched.get((app, identity), -1), f"{identity} gets older input after newer")
        self.touched[app, identity] = workflow.rank
        workflow.nodes[task.name] = ObservedNode("Running")
        content = self.cluster.setdefault(app, {})
        if task.action is Action.REMOVE:
            self._may_go(workflow, identity)
            if identity in content:
                content[identity] = replace(content[identity], certain=False)
            return
        before = content.get(identity, Content(""))
        content[identity] = Content("", before.uses | self._uses(workflow, task), certain=False)

    def _may_go(self, workflow: Workflow, identity: Identity) -> None:
        if TYPES[identity.type].retained:
            self.must(workflow.settings.deletes(identity.name), f"nobody asked to delete the data of {identity}")
        mine = set(outputs_of(self._parameters(workflow, identity), TYPES[identity.type].template).values())
        for app, contents in self.cluster.items():
            for other, content in contents.items():
                self.must(not content.uses & mine, f"{workflow.app} {identity} goes while {app} {other} uses it")

    def _parameters(self, workflow: Workflow, identity: Identity) -> Mapping[str, str]:
        return next(t.parameters for t in workflow.run.tasks if t.identity == identity)

    def _uses(self, workflow: Workflow, task: Task) -> frozenset[str]:
        literal = (v for k, v in task.parameters.items() if k in {"database_secret", "cache_secret"})
        made = (workflow.nodes[o.task].outputs[o.output] for o in task.outputs_of.values())
        return frozenset((*literal, *made))

    def _end_node(self, workflow: Workflow, task: Task, fail: bool) -> None:
        if fail:
            workflow.nodes[task.name] = ObservedNode("Failed", "boom")
            return
        outputs: dict[str, str] = {}
        if task.action is Action.REMOVE:
            self.cluster[workflow.app].pop(task.identity, None)
        else:
            outputs = outputs_of(task.parameters, task.template)
            self.cluster[workflow.app][task.identity] = Content(task.digest, self._uses(workflow, task))
        workflow.nodes[task.name] = ObservedNode("Succeeded", outputs=outputs)

    # --- actors -----------------------------------------------------------------------------------------------------

    def pipeline(self) -> Pipeline:
        adapters = Adapters(
            store=_Store(self),
            workflows=_Api(self),
            builder=_Builder(),
            ledger=_Ledger(self),
            dead_letters=_DeadLetters(self),
            applications=_Applications(),
            meter=_Meter(),
        )
        return Pipeline(adapters, "default")

    def settler(self, seconds_later: float) -> Settler:
        return Settler(_Store(self), _Api(self), _Ledger(self), _ObserverMeter(), lambda: self.now + seconds_later)


class Actor:
    """One coroutine that is driven action by action."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self.over = False
        self.result: Any = None
        self.error: WorkerError | None = None
        self.step()

    def step(self) -> None:
        try:
            self._context.run(self._work.send, None)
        except StopIteration as stop:
            self.over, self.result = True, stop.value
        except WorkerError as error:
            self.over, self.error = True, error

    def finish(self) -> None:
        while not self.over:
            self.step()

    def kill(self) -> None:
        self._context.run(self._work.close)
        self.over = True


@dataclass
class Worker:
    """A worker process with at most one message in hand."""

    world: World
    pipeline: Pipeline
    message: Message | None = None
    actor: Actor | None = None

    def take(self, message: Message, *, give_up: bool = False) -> None:
        self.message = message
        if give_up:
            error = Rejected("retry-budget", "it was tried for too long", fix="publish it again")
            self.actor = Actor(self.pipeline.reject(message.inbound, error))
        else:
            self.actor = Actor(self.pipeline.handle(message.inbound))
        self._look()

    def step(self) -> None:
        assert self.actor is not None
        self.actor.step()
        self._look()

    def finish(self) -> None:
        if self.actor is not None:
            self.actor.finish()
            self._look()

    def crash(self) -> None:
        assert self.actor is not None
        self.actor.kill()
        self.actor = self.message = None
        self.pipeline = self.world.pipeline()

    def _look(self) -> None:
        assert self.actor is not None
        assert self.message is not None
        if self.actor.over:
            if isinstance(self.actor.result, Outcome):
                self.world.message_ends(self.message, self.actor.result.settlement.value)
            self.actor = self.message = None


@dataclass
class _Store:
    world: World

    async def load(self, app: AppKey) -> Stored:
        await Turn("load")
        return self.world.stored(app)

    async def save(self, record: Record, revision: int) -> int:
        await Turn("save")
        return self.world.write(record, revision)

    async def neighbours(self, namespace: str) -> Mapping[str, Stored]:
        await Turn("neighbours")
        return {app.name: stored for app, stored in self.world.records.items() if app.namespace == namespace}

    async def all(self, unreadable: Any = None) -> AsyncIterator[Stored]:
        for stored in list(self.world.records.values()):
            yield stored


@dataclass
class _Api:
    world: World

    async def create(self, name: str, body: bytes) -> bool:
        await Turn("create")
        assert body == name.encode()
        return self.world.create(name)

    async def get(self, name: str) -> ObservedRun | None:
        await Turn("get")
        workflow = self.world.runs.get(name)
        return workflow.observed() if workflow else None

    async def start(self, name: str) -> bool:
        await Turn("start")
        return self.world.start(name)

    async def stop(self, name: str, superseded_by: str) -> bool:
        await Turn("stop")
        return self.world.stop(name, superseded_by)


class _Builder:
    def build(self, app: AppKey, uid: str, run: Run, record: Record | None = None) -> bytes:
        return run.name.encode()


@dataclass
class _Ledger:
    world: World

    async def publish(self, status: Status) -> None:
        await Turn("tell")
        if status.kind in DISPOSITIONS and status.disposition == status.kind:
            self.world.told.setdefault(status.cause.delivery, set()).add(status.disposition)

    async def disposition_of(self, app: AppKey, key: str, delivery: str) -> str | None:
        await Turn("ask")
        return next(iter(self.world.told.get(delivery, ())), None)


@dataclass
class _DeadLetters:
    world: World

    async def publish(self, message: InboundMessage, app: AppKey, error: Rejected) -> None:
        await Turn("dead-letter")
        self.world.dead.append(message.delivery.key)


class _Applications:
    async def get(self, app: AppKey) -> Mapping[str, Any] | None:
        raise NotImplementedError


class _Meter:
    def about(self, event: Event) -> AbstractContextManager[None]:
        return nullcontext()

    def disposed(self, disposition: str) -> None: ...

    def created(self, event: Event) -> None: ...


class _ObserverMeter:
    def observing(self, active: bool) -> None: ...

    def run_ended(self, phase: str) -> None: ...

    def component_ready(self, pattern: int, seconds: float) -> None: ...

    def run_stopped(self) -> None: ...

    def run_started(self) -> None: ...

    def unreadable_workflow(self) -> None: ...
