"""Every event, Application and claim in the documents is one that the contracts take."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from contracts import inbound, names, strict_json
from contracts.events import from_claim, parse_data
from contracts.names import InboundType, OutboundType
from contracts.status import STATUS
from contracts.violations import ContractViolation
from tests.docs.markdown import Block, blocks

DATA = blocks("json", "yaml")
SHELL = blocks("sh", "console")
CLOUDEVENTS = {"Content-Type": "application/cloudevents+json"}


def check(document: dict[str, Any]) -> str:
    """Return what a document is; an event type, or the kind of an object that the platform reads.

    Raises:
        ContractViolation, ValidationError: It is wrong.
    """
    if "specversion" in document:
        kind = str(document["type"])
        if kind in set(OutboundType):
            STATUS[OutboundType(kind)].model_validate_json(strict_json.dumps(document["data"]))
        else:
            inbound.decode(CLOUDEVENTS, strict_json.dumps(document))
        return kind
    if document.get("apiVersion") == names.OAM_API_VERSION:
        parse_data(InboundType.APPLICATION_CHANGED, {"application": document})
        return "Application"
    if document.get("kind") == "ApplicationClaim":
        from_claim(document)
        return "ApplicationClaim"
    if "body" in document and "operation" in document:
        inbound.decode({}, strict_json.dumps(document))
        return "sensor body"
    return ""


def documents_of(block: Block) -> list[Any]:
    if block.language == "json":
        return [json.loads(block.body)]
    return [one for one in yaml.safe_load_all(block.body) if one is not None]


@pytest.mark.parametrize("block", DATA, ids=str)
def test_blocks_of_data_are_valid(block: Block) -> None:
    # An ApplicationClaim is also a claim of the platform's own API, which asks for less, and has tests of its own.
    of_the_api = "04-apis" in block.path.parts
    for document in documents_of(block):
        if isinstance(document, dict) and not (of_the_api and document.get("kind") == "ApplicationClaim"):
            check(document)


@pytest.mark.parametrize("block", [one for one in SHELL if "<<'" in one.body], ids=str)
def test_here_documents_are_valid(block: Block) -> None:
    for command, body in block.heredocs():
        for document in yaml.safe_load_all(body):
            assert check(document), f"{block}: {command}: what is it?"


def test_the_readme_has_an_example_of_each_type() -> None:
    found = {check(one) for block in DATA if block.path.name == "README.md" for one in documents_of(block)}
    for block in SHELL:
        if block.path.name == "README.md":
            found |= {check(one) for _, body in block.heredocs() for one in yaml.safe_load_all(body)}
    assert {str(kind) for kind in (*InboundType, *OutboundType)} - found == set()
    assert {"Application", "sensor body"} <= found


def test_wrong_examples_are_found() -> None:
    with pytest.raises(ContractViolation):
        check({"specversion": "1.0", "type": InboundType.RETRY_REQUESTED, "id": "a", "source": "b", "data": {}})
    with pytest.raises(ValidationError):
        check({"specversion": "1.0", "type": OutboundType.ACCEPTED, "id": "a", "source": "b", "data": {}})
    with pytest.raises(ContractViolation):
        check({"apiVersion": names.OAM_API_VERSION, "kind": "Application", "metadata": {"name": "A B"}, "spec": {}})
