"""The doctor on a real API server: a whole installation is healthy, and whatever is taken away is what it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cluster.installation import NAMESPACE, Part, parts, prepare
from tests.support.control_plane import ControlPlane, MissingBinariesError
from tests.support.nats import NatsServer
from worker.cli.app import cli

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("doctor")]

Examine = Callable[..., dict[str, Any]]
#: Needs an aggregated API server, which the lanes of the platform API bring; here its absence is the one finding.
_METRICS = "v1beta1.external.metrics.k8s.io"


@pytest.fixture(scope="module")
def installed() -> Iterator[ControlPlane]:
    """A control plane of its own: what is made here has no namespace to keep it from other tests."""
    try:
        server = ControlPlane()
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)
    with server:
        prepare(server)
        for part in parts():
            part.create(server)
        yield server


@pytest.fixture
def examine(installed: ControlPlane, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> Examine:
    monkeypatch.setenv("NATS_URL", nats_server.url)
    monkeypatch.setenv("KUBECONFIG", str(installed.kubeconfig()))
    monkeypatch.setenv("WORKFLOW_NAMESPACE", NAMESPACE)
    runner = CliRunner()
    applied = runner.invoke(cli, ["streams", "apply"])
    assert applied.exit_code == 0, applied.output

    def run(*options: str) -> dict[str, Any]:
        done = runner.invoke(cli, ["doctor", "--output", "json", *options])
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == (0 if found["healthy"] else 1), done.output
        assert "canary" not in done.output
        return found

    return run


def failing(found: dict[str, Any]) -> set[str]:
    """Return the names of what failed, and see that each says why and what to do."""
    failed = [one for one in found["findings"] if one["health"] == "failed"]
    assert all(one["detail"] and one["fix"] for one in failed)
    return {one["name"] for one in failed} - {_METRICS}


def test_a_whole_installation_is_healthy(examine: Examine) -> None:
    found = examine()
    assert failing(found) == set()
    areas = {one["area"] for one in found["findings"]}
    assert areas == {
        "NATS",
        "controllers",
        "kinds",
        "Crossplane",
        "objects",
        "claims",
        "templates",
        "accounts",
        "secrets",
        "KubeVela",
    }
    assert [one["health"] for one in found["findings"] if one["area"] == "KubeVela"] == ["ok"]


@pytest.mark.parametrize("part", [part for part in parts() if part.found_by], ids=lambda part: part.path)
def test_what_is_taken_away_is_named(part: Part, installed: ControlPlane, examine: Examine) -> None:
    installed.expect(200, "DELETE", part.path)
    try:
        assert failing(examine()) >= part.found_by
    finally:
        part.create(installed)


def test_a_controller_that_is_down_is_named_with_its_reason(installed: ControlPlane, examine: Examine) -> None:
    part = next(part for part in parts() if "KEDA" in part.found_by)
    deployment = installed.expect(200, "GET", part.path)
    down = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "0 of 1 run"}
    installed.expect(200, "PUT", f"{part.path}/status", {**deployment, "status": {"conditions": [down]}})
    try:
        [keda] = [one for one in examine()["findings"] if one["name"] == "KEDA"]
    finally:
        installed.expect(200, "DELETE", part.path)
        part.create(installed)
    assert keda["detail"] == "default/keda is not available: 0 of 1 run"


def test_an_old_template_is_named_with_what_it_lacks(installed: ControlPlane, examine: Examine) -> None:
    part = next(part for part in parts() if "vcluster-workflow" in part.found_by)
    template = installed.expect(200, "GET", part.path)
    main = next(one for one in template["spec"]["templates"] if one["name"] == "main")
    main["inputs"]["parameters"] = [one for one in main["inputs"]["parameters"] if one["name"] != "storage_size"]
    installed.expect(200, "PUT", part.path, template)
    try:
        [found] = [one for one in examine()["findings"] if one["name"] == "vcluster-workflow"]
    finally:
        installed.expect(200, "DELETE", part.path)
        part.create(installed)
    assert found["detail"] == "main does not take storage_size"


def test_secrets_are_looked_for_by_name(installed: ControlPlane, examine: Examine) -> None:
    secrets = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    installed.expect(201, "POST", secrets, {"metadata": {"name": "there"}, "stringData": {"password": "canary"}})
    found = failing(examine("--secret", f"{NAMESPACE}/there", "--secret", f"{NAMESPACE}/not-there"))
    assert found == {f"{NAMESPACE}/not-there"}


def test_who_may_see_nothing_is_told_so(
    installed: ControlPlane, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = installed.service_account(NAMESPACE, [], name="nobody")
    monkeypatch.setenv("KUBECONFIG", str(installed.kubeconfig("nobody", token)))
    found = [one for one in examine()["findings"] if one["area"] != "NATS"]
    refused = [one for one in found if one["health"] == "failed" and "cannot" in one["detail"]]
    assert len(refused) >= len(found) - 1


def test_a_table_for_people(examine: Examine) -> None:
    del examine
    done = CliRunner().invoke(cli, ["doctor"], env={"COLUMNS": "160"})
    assert "takes and gives what the worker expects" in done.stdout
    assert f"→ kubectl describe apiservice {_METRICS}" in done.stdout
