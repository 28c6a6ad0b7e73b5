"""The two servers under test, and how each is brought to refuse.

`refuse_with` is the only place where they differ: the embedded API is told a fault, the real one gets a quota, a policy
or a flow schema. What a test asserts on the answer is the same.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Protocol

from tests.api import rules
from tests.api.client import MERGE, Answer, Client
from tests.api.kinds import DEFINITIONS, GROUP, gadget, widget
from tests.support.processes import tied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.control_plane import ControlPlane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
_TIMEOUT = 20.0
_POLL = 0.02
#: Answers in a row that must agree: a real server reads its configuration from caches.
_SETTLED = 3


class Server(Protocol):
    """An API server with the administrator's client."""

    admin: Client

    def refuse_with(self, kind: str, namespace: str, token: str) -> AbstractContextManager[None]:
        """Refuse creates of Widgets in a namespace for the identity of a token: quota, policy or too-many-requests."""


def until(check: Callable[[], bool], what: str) -> None:
    """Wait until a check holds several times in a row."""
    deadline, agreeing = time.monotonic() + _TIMEOUT, 0
    while agreeing < _SETTLED:
        agreeing = agreeing + 1 if check() else 0
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {_TIMEOUT:g} s: {what}")
        time.sleep(_POLL)


def widgets(namespace: str) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/widgets"


def install(client: Client) -> None:
    """Create the suite's kinds and wait until creates are served at full speed."""
    for one in (*DEFINITIONS, rules.DEFINITION):
        answer = client.call("POST", CRDS, one)
        assert answer.code in {201, 409}, answer.text
    probes = {"widgets": widget("probe"), "gadgets": gadget("probe"), "ruleds": rules.ruled("probe")}
    for plural, value in probes.items():
        path = f"/apis/{GROUP}/v1/namespaces/default/{plural}"
        until(lambda p=path, v=value: client.call("POST", p, v, dryRun="All").code == 201, path)  # type: ignore[misc]


def new_namespace(client: Client) -> str:
    name = f"suite-{secrets.token_hex(4)}"
    client.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def service_account(client: Client, namespace: str, rules: list[dict[str, Any]]) -> str:
    """Make a ServiceAccount with a Role; return its token once it is of use."""
    name = f"sa-{secrets.token_hex(3)}"
    core, rbac = f"/api/v1/namespaces/{namespace}/serviceaccounts", f"{_RBAC}/namespaces/{namespace}"
    client.expect(201, "POST", core, {"metadata": {"name": name}})
    client.expect(201, "POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    client.expect(201, "POST", f"{rbac}/rolebindings", binding)
    made = client.expect(201, "POST", f"{core}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    token = str(made.body["status"]["token"])
    if rules:
        review = {
            "spec": {
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": rules[0]["verbs"][0],
                    "group": rules[0]["apiGroups"][0],
                    "resource": rules[0]["resources"][0],
                }
            }
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        bound = client.with_token(token)
        until(lambda: bound.expect(201, "POST", path, review).body["status"]["allowed"] is True, "the role is bound")
    return token


class EmbeddedServer:
    """The embedded API as a process of its own, as crash tests use it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "worker.dev.kubernetes"]
        self._process = subprocess.Popen(tied(command), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self._control = ready["admin"]
        self.admin = Client(ready["url"], ready["token"])
        install(self.admin)

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(10) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def control(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._control + path, data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            raw = response.read()
        return json.loads(raw) if raw else None

    @contextlib.contextmanager
    def refuse_with(self, kind: str, namespace: str, token: str) -> Iterator[None]:
        match = {"verb": "create", "resource": f"widgets.{GROUP}", "namespace": namespace}
        rule = self.control("POST", "/faults", {"refuse": kind, "times": None, "match": match})
        yield
        self.control("DELETE", f"/faults/{rule['id']}")


class RealServer:
    """A kube-apiserver with etcd."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.admin = Client(control_plane.url, control_plane.admin_token, control_plane.ca_file)
        install(self.admin)

    @contextlib.contextmanager
    def refuse_with(self, kind: str, namespace: str, token: str) -> Iterator[None]:
        install_refusal = {"quota": self._quota, "policy": self._policy, "too-many-requests": self._flow}[kind]
        client = self.admin.with_token(token)

        def create() -> Answer:
            name = f"probe-{secrets.token_hex(4)}"
            return client.call("POST", widgets(namespace), widget(name), dryRun="All")

        with contextlib.ExitStack() as cleanup:
            cleanup.callback(until, lambda: create().code == 201, f"creates are no longer refused by {kind}")
            for path in install_refusal(namespace):
                cleanup.callback(self.admin.expect, 200, "DELETE", path)
            if kind == "too-many-requests":
                self._wait_for_flow(client, namespace)
                cleanup.enter_context(client.hold(widgets(namespace)))  # an idle level lets one request through
            until(lambda: create().code != 201, f"creates are refused by {kind}")
            yield

    def _wait_for_flow(self, client: Client, namespace: str) -> None:
        uid = self.admin.expect(200, "GET", f"{_FLOW}/flowschemas/{namespace}").metadata["uid"]
        header = "X-Kubernetes-Pf-Flowschema-Uid"
        until(lambda: client.call("GET", widgets(namespace)).headers.get(header) == uid, "the flow schema matches")

    def _quota(self, namespace: str) -> list[str]:
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        count = {f"count/widgets.{GROUP}": "1"}
        self.admin.expect(201, "POST", path, {"metadata": {"name": "quota"}, "spec": {"hard": count}})
        status = {"status": {"hard": count, "used": count}}  # its controller does not run here
        self.admin.expect(200, "PATCH", f"{path}/quota/status", status, MERGE)
        return [f"{path}/quota"]

    def _policy(self, namespace: str) -> list[str]:
        policies, bindings = (
            f"{_ADMISSION}/validatingadmissionpolicies",
            f"{_ADMISSION}/validatingadmissionpolicybindings",
        )
        rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["widgets"]}
        constraints = {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        }
        validation = {"expression": "false", "message": "refused by policy", "reason": "Forbidden"}
        spec = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": [validation]}
        self.admin.expect(201, "POST", policies, {"metadata": {"name": "policy"}, "spec": spec})
        binding = {"policyName": "policy", "validationActions": ["Deny"]}
        self.admin.expect(201, "POST", bindings, {"metadata": {"name": "policy"}, "spec": binding})
        return [f"{bindings}/policy", f"{policies}/policy"]

    def _flow(self, namespace: str) -> list[str]:
        """Give the namespace's service accounts a priority level without any seat."""
        levels, schemas = f"{_FLOW}/prioritylevelconfigurations", f"{_FLOW}/flowschemas"
        limited = {
            "nominalConcurrencyShares": 0,
            "lendablePercent": 0,
            "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        }
        self.admin.expect(
            201, "POST", levels, {"metadata": {"name": namespace}, "spec": {"type": "Limited", "limited": limited}}
        )
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
        group = {"kind": "Group", "group": {"name": f"system:serviceaccounts:{namespace}"}}
        spec = {
            "priorityLevelConfiguration": {"name": namespace},
            "matchingPrecedence": 2,
            "rules": [{"subjects": [group], "resourceRules": [everything]}],
        }
        self.admin.expect(201, "POST", schemas, {"metadata": {"name": namespace}, "spec": spec})
        return [f"{schemas}/{namespace}", f"{levels}/{namespace}"]
