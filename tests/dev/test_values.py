"""Values that a user may write, sent as events through a real worker: they reach the claims as they were."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts.names import InboundType, message_id
from worker.cli.documents import request
from worker.cli.ledger_view import read
from worker.dev.argo.client import ApiClient
from worker.dev.environment import environment
from worker.dev.loopback import free_port
from worker.dev.process import worker_process
from worker.outbound.desk import Desk, connected
from worker.outbound.installation import apply_streams, declared_streams
from worker.settings import Settings

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


class Platform:
    """Servers and a worker, to which Applications are published one by one."""

    def __init__(self, desk: Desk, api: ApiClient) -> None:
        self.desk, self.api = desk, api

    async def claim(self, plural: str, document: dict[str, Any]) -> dict[str, Any]:
        """Publish an Application and return its one claim of a kind, once its run has succeeded."""
        name = document["metadata"]["name"]
        data = {"application": document, "operation": "ADD"}
        outgoing = request(InboundType.APPLICATION_CHANGED, data, event_id=f"values-{name}", traceparent=None)
        headers, body = outgoing.to_message()
        await self.desk.publish(outgoing.subject, body, headers, message_id(outgoing.subject, outgoing.event.id))
        await asyncio.wait_for(self._succeeded(name), 60)
        listed = await self.api.call("GET", f"/apis/platform.example.org/v1alpha1/namespaces/default/{plural}")
        mine: list[dict[str, Any]] = [
            c for c in listed["items"] if c["metadata"]["annotations"]["platform.io/application"] == name
        ]
        assert len(mine) == 1
        return mine[0]

    async def _succeeded(self, name: str) -> None:
        while True:
            told = [read(letter) async for letter in self.desk.statuses(f"platform.status.default.{name}.>")]
            kinds = [entry.kind for entry in told]
            if {"failed", "rejected", "succeeded"} & set(kinds):
                assert kinds[-1] == "succeeded", str(told[-1].data["errors"][0]["message"])
                return
            await asyncio.sleep(0.1)


async def test_values_reach_the_claims_verbatim(tmp_path: Path) -> None:
    async with environment(claim_seconds=0.05, deadline=20) as servers:
        port = free_port()
        variables = servers.worker_variables(port)
        settings = Settings.from_environment(variables)
        async with connected(settings) as client, ApiClient.from_kubeconfig(servers.kubeconfig) as api:
            await apply_streams(client, declared_streams(settings))
            async with worker_process(variables, port, tmp_path / "worker.log"):
                platform = Platform(Desk(client, settings), api)

                values = {"texts": TEXTS, "keys": {text: number for number, text in enumerate(TEXTS)}, "deep": [[{}]]}
                made = await platform.claim(
                    "vclusterenvironmentclaims", application("virtual", "vcluster", {"values": values})
                )
                assert json.loads(made["spec"]["values"]) == values

                properties = {"policies": LINES, "nluPipeline": " ".join(LINES), "language": "rasa"}
                made = await platform.claim("applicationclaims", application("chat", "rasa-chatbot", properties))
                handed_on = json.loads(made["spec"]["settings"])
                assert handed_on["policies"] == LINES
                assert handed_on["nlu_pipeline"] == " ".join(LINES)
