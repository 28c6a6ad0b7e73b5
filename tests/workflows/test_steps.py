"""What the steps of the templates do: in which order, with which claims, and what they never do."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from contracts.components import PROPERTIES
from contracts.templates import MAIN, TEARDOWN, TEMPLATES
from tests.workflows.library import PROVIDED, inputs_of, parameters, template_of
from tests.workflows.rehearsal import Rehearsal, rehearse

OWNER = "default/shop/shop"
HASH = sha256(OWNER.encode()).hexdigest()[:16]
GENERATION = "1-1-0123456789"
#: Types that become an ApplicationClaim.
SERVICES = ("webservice", "webservice-k8s", "rasa-chatbot", "graphql-gateway", "identity-service")
CASES = [(kind, example, inputs) for kind in PROPERTIES for example, inputs in inputs_of(kind)]


def provided(component_type: str) -> dict[str, str]:
    given = {"camunda-orchestrator": ["realtime_platform"], "webservice": ["database_secret", "cache_secret"]}
    return {name: PROVIDED[name] for name in given.get(component_type, [])}


@pytest.mark.parametrize(("kind", "example", "inputs"), CASES, ids=[f"{kind}-{example}" for kind, example, _ in CASES])
async def test_a_component_becomes_its_claim(kind: str, example: str, inputs: dict[str, Any]) -> None:
    sent = parameters(kind, inputs, **provided(kind))
    found = await rehearse(template_of(kind), MAIN, sent)

    assert (found.phase, found.message) == ("Succeeded", "")
    assert found.outputs.keys() == TEMPLATES[template_of(kind)].outputs.keys()
    own = "GraphQLPlatformClaim" if kind == "graphql-platform" else TEMPLATES[template_of(kind)].claims
    claims = [one for name in ([own] if isinstance(own, str) else own) for one in found.objects(name)]
    mine = [one for one in claims if one["metadata"]["name"] == sent["claim_name"]]
    assert len(mine) == 1
    for claim in claims:
        assert claim["metadata"]["namespace"] == "shop"
        assert claim["metadata"]["labels"]["platform.io/owner"] == HASH
        assert claim["metadata"]["annotations"]["platform.io/owner"] == OWNER
        assert claim["spec"]["generation"] == GENERATION
    waits = [step["successCondition"] for step in found.steps if step.get("successCondition")]
    assert waits
    assert all(f"status.appliedGeneration == {GENERATION}" in wait for wait in waits)


@pytest.mark.parametrize("kind", PROPERTIES)
async def test_teardown_deletes_the_own_claim_and_nothing_else(kind: str) -> None:
    sent = parameters(kind, {})
    found = await rehearse(template_of(kind), TEARDOWN, sent)
    assert found.phase == "Succeeded"
    assert [step["action"] for step in found.steps] == ["delete"]
    resource, *flags = found.steps[0]["flags"]
    claims = {f"{one.lower()}s" for one in TEMPLATES[template_of(kind)].claims} - {"appcontainerclaims"}
    assert resource.split(".")[0] in claims
    assert flags[:3] == [
        "--namespace=shop",
        f"--selector=platform.io/owner={HASH}",
        f"--field-selector=metadata.name={sent['claim_name']}",
    ]


ORDERS = {
    "neon-postgres": [
        "validate-provider",
        "create-provider-claim",
        "create-secret",
        "extract-connection-details",
        "create-service-binding",
    ],
    "postgresql": [
        "create-infrastructure-claim",
        "wait-for-provisioning",
        "extract-connection-details",
        "create-service-monitor",
    ],
    "rasa-chatbot": ["check-appcontainer", "add-to-monorepo", "handle-build-strategy"],
    "graphql-platform": ["create-graphql-platform-claim", "handle-build-strategy"],
    "webservice": ["check-appcontainer", "create-application-claim", "wait-for-repository", "wait-for-application"],
}


@pytest.mark.parametrize("kind", ORDERS)
async def test_the_order_of_the_steps(kind: str) -> None:
    inputs = {"language": "python"} if kind == "webservice" else {}
    found = await rehearse(template_of(kind), MAIN, parameters(kind, inputs))
    assert [name for name in found.names if name in ORDERS[kind]] == ORDERS[kind]
    assert "update-gitops" not in found.names  # behind an Application the file is there already


@pytest.mark.parametrize(("kind", "inputs"), [("webservice", {"language": "python"}), ("identity-service", {})])
async def test_only_requests_for_one_service_are_written_back(kind: str, inputs: dict[str, Any]) -> None:
    whole = parameters(kind, inputs, source="api-driven") | {"application": "part", "service_name": "part"}
    found = await rehearse(template_of(kind), MAIN, whole)
    assert "update-gitops" in found.names
    written = found.objects("ApplicationClaim")[0]["spec"]
    assert (written["source"], written["gitOps"]["writeBack"]) == ("api-driven", True)

    several = await rehearse(template_of(kind), MAIN, parameters(kind, inputs, source="api-driven"))
    assert "update-gitops" not in several.names
    assert several.objects("ApplicationClaim")[0]["spec"]["gitOps"]["writeBack"] is False


async def test_without_a_language_there_is_no_repository_and_no_appcontainer() -> None:
    found = await rehearse(
        "pattern1-foundational-workflow", MAIN, parameters("webservice", {}, **provided("webservice"))
    )
    assert found.objects("AppContainerClaim") == []
    spec = found.objects("ApplicationClaim")[0]["spec"]
    assert (spec["language"], spec["appContainer"], spec["gitOps"]["writeBack"]) == ("", "", False)
    assert spec["databaseSecretRef"]["name"] == PROVIDED["database_secret"]


@pytest.mark.parametrize("owner_hash", ["", "0123456789abcdef"])
@pytest.mark.parametrize("kind", ["webservice", "rasa-chatbot", "graphql-gateway", "identity-service"])
async def test_an_appcontainer_of_another_owner_is_not_written(kind: str, owner_hash: str) -> None:
    inputs = {"language": "python"} if kind == "webservice" else {}
    rehearsal = Rehearsal({"AppContainerClaim": owner_hash})
    found = await rehearse(template_of(kind), MAIN, parameters(kind, inputs), rehearsal)
    assert found.phase == "Failed"
    assert {step["action"] for step in found.steps} == {"get"}
    assert found.steps[-1]["step"] == "name-owner"


@pytest.mark.parametrize("owner_hash", ["", "0123456789abcdef"])
@pytest.mark.parametrize("kind", PROPERTIES)
async def test_a_claim_of_another_owner_is_not_written(kind: str, owner_hash: str) -> None:
    """By the worker names carry the owner's hash; by hand any name may be given."""
    own = "GraphQLPlatformClaim" if kind == "graphql-platform" else TEMPLATES[template_of(kind)].claims[-1]
    own = "ApplicationClaim" if kind in SERVICES else own
    sent = parameters(kind, {}) | {"claim_name": "somebody-elses"}
    found = await rehearse(template_of(kind), MAIN, sent, Rehearsal({own: owner_hash}))
    assert found.phase == "Failed"
    assert [step["step"] for step in found.steps] == ["look-up-claim", "refuse-foreign-claim", "name-owner"]
    metadata = {"name": "somebody-elses", "namespace": "shop"}
    assert all(step["object"]["metadata"] == metadata and step["object"]["kind"] == own for step in found.steps)


