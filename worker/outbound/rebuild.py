"""`state rebuild`: the records, made again from the Workflows that are still there.

Each Workflow carries the record as it was written with its run, so the newest Workflow of an application is its
record as of the intent. How the run ended is not looked at here: a rebuilt record says that it goes on, and the
observer, which folds every Workflow that it lists into the records, finds its end and tells it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from contracts.names import MANAGED_BY, Annotation, Label
from worker.domain.events import AppKey, Order
from worker.domain.model import ComponentSpec, Identity, ReferenceKind
from worker.domain.record import Cause, ComponentRecord, Phase, Record, Run, StaleRun, State
from worker.errors import NewerRecord, WorkerError, shorten
from worker.outbound.answers import Operation, Verdict, error
from worker.outbound.kubernetes_api import answer_of, workflows_path
from worker.outbound.observed_workflow import observed_run
from worker.outbound.record_codec import loads
from worker.outbound.workflow import ANNOTATION_ATTEMPT, ANNOTATION_EVENT_KEY, ANNOTATION_RECORD
from worker.outbound.workflow_text import label_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from worker.domain.observed import ObservedRun
    from worker.outbound.kubernetes_client import KubernetesClient
    from worker.outbound.state_kv import KvState

_PAGE = 100

#: Which parameter of a template names the component's type, or the one type that the template is for.
_TYPE_OF_TEMPLATE = {
    "pattern3-infrastructure-workflow": "{infrastructure_type}",
    "pattern3-provider-workflow": "{provider_type}",
    "pattern2-compositional-workflow": "{component_type}",
    "realtime-platform-workflow": "realtime-platform",
    "orchestration-workflow": "camunda-orchestrator",
    "vcluster-workflow": "vcluster",
}


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild found.

    Attributes:
        records: The records, by application.
        doubtful: Workflows that could not be read in full, by name, and what that means.
        written: Applications whose record was written; the others had one that is as new.
    """

    records: dict[AppKey, Record] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)
    written: list[AppKey] = field(default_factory=list)


async def rebuild(client: KubernetesClient, namespace: str, instance: str, store: KvState) -> Rebuilt:
    """Read the installation's Workflows, write the records that they tell of, and mark the bucket.

    Args:
        client: Session to the API server.
        namespace: Where the Workflows live.
        instance: Id of the installation.
        store: The bucket without a mark.

    Raises:
        NewerRecord: A newer worker wrote one of them: rebuild with that version.
        Misconfigured, Unavailable: See ``answers`` and ``JetStream``; nothing is marked then, and it can be repeated.
    """
    found = records_of([workflow async for workflow in owned_workflows(client, namespace, instance)])
    for app, record in found.records.items():
        if await store.restore(record):
            found.written.append(app)
    await store.accept()
    return found


async def owned_workflows(client: KubernetesClient, namespace: str, instance: str) -> AsyncIterator[Mapping[str, Any]]:
    """Yield every Workflow of an installation, page by page.

    Raises:
        Misconfigured, Unavailable: See ``answers``.
    """
    selector = f"{Label.MANAGED_BY.value}={MANAGED_BY},{Label.INSTANCE.value}={label_value(instance)}"
    what, token = f"Workflows in {namespace}", ""
    while True:
        query = {"labelSelector": selector, "limit": str(_PAGE)} | ({"continue": token} if token else {})
        path = f"{workflows_path(namespace)}?{urlencode(query)}"
        verdict, response, answer = await answer_of(client, Operation.LIST, what, "GET", path)
        if verdict is not Verdict.OK:
            raise error(answer, Operation.LIST, what)
        page = json.loads(response.body)
        for item in page["items"]:
            yield item
        token = page["metadata"].get("continue", "")
        if not token:
            return


