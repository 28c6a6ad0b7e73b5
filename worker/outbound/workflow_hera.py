"""The one place that imports hera: half a second and 20 MB, which only a process that builds Workflows pays.

Hera's façade is given validated models: its own conversion of tasks costs four times as much, and without its context
manager there is no state between two calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hera.workflows import Workflow
from hera.workflows.models import DAGTemplate, Mutex, PodGC, Synchronization, Template, TTLStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.outbound.workflow_settings import WorkflowSettings


def assemble(
    settings: WorkflowSettings,
    name: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    mutex: str,
    tasks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the Workflow object.

    Args:
        settings: What is the same for all Workflows of the installation.
        name: Its name.
        labels: Its labels.
        annotations: Its annotations.
        mutex: Name of the mutex that only one Workflow holds at a time.
        tasks: The tasks of its one DAG, in Argo's own form.
    """
    workflow = Workflow(
        name=name,
        namespace=settings.namespace,
        labels=dict(labels),
        annotations=dict(annotations),
        suspend=True,
        entrypoint="main",
        service_account_name=settings.service_account,
        synchronization=Synchronization(mutexes=[Mutex(name=mutex)]),
        ttl_strategy=TTLStrategy(seconds_after_completion=settings.ttl_seconds),
        pod_gc=PodGC(strategy="OnPodSuccess"),
        active_deadline_seconds=settings.deadline_seconds,
        # Validated as a whole: building hera's parameter objects one by one takes three times as long.
        templates=[Template(name="main", dag=DAGTemplate.model_validate({"tasks": tasks}))],
    )
    built: dict[str, Any] = workflow.to_dict()
    return built
