"""Names of everything that is made: Workflows, their tasks, claims and connection secrets.

Each is derived, so that a repetition makes the same name, and each carries a hash over everything that tells it apart,
so that cutting to a length limit can never make two of them equal.
"""

from __future__ import annotations

import hashlib
import re

from worker.domain.events import AppKey, Order
from worker.domain.model import Identity

#: Kubernetes' limit for labels and for the names of Workflows.
LABEL_LIMIT = 63
_APP_IN_WORKFLOW = 30
_NUMBER_LIMIT = 15
_ATTEMPT_LIMIT = 5
_NOT_LABEL = re.compile(r"[^a-z0-9-]+")


def short_hash(length: int, *parts: str) -> str:
    """Return ``length`` hexadecimal digits over ``parts``; no two lists of parts are joined to the same text."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _label(text: str, limit: int) -> str:
    return _NOT_LABEL.sub("-", text.lower())[:limit].strip("-") or "x"


def workflow_name(instance: str, app: AppKey, order: Order, attempt: int) -> str:
    """Return the name of a run: ``<app ≤ 30>-<order>-<attempt>-<hash 10>``, a DNS label of at most 63 characters."""
    digest = short_hash(
        10,
        instance,
        app.namespace,
        app.name,
        order.uid,
        str(order.generation),
        str(order.resource_version),
        order.incarnation,
        str(order.sequence),
        str(order.deleted),
        str(attempt),
    )
    number = str(order.number)[-_NUMBER_LIMIT:]
    return f"{_label(app.name, _APP_IN_WORKFLOW)}-{number}-{str(attempt)[-_ATTEMPT_LIMIT:]}-{digest}"


def claim_name(instance: str, app: AppKey, identity: Identity) -> str:
    """Return the name of a component's claim: ``<app>-<component>-<hash 8>``, at most 63 characters.

    The hash is over the whole identity: a component that changes its type or target while the old one is retained must
    not write over the old one's claim. An application's name may begin with a digit, a claim's may not: Services are
    named after it.
    """
    digest = short_hash(8, instance, app.namespace, app.name, identity.name, identity.type, identity.target)
    room = LABEL_LIMIT - len(digest) - 2
    application, component = _label(app.name, LABEL_LIMIT), _label(identity.name, LABEL_LIMIT)
    if application[0].isdigit():
        application = f"a{application}"
    if len(application) + len(component) > room:
        half = room // 2
        application = application[: max(half, room - len(component))].strip("-")
        component = component[: room - len(application)].strip("-")
    return f"{application}-{component}-{digest}"


def connection_secret(claim: str) -> str:
    """Return the name of the connection secret that a claim makes."""
    return f"{claim}-connection"


def apply_task(component: str) -> str:
    """Return the name of the task that provisions a component; starts with a letter, as Argo's ``depends`` wants."""
    return f"c-{component}"


def teardown_task(identity: Identity) -> str:
    """Return the name of the task that takes a component away; never equal to an ``apply_task``."""
    return f"teardown-{identity.name}-{short_hash(6, identity.name, identity.type, identity.target)}"


def owner_label(instance: str, app: AppKey) -> str:
    """Return the owner that claims carry: ``instance/namespace/application``."""
    return f"{instance}/{app.namespace}/{app.name}"


def run_token(workflow: str) -> str:
    """Return the part of a run's name that claims echo as ``status.appliedGeneration``; unique to the run."""
    return "-".join(workflow.rsplit("-", 3)[1:])
