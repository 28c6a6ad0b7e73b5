"""The layer as ArgoCD applies it: after the APIs, all of it and nothing else; and rights that only cover the steps."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from contracts.templates import TEMPLATES as CONTRACT
from tests.workflows.rehearsal import FILES, ROOT, TEMPLATES
from worker.outbound.workflow_settings import WorkflowSettings

LAYER = ROOT / "platform" / "05-workflows"
APPLICATION = yaml.safe_load((ROOT / "platform" / "05-workflows.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((LAYER / "rbac.yaml").read_text(encoding="utf-8")))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


def test_argocd_applies_it_after_the_apis() -> None:
    apis = yaml.safe_load((ROOT / "platform" / "04-apis.yaml").read_text(encoding="utf-8"))
    wave = "argocd.argoproj.io/sync-wave"
    assert (apis["metadata"]["annotations"][wave], APPLICATION["metadata"]["annotations"][wave]) == ("1", "2")
    assert APPLICATION["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "ServerSideApply=true" in APPLICATION["spec"]["syncPolicy"]["syncOptions"]
    assert APPLICATION["spec"]["source"]["path"] == "platform/05-workflows"
    assert APPLICATION["spec"]["destination"]["namespace"] == WorkflowSettings().namespace


def test_argocd_applies_all_of_it_and_nothing_else() -> None:
    included = APPLICATION["spec"]["source"]["directory"]["include"].strip("{}").split(",")
    found = [path for path in LAYER.rglob("*") if any(fnmatch(str(path.relative_to(LAYER)), one) for one in included)]
    assert sorted(found) == sorted([*FILES, LAYER / "rbac.yaml"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_where_the_worker_looks_and_run_by_its_account(name: str) -> None:
    assert TEMPLATES[name]["metadata"]["namespace"] == WorkflowSettings().namespace
    if name in CONTRACT:
        assert TEMPLATES[name]["spec"]["serviceAccountName"] == WorkflowSettings().service_account
    account = of_kind("ServiceAccount")[WorkflowSettings().service_account]
    assert account["metadata"]["namespace"] == WorkflowSettings().namespace


def test_rights_are_claims_what_binds_and_scrapes_them_and_what_the_executor_needs() -> None:
    account = WorkflowSettings().service_account
    granted = [
        (resource, sorted(rule["verbs"]))
        for role in (of_kind("ClusterRole")[account], of_kind("Role")[f"{account}-executor"])
        for rule in role["rules"]
        for resource in rule["resources"]
    ]
    assert all(
        resource.endswith("claims") or resource in {"servicebindings", "servicemonitors", "workflowtaskresults"}
        for resource, _ in granted
    )
    assert not any("*" in verbs or "update" in verbs for _, verbs in granted)
    rights = dict(granted)
    assert rights["appcontainerclaims"] == ["create", "get", "patch"]
    assert rights["servicebindings"] == rights["servicemonitors"] == ["create", "patch"]
    assert rights["workflowtaskresults"] == ["create", "patch"]


def test_only_that_account_is_bound() -> None:
    account = {"kind": "ServiceAccount", "name": "platform-workflows", "namespace": "argo"}
    bindings = [*of_kind("ClusterRoleBinding").values(), *of_kind("RoleBinding").values()]
    assert len(bindings) == 2
    assert all(binding["subjects"] == [account] for binding in bindings)


def test_every_claim_that_steps_make_is_granted() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    kinds = {line.split()[1] for line in text.splitlines() if line.strip().startswith("kind: ") and "{{" not in line}
    granted = {
        resource for role in of_kind("ClusterRole").values() for rule in role["rules"] for resource in rule["resources"]
    }
    assert {f"{kind.lower()}s" for kind in kinds if kind not in {"WorkflowTemplate", "Service"}} == granted