def records_of(workflows: Iterable[Mapping[str, Any]]) -> Rebuilt:
    """Make the records that a set of Workflows tells of.

    Raises:
        NewerRecord: A newer worker wrote one of them.
    """
    rebuilt = Rebuilt()
    histories: dict[AppKey, list[tuple[Record, Run, ObservedRun]]] = {}
    for workflow in workflows:
        observed = observed_run(workflow)
        try:
            record = _snapshot(workflow, observed) or _from_tasks(workflow, observed, rebuilt)
        except NewerRecord:
            raise
        except (WorkerError, ValueError, KeyError, TypeError, AttributeError) as failure:
            rebuilt.doubtful[observed.name] = f"not readable, left out: {shorten(str(failure))}"
            continue
        if record.run is not None:
            histories.setdefault(record.app, []).append((record, record.run, observed))
    rebuilt.records = _with_referrers({app: _newest(history) for app, history in histories.items()})
    return rebuilt


def _snapshot(workflow: Mapping[str, Any], observed: ObservedRun) -> Record | None:
    text = workflow["metadata"].get("annotations", {}).get(ANNOTATION_RECORD)
    if not text:
        return None
    record = loads(text.encode(), observed.name)
    if record.run is None or record.run.name != observed.name:
        raise ValueError("its snapshot is of another run")
    return record


def _newest(history: list[tuple[Record, Run, ObservedRun]]) -> Record:
    record, run, observed = history[0]
    for other in history[1:]:
        if (other[1].order.newer_than(run.order)) or (other[1].order == run.order and other[1].attempt > run.attempt):
            record, run, observed = other
    waiting = observed.suspended and not observed.finished
    stale = tuple(StaleRun.of(older) for _, older, seen in history if older.name != run.name and not seen.finished)
    # An intent is confirmed by its redelivery, or after a while by the observer; what was started is confirmed.
    phase = Phase.INTENDED if waiting else Phase.CONFIRMED
    return replace(record, run=replace(run, phase=phase), stale_runs=stale)


def _with_referrers(records: dict[AppKey, Record]) -> dict[AppKey, Record]:
    """Note at each component who uses it: that is written to a record without a run, so no snapshot has all of it."""
    users: dict[tuple[AppKey, str], list[str]] = {}
    for app, record in records.items():
        for component in record.components:
            for reference in component.spec.references.values():
                if component.wanted and reference.kind is ReferenceKind.FOREIGN:
                    target = (AppKey(app.namespace, reference.app), reference.name)
                    users.setdefault(target, []).append(f"{app.name}/{component.identity.name}")
    return {
        app: replace(
            record,
            components=tuple(
                replace(one, referrers=tuple(sorted(users.get((app, one.identity.name), ()))))
                for one in record.components
            ),
        )
        for app, record in records.items()
    }


def _from_tasks(workflow: Mapping[str, Any], observed: ObservedRun, rebuilt: Rebuilt) -> Record:
    """Read what a Workflow without a snapshot (it was too large) still says: which components there may be."""
    annotations = workflow["metadata"]["annotations"]
    incarnation, _, sequence = observed.delivery.rpartition(":")
    uid = annotations.get(Annotation.UID.value, "")
    order = Order(incarnation, int(sequence), uid, generation=int(annotations[Annotation.ORDER.value]) if uid else 0)
    cause = Cause(
        annotations.get(Annotation.EVENT_ID.value, ""), "", annotations[ANNOTATION_EVENT_KEY], observed.delivery
    )
    run = Run(observed.name, int(annotations[ANNOTATION_ATTEMPT]), order, cause)
    tasks = workflow["spec"]["templates"][0]["dag"]["tasks"]
    rebuilt.doubtful[observed.name] = "without a snapshot: its components are known, their properties are not"
    app = AppKey(observed.namespace, observed.application)
    return Record(app, order=order, run=run, components=tuple(_component(task, run.name) for task in tasks))


def _component(task: Mapping[str, Any], run: str) -> ComponentRecord:
    values = {one["name"]: one["value"] for one in task["arguments"]["parameters"]}
    template, entry = task["templateRef"]["name"], task["templateRef"]["template"]
    kind = _TYPE_OF_TEMPLATE.get(template, "")
    if not kind:
        kind = "webservice-k8s" if values.get("platform") == "kubernetes" else "webservice"
    identity = Identity(values["component"], kind.format(**values), values.get("vcluster", ""))
    removing = entry == "teardown"
    state = State.REMOVING if removing else State.DIRTY
    return ComponentRecord(ComponentSpec(identity), wanted=not removing, state=state, run=run)
