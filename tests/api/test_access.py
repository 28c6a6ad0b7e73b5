"""Who may do what, and refusals that come from policy, quota and flow control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.client import APPLY, MERGE
from tests.api.kinds import GROUP, widget
from tests.api.servers import service_account

if TYPE_CHECKING:
    from tests.api.client import Client
    from tests.api.servers import Server


def test_an_unknown_token_is_unauthorized(api: Client, path: str) -> None:
    refused = api.with_token("nobody").expect(401, "GET", path)
    assert refused.reason == "Unauthorized"
    assert refused.message == "Unauthorized"


def test_without_token_one_is_anonymous(api: Client, path: str) -> None:
    refused = api.with_token(None).expect(403, "GET", path)
    assert 'User "system:anonymous" cannot list resource "widgets"' in refused.message


def test_a_role_allows_what_it_lists(api: Client, path: str, namespace: str) -> None:
    rules = [{"apiGroups": [GROUP], "resources": ["widgets"], "verbs": ["create", "get"]}]
    worker = api.with_token(service_account(api, namespace, rules))
    worker.expect(201, "POST", path, widget("one"))
    worker.expect(200, "GET", f"{path}/one")
    worker.expect(403, "GET", path)
    worker.expect(403, "DELETE", f"{path}/one")


def test_applying_something_new_takes_the_right_to_create(api: Client, path: str, namespace: str) -> None:
    rules = [{"apiGroups": [GROUP], "resources": ["widgets"], "verbs": ["patch"]}]
    worker = api.with_token(service_account(api, namespace, rules))
    refused = worker.expect(403, "PATCH", f"{path}/one", widget("one"), APPLY, fieldManager="suite")
    assert refused.reason == "Forbidden"
    api.expect(201, "POST", path, widget("one"))
    worker.expect(200, "PATCH", f"{path}/one", widget("one"), APPLY, fieldManager="suite", force="true")


@pytest.mark.parametrize(
    ("method", "suffix", "verb", "resource"),
    [
        ("POST", "", "create", "widgets"),
        ("GET", "", "list", "widgets"),
        ("GET", "/one", "get", "widgets"),
        ("PUT", "/one", "update", "widgets"),
        ("PATCH", "/one", "patch", "widgets"),
        ("PATCH", "/one/status", "patch", "widgets/status"),
        ("DELETE", "/one", "delete", "widgets"),
        ("DELETE", "", "deletecollection", "widgets"),
    ],
)
def test_without_a_role_the_refusal_names_verb_and_resource(
    api: Client, path: str, namespace: str, method: str, suffix: str, verb: str, resource: str
) -> None:
    nobody = api.with_token(service_account(api, namespace, []))
    body = None if method in {"GET", "DELETE"} else widget("one")
    refused = nobody.expect(403, method, path + suffix, body, MERGE if method == "PATCH" else "application/json")
    assert refused.reason == "Forbidden"
    subject = f'widgets.{GROUP} "one"' if suffix else f"widgets.{GROUP}"
    assert refused.message.startswith(f'{subject} is forbidden: User "system:serviceaccount:{namespace}:')
    assert (
        f'cannot {verb} resource "{resource}" in API group "{GROUP}" in the namespace "{namespace}"' in refused.message
    )


def test_a_refusal_at_cluster_scope_says_so(api: Client, token: str) -> None:
    refused = api.with_token(token).expect(403, "GET", f"/apis/{GROUP}/v1/widgets")
    assert refused.message.endswith("at the cluster scope")


def test_one_can_ask_what_one_may(api: Client, namespace: str, token: str) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    attributes = {"namespace": namespace, "verb": "create", "group": GROUP, "resource": "widgets"}
    asked = api.with_token(token).expect(201, "POST", reviews, {"spec": {"resourceAttributes": attributes}})
    assert asked.body["status"]["allowed"] is True
    attributes["namespace"] = "default"
    asked = api.with_token(token).expect(201, "POST", reviews, {"spec": {"resourceAttributes": attributes}})
    assert asked.body["status"]["allowed"] is False


def test_a_quota_is_forbidden_with_numbers(server: Server, api: Client, path: str, namespace: str, token: str) -> None:
    worker = api.with_token(token)
    with server.refuse_with("quota", namespace, token):
        refused = worker.expect(403, "POST", path, widget("one"))
    assert refused.reason == "Forbidden"
    count = f"count/widgets.{GROUP}"
    assert refused.message == (
        f'widgets.{GROUP} "one" is forbidden: exceeded quota: quota, requested: {count}=1, used: {count}=1, '
        f"limited: {count}=1"
    )
    assert refused.body["details"] == {"name": "one", "group": GROUP, "kind": "widgets"}


def test_a_policy_is_forbidden_with_its_message(
    server: Server, api: Client, path: str, namespace: str, token: str
) -> None:
    with server.refuse_with("policy", namespace, token):
        refused = api.with_token(token).expect(403, "POST", path, widget("one"))
    assert refused.reason == "Forbidden"
    assert refused.message == (
        f"widgets.{GROUP} \"one\" is forbidden: ValidatingAdmissionPolicy 'policy' with binding 'policy' "
        "denied request: refused by policy"
    )


def test_too_many_requests_are_told_in_plain_text(
    server: Server, api: Client, path: str, namespace: str, token: str
) -> None:
    with server.refuse_with("too-many-requests", namespace, token):
        refused = api.with_token(token).expect(429, "POST", path, widget("one"))
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Content-Type"].startswith("text/plain")
    assert refused.text == "Too many requests, please try again later.\n"


@pytest.mark.parametrize("kind", ["quota", "policy"])
def test_a_refusal_ends(server: Server, api: Client, path: str, namespace: str, token: str, kind: str) -> None:
    worker = api.with_token(token)
    with server.refuse_with(kind, namespace, token):
        worker.expect(403, "POST", path, widget("one"))
    worker.expect(201, "POST", path, widget("one"))
