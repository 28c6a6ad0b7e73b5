"""What is the same for all Workflows of an installation: known to the builder and to whatever assembles for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """What is the same for all Workflows of an installation.

    Attributes:
        instance: Id of the installation (``PLATFORM_INSTANCE``).
        namespace: Where Workflows and WorkflowTemplates live.
        service_account: ServiceAccount that the Workflow's pods run as.
        ttl_seconds: How long a finished Workflow stays; longer than the worst outage of the observer.
        deadline_seconds: How long a run may take from its start; waiting for the mutex does not count.
    """

    instance: str = "default"
    namespace: str = "argo"
    service_account: str = "platform-workflows"
    ttl_seconds: int = 86400
    deadline_seconds: int = 3600
