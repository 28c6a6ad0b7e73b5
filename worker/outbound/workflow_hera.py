"""The one place that imports hera: half a second and 20 MB, which only a process that builds Workflows pays.

Hera's models are used, not its façade: the façade's conversion of its own fields costs more than everything else, and
without its context manager there is no state between two calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hera.workflows.models import Workflow

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
    workflow = Workflow.model_validate(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": name,
                "namespace": settings.namespace,
                "labels": labels,
                "annotations": annotations,
            },
            "spec": {
                "suspend": True,
                "entrypoint": "main",
                "serviceAccountName": settings.service_account,
                "synchronization": {"mutexes": [{"name": mutex}]},
                "ttlStrategy": {"secondsAfterCompletion": settings.ttl_seconds},
                "podGC": {"strategy": "OnPodSuccess"},
                "activeDeadlineSeconds": settings.deadline_seconds,
                "templates": [{"name": "main", "dag": {"tasks": tasks}}],
            },
        }
    )
    built: dict[str, Any] = workflow.model_dump(mode="json", exclude_none=True, by_alias=True)
    return built
