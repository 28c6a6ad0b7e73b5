"""Values that a user may write, sent as events through a real worker: they reach the claims as they were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.platform import Platform, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("demo")

#: One line each: tags of Argo and of others, quotes, escapes, words of YAML and of shells.
LINES = [
    "{{workflow.uid}}",
    "{{=workflow.uid}}",
    "{{=toJson(workflow.annotations)}}",
    "{{inputs.parameters.owner}}",
    "{{=sprig.b64dec('e3t3b3JrZmxvdy51aWR9fQ==')}}",
    "{{tasks.c-x.outputs.parameters.y}}",
    "{{=foo(",
    "{{",
    "}}",
    "{{{{x}}}}",
    "{\\u007bworkflow.uid}}",
    "{{ .Values.x }} ${HOME} $(id) `id` %s %{x}",
    "; rm -rf / | cat && x > y < z # no",
    "it's \"quoted\" 'twice'",
    "back\\slash \\n \\u0041 \\x41 \\",
    "yaml: {a: [1, - b]} # comment",
    "- !!python/object:os.system &a *a",
    "null",
    "true",
    "0o17",
    "~",
    "",
    " leading and trailing ",
    "<script>&amp;</script>",
    "ünï → 🙂 漢字",
]
#: These only where a value may have several lines.
TEXTS = [*LINES, "a\nb: c\n---\nkind: Secret\n", "tab\there", "\r\n", "\u2028\u2029\ufeff", "\x01\x7f"]


def application(name: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    component = {"name": "it", "type": kind, "properties": properties}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"components": [component]},
    }


async def claim(platform: Platform, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """Publish an Application and return its one claim of a kind."""
    assert await platform.run(document) == "succeeded"
    name = document["metadata"]["name"]
    [found] = [one for one in await platform.claims(name) if one["kind"] == kind]
    return found


async def test_values_reach_the_claims_verbatim(tmp_path: Path) -> None:
    async with running(tmp_path) as platform:
        values = {"texts": TEXTS, "keys": {text: number for number, text in enumerate(TEXTS)}, "deep": [[{}]]}
        virtual = application("virtual", "vcluster", {"values": values})
        made = await claim(platform, "VClusterEnvironmentClaim", virtual)
        assert json.loads(made["spec"]["values"]) == values

        properties = {"policies": LINES, "nluPipeline": " ".join(LINES), "language": "rasa"}
        made = await claim(platform, "ApplicationClaim", application("chat", "rasa-chatbot", properties))
        handed_on = json.loads(made["spec"]["settings"])
        assert handed_on["policies"] == LINES
        assert handed_on["nlu_pipeline"] == " ".join(LINES)

        properties = {"domain": "healthcare", "customProfiles": LINES, "additionalIntegrations": LINES}
        made = await claim(platform, "ApplicationClaim", application("people", "identity-service", properties))
        handed_on = json.loads(made["spec"]["settings"])
        assert handed_on["custom_profiles"] == handed_on["additional_integrations"] == LINES
