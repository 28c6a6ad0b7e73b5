"""What a step may be and do: this platform's own rules, and the grammars that Argo reads only when the step runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from tools.workflow_lint.finding import tasks
from tools.workflow_lint.tags import TAG, decodes, quoted, tags
from worker.dev.argo import conditions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.workflow_lint.finding import Document, Finding, Json

_ACTIONS = ("get", "create", "apply", "delete", "replace", "patch")
_ALLOWED = frozenset({"dag", "resource"})
_OTHERS = ("container", "containerSet", "data", "http", "plugin", "script", "steps", "suspend")
_OWNER = re.compile(r"--selector=platform\.io/owner=.+")


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with the steps of a document."""
    for name, template in document.templates.items():
        place = f"$.spec.templates[{name}]"
        for kind in _OTHERS:
            if kind in template:
                message = f"a step is a resource or a DAG, not {kind}: nothing here runs a program of its own"
                yield document.finding(f"{place}.{kind}", "step-kind", message)
        if not _ALLOWED & template.keys() and not set(_OTHERS) & template.keys():
            yield document.finding(place, "step-kind", "the template does nothing: give it a resource or a DAG")
        for task in tasks(template):
            yield from _when(document, task, f"{place}.dag.tasks[{task.get('name')}]")
            yield from _decoded(document, task, f"{place}.dag.tasks[{task.get('name')}]")
        if "resource" in template:
            yield from _resource(document, template, place)


def _when(document: Document, task: Json, at: str) -> Iterator[Finding]:
    for tag in tags(str(task.get("when") or "")):
        if tag.tree is None or not quoted(tag.tree):
            message = f"{tag.text}: a value must not become part of the condition: write {{{{=… == '…'}}}}"
            yield document.finding(f"{at}.when", "raw-value", message)


def _decoded(document: Document, task: Json, at: str) -> Iterator[Finding]:
    for argument in (task.get("arguments") or {}).get("parameters") or ():
        for tag in tags(str(argument.get("value") or "")):
            if tag.tree is not None and decodes(tag.tree):
                yield document.finding(f"{at}.arguments[{argument.get('name')}]", "decoded-value", _DECODED)


_DECODED = "what is decoded here may open a tag: put replace(…, '{' + '{', …) around it"


def _resource(document: Document, template: Json, place: str) -> Iterator[Finding]:
    resource = template["resource"]
    at = f"{place}.resource"
    action = resource.get("action")
    if action not in _ACTIONS:
        yield document.finding(at, "action", f"{action!r} is none of {', '.join(_ACTIONS)}")
    if resource.get("setOwnerReference"):
        message = "the claim would be deleted with the Workflow, and escaped text be expanded"
        yield document.finding(at, "owner-reference", message)
    if "activeDeadlineSeconds" not in template:
        yield document.finding(place, "deadline", "without activeDeadlineSeconds the step may wait for ever")
    yield from _flags(document, resource, at)
    yield from _conditions(document, resource, at)
    yield from _manifest(document, str(resource.get("manifest") or ""), f"{at}.manifest")


def _flags(document: Document, resource: Json, at: str) -> Iterator[Finding]:
    flags = [str(flag) for flag in resource.get("flags") or ()]
    action = resource.get("action")
    if action == "apply":
        managers = [flag for flag in flags if flag.startswith("--field-manager=")]
        if "--server-side" not in flags or len(managers) != 1 or "{{" in managers[0]:
            message = "apply on the server, with one fixed --field-manager: fields that are left out are removed then"
            yield document.finding(f"{at}.flags", "server-side-apply", message)
        if any(flag.startswith("--force-conflicts") for flag in flags):
            yield document.finding(f"{at}.flags", "server-side-apply", "--force-conflicts takes fields from others")
    if action == "delete" and not any(map(_OWNER.fullmatch, flags)):
        message = "delete by --selector=platform.io/owner=…, or another owner's object of that name would go"
        yield document.finding(f"{at}.flags", "delete-without-owner", message)


def _conditions(document: Document, resource: Json, at: str) -> Iterator[Finding]:
    for field in ("successCondition", "failureCondition"):
        text = str(resource.get(field) or "")
        try:
            requirements = conditions.parse(TAG.sub("placeholder", text))
        except conditions.ConditionError as error:
            message = f"{error}: only dotted paths can be compared, so no condition can be chosen by its type"
            yield document.finding(f"{at}.{field}", "selector-syntax", message)
            continue
        keys = {one.key for one in requirements}
        if field == "successCondition" and keys and "status.appliedGeneration" not in keys:
            message = "an earlier Ready would count: require status.appliedGeneration == {{…generation}} too"
            yield document.finding(f"{at}.{field}", "old-ready", message)


def _manifest(document: Document, text: str, at: str) -> Iterator[Finding]:
    for tag in tags(text):
        if tag.error:
            continue
        if tag.tree is None or not quoted(tag.tree):
            message = f"{tag.text}: text may end the line and go on with YAML of its own: write {{{{=toJson(…)}}}}"
            yield document.finding(at, "raw-value", message)
        elif decodes(tag.tree):
            yield document.finding(at, "decoded-value", f"{tag.text}: {_DECODED}")
    try:
        body = yaml.safe_load(TAG.sub("placeholder", text))
    except yaml.YAMLError as error:
        yield document.finding(at, "manifest", f"the manifest is no YAML: {' '.join(str(error).split())}")
        return
    if not text:
        return
    if not isinstance(body, dict) or not {"apiVersion", "kind", "metadata"} <= body.keys():
        yield document.finding(at, "manifest", "a manifest is one object with apiVersion, kind and metadata")
    elif "namespace" not in body["metadata"]:
        yield document.finding(at, "manifest", "without a namespace the object would go to Argo's own")
