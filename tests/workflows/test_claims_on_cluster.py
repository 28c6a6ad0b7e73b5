"""A real API server takes every claim that the templates make, by the rights of the steps, and these are the least.

Claims of all sixteen types, with every example of their properties, applied as the steps apply them: server-side, by
one field manager. The definitions of the claims are those that Crossplane makes of the platform's own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contracts.components import PROPERTIES
from contracts.templates import MAIN, TEARDOWN
from tests.golden.scenarios import SCENARIOS
from tests.support.control_plane_api import APPLY_PATCH
from tests.workflows.library import arguments, inputs_of, parameters, tasks_of, template_of
from tests.workflows.rehearsal import ROOT, rehearse
from tools.platform_api.apis import APIS
from tools.platform_api.crds import claim_crd, load_definition

if TYPE_CHECKING:
    from tests.support.control_plane_api import Answer, ControlPlaneApi

pytestmark = pytest.mark.cluster

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATIENCE = 30.0


class Steps:
    """The API as the steps see it: with the token of platform-workflows."""

    def __init__(self, api: ControlPlaneApi, token: str) -> None:
        self._api = api
        self._token = token

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Answer:
        return self._api.request(method, path, body, token=self._token, content_type=content_type)

    def apply(self, manifest: dict[str, Any]) -> Answer:
        body = yaml.safe_dump(manifest).encode()
        return self.request("PATCH", f"{path_of(manifest)}?{_MANAGER}", body, content_type=APPLY_PATCH)


_MANAGER = "fieldManager=platform-workflows&dryRun=All&fieldValidation=Strict"


def path_of(manifest: dict[str, Any]) -> str:
    metadata, plural = manifest["metadata"], f"{manifest['kind'].lower()}s"
    return f"/apis/{manifest['apiVersion']}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


@pytest.fixture(scope="module")
def steps(control_plane: ControlPlaneApi) -> Steps:
    """Definitions of all claims, the namespaces that the stories name, and the ServiceAccount with its rights."""
    for api in APIS:
        crd = claim_crd(load_definition(api))
        answer = control_plane.request("POST", CRDS, crd)
        assert answer.status in {201, 409}, answer.message
    for namespace in ("argo", "shop", "team-a"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        assert control_plane.request("POST", "/api/v1/namespaces", body).status in {201, 409}
    text = (ROOT / "platform" / "05-workflows" / "rbac.yaml").read_text(encoding="utf-8")
    for manifest in yaml.safe_load_all(text):
        namespace = manifest["metadata"].get("namespace")
        base = "/api/v1" if manifest["apiVersion"] == "v1" else RBAC
        inside = f"/namespaces/{namespace}" if namespace else ""
        plural = f"{manifest['kind'].lower()}s"
        answer = control_plane.request("POST", f"{base}{inside}/{plural}", manifest)
        assert answer.status in {201, 409}, answer.message
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    account = "/api/v1/namespaces/argo/serviceaccounts/platform-workflows/token"
    token = str(control_plane.expect(201, "POST", account, request)["status"]["token"])
    made = Steps(control_plane, token)
    for api in APIS:
        crd = claim_crd(load_definition(api))
        names = crd["spec"]["names"]
        if names["plural"] == "eventdrivenservices":
            continue
        path = f"/apis/{crd['spec']['group']}/v1alpha1/namespaces/shop/{names['plural']}/none"
        deadline = time.monotonic() + PATIENCE
        while made.request("GET", path).reason != "NotFound" or "none" not in made.request("GET", path).message:
            assert time.monotonic() < deadline, f"{path}: {made.request('GET', path).message}"
            time.sleep(0.05)
    return made


def accepted(steps: Steps, found: list[dict[str, Any]]) -> int:
    """Apply all claims among the steps of a task; return their number."""
    claims = [
        step["object"] for step in found if step["action"] == "apply" and step["object"]["kind"].endswith("Claim")
    ]
    for claim in claims:
        answer = steps.apply(claim)
        assert answer.status in {200, 201}, f"{claim['kind']}: {answer.message}"
        sent, kept = claim["spec"], answer.body["spec"]
        assert {name: kept.get(name) for name in sent} == {name: _filled(sent[name], kept.get(name)) for name in sent}
    return len(claims)


def _filled(sent: Any, kept: Any) -> Any:
    """Return what was sent with the defaults that the server may add to objects."""
    return {**kept, **sent} if isinstance(sent, dict) and isinstance(kept, dict) else sent


CASES = [(kind, example, inputs) for kind in PROPERTIES for example, inputs in inputs_of(kind)]


@pytest.mark.parametrize(("kind", "example", "inputs"), CASES, ids=[f"{kind}-{example}" for kind, example, _ in CASES])
async def test_every_claim_of_every_type_is_accepted(
    steps: Steps, kind: str, example: str, inputs: dict[str, Any]
) -> None:
    for source in ("oam-driven", "api-driven"):
        found = await rehearse(template_of(kind), MAIN, parameters(kind, inputs, source=source))
        assert found.phase == "Succeeded", found.message
        assert accepted(steps, found.steps) > 0


@pytest.mark.parametrize("story", [name for name in SCENARIOS if name != "hostile-strings"])
async def test_the_claims_of_the_stories_are_accepted(steps: Steps, story: str) -> None:
    for task in tasks_of(story):
        reference = task["templateRef"]
        found = await rehearse(reference["name"], reference["template"], arguments(task))
        assert found.phase == "Succeeded", found.message
        accepted(steps, found.steps)


async def test_a_value_that_no_claim_takes_is_refused_in_words(steps: Steps) -> None:
    sent = parameters("postgresql", {"size": "enormous"})
    claim = (await rehearse("pattern3-infrastructure-workflow", MAIN, sent)).objects("InfrastructureClaim")[0]
    answer = steps.apply(claim)
    assert answer.status == 422
    assert (
        'spec.size: Unsupported value: "enormous": supported values: "small", "medium", "large", "xlarge"'
        in answer.message
    )


async def test_the_steps_may_do_what_they_do(steps: Steps) -> None:
    sent = parameters("identity-service", {})
    made = await rehearse("pattern2-compositional-workflow", MAIN, sent)
    for step in made.steps:
        if step["action"] == "get":
            assert steps.request("GET", path_of(step["object"])).reason == "NotFound"
    for kind in PROPERTIES:
        found = await rehearse(template_of(kind), TEARDOWN, parameters(kind, {}))
        resource = found.steps[0]["flags"][0]
        plural, _, group = resource.partition(".")
        path = f"/apis/{group}/v1alpha1/namespaces/shop/{plural}"
        assert steps.request("GET", f"{path}?labelSelector=platform.io%2Fowner%3Dx").status == 200
        assert steps.request("DELETE", f"{path}/none").reason == "NotFound"
    result = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTaskResult", "metadata": {"name": "x"}}
    answer = steps.request("POST", "/apis/argoproj.io/v1alpha1/namespaces/argo/workflowtaskresults", result)
    assert answer.reason != "Forbidden"


FORBIDDEN = [
    ("GET", "/api/v1/namespaces/shop/secrets"),
    ("GET", "/api/v1/namespaces/argo/secrets"),
    ("GET", "/api/v1/namespaces/argo/pods"),
    ("DELETE", "/apis/platform.example.org/v1alpha1/namespaces/shop/appcontainerclaims/shop"),
    ("GET", "/apis/platform.example.org/v1alpha1/namespaces/shop/appcontainerclaims"),
    ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"),
    ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argo/workflowtemplates"),
    ("GET", "/apis/apps/v1/namespaces/shop/deployments"),
]


@pytest.mark.parametrize(("method", "path"), FORBIDDEN, ids=[path for _, path in FORBIDDEN])
def test_the_steps_may_do_nothing_else(steps: Steps, method: str, path: str) -> None:
    assert steps.request(method, path).reason == "Forbidden"