@pytest.mark.parametrize("kind", PROPERTIES)
async def test_an_own_claim_is_written_again(kind: str) -> None:
    known = dict.fromkeys((claim for template in TEMPLATES.values() for claim in template.claims), HASH)
    found = await rehearse(template_of(kind), MAIN, parameters(kind, {}), Rehearsal(known))
    assert (found.phase, found.message) == ("Succeeded", "")
    assert "apply" in {step["action"] for step in found.steps}
    assert "refuse-foreign-claim" not in {step["step"] for step in found.steps}


@pytest.mark.parametrize("kind", PROPERTIES)
async def test_a_claim_that_does_not_become_ready_fails_with_its_own_message(kind: str) -> None:
    claims = TEMPLATES[template_of(kind)].claims
    failing = Rehearsal(failing=frozenset(claims))
    found = await rehearse(template_of(kind), MAIN, parameters(kind, {}), failing)
    assert found.phase == "Failed"
    assert "explain-failure" in found.names
    assert found.steps[-1]["action"] == "get"


HOSTILE = [
    "{{workflow.uid}}",
    "{{=toJson(workflow.name)}}",
    "{{=sprig.env('HOME')}}",
    '"}} {{{{ \\" \\\\',
    "a\nspec: {deletionPolicy: Orphan}",
    "*alias &anchor !!python/object: | > % @ `x` # $(reboot); rm -rf / && ' \" ${HOME}",
    "\u2028\u00e9\U0001f3f4\U000e0067\U000e007f",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_text_in_json_parameters_reaches_the_claim_as_it_was_sent(text: str) -> None:
    from worker.outbound.workflow_text import escape_json

    settings = {"policies": text, "repository": "chat", "rasa_image": text, "custom_resolvers": [{"name": text}]}
    sent = parameters("rasa-chatbot", {}) | {"settings": escape_json(json.dumps(settings, ensure_ascii=False))}
    found = await rehearse("pattern2-compositional-workflow", MAIN, sent)
    assert found.phase == "Succeeded", found.message
    spec = found.objects("ApplicationClaim")[0]["spec"]
    assert json.loads(spec["settings"]) == settings
    assert spec["chatbot"]["rasaImage"] == text
    assert "deletionPolicy" not in spec

    sent |= {"component_type": "graphql-platform"}
    spec = (await rehearse("pattern2-compositional-workflow", MAIN, sent)).objects("GraphQLPlatformClaim")[0]["spec"]
    assert spec["customResolvers"] == [{"name": text}]

    patterns = escape_json(json.dumps([text], ensure_ascii=False))
    sent = parameters("camunda-orchestrator", {}) | {"saga_patterns": patterns}
    found = await rehearse("orchestration-workflow", MAIN, sent)
    assert found.objects("OrchestrationPlatformClaim")[0]["spec"]["sagaPatterns"] == [text]

    values = escape_json(json.dumps({"note": text}, ensure_ascii=False))
    found = await rehearse("vcluster-workflow", MAIN, parameters("vcluster", {}) | {"values": values})
    assert json.loads(found.objects("VClusterEnvironmentClaim")[0]["spec"]["values"]) == {"note": text}


@pytest.mark.parametrize("text", [one for one in HOSTILE if "{{" not in one and "\u2028" not in one])
async def test_plain_text_reaches_the_claim_as_it_was_sent(text: str) -> None:
    sent = parameters("postgresql", {}) | {"database": text, "storage": text, "version": text}
    found = await rehearse("pattern3-infrastructure-workflow", MAIN, sent)
    spec = found.objects("InfrastructureClaim")[0]["spec"]
    assert (spec["database"], spec["resources"]["storage"], spec["version"]) == (text, text, text)
    assert "deletionPolicy" not in spec


@pytest.mark.parametrize("name", TEMPLATES)
async def test_each_can_be_submitted_alone(name: str) -> None:
    words = {
        "provider_type": "neon-postgres",
        "secret_name": "test-secret",
        "infrastructure_type": "redis",
        "component_type": "identity-service",
        "service_name": "hello",
        "vcluster_name": "sandbox",
    }
    given = {one.name: words[one.name] for one in TEMPLATES[name].inputs.values() if one.required}
    found = await rehearse(name, MAIN, given)
    assert (found.phase, found.message) == ("Succeeded", "")
    claim = [step["object"] for step in found.steps if step["action"] == "apply"][-1]
    by_hand = sha256(b"by-hand/default/").hexdigest()
    assert claim["metadata"]["labels"]["platform.io/owner"] == by_hand[:16]
    own = [one for kind in TEMPLATES[name].claims for one in found.objects(kind) if kind != "AppContainerClaim"]
    assert own[0]["metadata"]["name"].endswith(by_hand[:8])
    assert own[0]["spec"]["generation"] == "0f8e9d2c-7b1a-4c55-9a51-3b7d0c6f1e22"
    left = await rehearse(name, TEARDOWN, given)
    assert f"--field-selector=metadata.name={own[0]['metadata']['name']}" in left.steps[0]["flags"]
