"""GraphQLPlatformClaim: what a claim must lead to, said from the claim."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.platform import goldens
from tests.platform.platform_claims import (
    GRAPHQL,
    claim,
    connection,
    containers,
    env,
    manifests,
    parts,
    parts_of,
    status,
    status_of,
)
from tests.platform.renderer import MissingRendererError, Renderer, composite_of

NAME = "shop-catalogue-1a2b3c4d"
HASURA = f"http://{NAME}.shop.svc.cluster.local:8080"


def operations(made: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    request = json.loads(made["request"]["spec"]["forProvider"]["manifest"]["data"]["request.json"])
    assert request["type"] == "bulk_keep_going"
    found: list[dict[str, Any]] = request["args"]
    return found


def named(kind: str, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found = [operation["args"] for operation in operations(made) if operation["type"] == kind]
    return {arguments["name"]: arguments.get("definition") for arguments in found}


def hasura(case: str) -> dict[str, Any]:
    (container,) = containers(manifests(GRAPHQL, case)["deployment"])
    return container


def test_hasura_has_a_database_of_its_own() -> None:
    database = manifests(GRAPHQL, "minimal")["database"]
    assert (database["kind"], database["spec"]["infrastructureType"]) == ("InfrastructureClaim", "postgresql")
    assert env(hasura("minimal"))["HASURA_GRAPHQL_DATABASE_URL"] == ("catalogue-db-connection", "connection_string")
    assert hasura("minimal")["image"] == "hasura/graphql-engine:v2.48.15"


@pytest.mark.parametrize(
    ("case", "console", "allow_list"), [("minimal", "true", "false"), ("nothing-found", "false", "true")]
)
def test_switches_are_hasuras(case: str, console: str, allow_list: str) -> None:
    found = env(hasura(case))
    assert found["HASURA_GRAPHQL_ENABLE_CONSOLE"] == console
    assert found["HASURA_GRAPHQL_ENABLE_ALLOWLIST"] == allow_list


@pytest.mark.parametrize(("case", "roles"), [("minimal", ["anonymous", "user"]), ("nothing-found", [])])
def test_introspection_is_hidden_from_roles(case: str, roles: list[str]) -> None:
    (found,) = (
        operation["args"]
        for operation in operations(parts(GRAPHQL, case))
        if operation["type"] == "set_graphql_schema_introspection_options"
    )
    assert found == {"disabled_for_roles": roles}


def test_the_admin_secret_is_generated_unless_the_claim_names_one() -> None:
    assert env(hasura("minimal"))["HASURA_GRAPHQL_ADMIN_SECRET"] == ("catalogue-admin", "hasura-admin-secret")
    secret = manifests(GRAPHQL, "minimal")["admin-secret"]["spec"]
    assert secret["refreshPolicy"] == "CreatedOnce", "another one would lock everybody out"
    assert secret["target"]["template"]["data"] == {"hasura-admin-secret": "{{ .password }}"}
    own = parts(GRAPHQL, "own-admin-secret")
    assert not own.keys() & {"password", "admin-secret"}
    assert env(hasura("own-admin-secret"))["HASURA_GRAPHQL_ADMIN_SECRET"] == ("catalogue-admin", "hasura-admin-secret")


def test_the_connection_secret_has_the_documented_keys() -> None:
    assert connection(parts(GRAPHQL, "status-ready")["request-connection"]) == {
        "hasura-admin-secret": ("Secret", f"{NAME}-admin", "data.hasura-admin-secret"),
        "graphql-endpoint": ("ConfigMap", f"{NAME}-schema", "data.graphql-endpoint"),
    }
    data = manifests(GRAPHQL, "status-ready")["request"]["data"]
    assert data["graphql-endpoint"] == status(GRAPHQL, "status-ready")["endpoint"] == f"{HASURA}/v1/graphql"


def test_services_are_looked_for_by_the_selector() -> None:
    search = parts(GRAPHQL, "full")["search"]["spec"]
    selector = claim(GRAPHQL, "full")["spec"]["serviceSelector"]
    assert search["observeObjects"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "namespace": "shop",
        "selector": {"matchLabels": selector},
    }
    assert "search" not in parts(GRAPHQL, "nothing-found")


def test_services_that_were_found_are_stitched_in() -> None:
    made = parts(GRAPHQL, "services-found")
    expected = {
        "orders": {"url": "http://orders.shop.svc.cluster.local:4000/api/graphql", "timeout_seconds": 60},
        "plain": {"url": "http://plain.shop.svc.cluster.local:8080/graphql", "timeout_seconds": 60},
        "users": {
            "url": "http://users.shop.svc.cluster.local:80/graphql",
            "timeout_seconds": 60,
            "customization": {"type_names": {"prefix": "Users_"}},
        },
    }
    assert named("add_remote_schema", made) == named("update_remote_schema", made) == expected
    assert {"type": "reload_metadata", "args": {"reload_remote_schemas": True}} in operations(made)
    found = status(GRAPHQL, "services-found")
    assert (found["discoveredServices"], found["stitched"]) == (3, sorted(expected))


def test_fixed_addresses_are_stitched_in_verbatim_and_their_tokens_are_not_written_down() -> None:
    (resolver,) = claim(GRAPHQL, "resolvers")["spec"]["customResolvers"]
    assert named("add_remote_schema", parts(GRAPHQL, "resolvers")) == {
        "prices": {
            "url": resolver["endpoint"],
            "timeout_seconds": 60,
            "headers": [
                {"name": "X-Client", "value": resolver["headers"]["X-Client"]},
                {"name": "Authorization", "value_from_env": "RESOLVER_HEADER_0"},
            ],
        }
    }
    assert env(hasura("resolvers"))["RESOLVER_HEADER_0"] == ("prices", "token")
    assert status(GRAPHQL, "resolvers")["discoveredServices"] == 0


def test_what_left_the_list_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    composite = composite_of(claim(GRAPHQL, "resolvers"))
    composite["status"] = {"stitched": ["gone", "prices"]}
    monkeypatch.setattr("tests.platform.renderer.composite_of", lambda _: composite)
    try:
        with Renderer(GRAPHQL) as renderer:
            output = renderer.compose(claim(GRAPHQL, "resolvers"))
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    made = parts_of(output)
    assert named("remove_remote_schema", made).keys() == {"gone"}
    assert named("add_remote_schema", made).keys() == {"prices"}
    assert status_of(GRAPHQL, output)["stitched"] == ["gone", "prices"]


def test_the_request_is_sent_whenever_it_changes_and_again_at_intervals() -> None:
    for case in ("minimal", "services-found"):
        made = manifests(GRAPHQL, case)
        ((key, job),) = ((key, manifest) for key, manifest in made.items() if manifest["kind"] == "Job")
        again = made["refresh"]
        assert job["metadata"]["name"].endswith(f"-{key}"), "a Job cannot be changed"
        assert job["spec"]["template"] == again["spec"]["jobTemplate"]["spec"]["template"]
        (sender,) = containers(job)
        name = made["deployment"]["metadata"]["name"]
        assert sender["args"][-1] == f"http://{name}.shop.svc.cluster.local:8080/v1/metadata"
        assert "@/etc/schema/request.json" in sender["args"]
        assert env(sender) == {"ADMIN_SECRET": (f"{name}-admin", "hasura-admin-secret")}
    jobs = [next(key for key in parts(GRAPHQL, case) if key.startswith("stitch-")) for case in ("minimal", "full")]
    assert len(set(jobs)) == 2
    assert status(GRAPHQL, "minimal")["schemaVersion"] != status(GRAPHQL, "services-found")["schemaVersion"]


@pytest.mark.parametrize(
    ("case", "interval", "schedule"),
    [
        ("minimal", None, "*/5 * * * *"),
        ("resolvers", "20s", "*/1 * * * *"),
        ("nothing-found", "90m", "0 */2 * * *"),
        ("full", "1h30m", "0 */2 * * *"),
    ],
)
def test_the_interval_is_a_schedule(case: str, interval: str | None, schedule: str) -> None:
    assert claim(GRAPHQL, case)["spec"].get("schemaRefreshInterval") == interval
    assert manifests(GRAPHQL, case)["refresh"]["spec"]["schedule"] == schedule


@pytest.mark.parametrize(
    ("case", "requests", "limits"),
    [
        ("minimal", {"cpu": "500m", "memory": "512Mi"}, {"cpu": "1000m", "memory": "1024Mi"}),
        ("full", {"cpu": "1.5", "memory": "1Gi"}, {"cpu": "3", "memory": "2Gi"}),
        ("resolvers", {"cpu": "0.25", "memory": "300Mi"}, {"cpu": "0.5", "memory": "600Mi"}),
    ],
)
def test_resources_are_guaranteed_and_twice_that_is_the_limit(
    case: str, requests: dict[str, str], limits: dict[str, str]
) -> None:
    assert hasura(case)["resources"] == {"requests": requests, "limits": limits}


def test_the_service_leads_to_hasura_and_not_to_the_job() -> None:
    made = manifests(GRAPHQL, "minimal")
    selector = made["service"]["spec"]["selector"]
    assert selector == made["deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= made["deployment"]["spec"]["template"]["metadata"]["labels"].items()
    job = made["refresh"]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= job.items()


def test_the_status_tells_when_schemas_were_read_last() -> None:
    assert status(GRAPHQL, "status-ready")["lastSchemaUpdate"] == "2026-01-01T10:05:00Z"
    assert "lastSchemaUpdate" not in status(GRAPHQL, "minimal")
    message = status(GRAPHQL, "status-failed")["message"]
    assert f"InfrastructureClaim/{NAME}-db: StatefulSet/db: 0 of 1 replicas are ready" in message
    assert 'no matches for kind "ExternalSecret"' in message


def test_labels_name_the_platform_and_its_target() -> None:
    labels = manifests(GRAPHQL, "nothing-found")["deployment"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/name"], labels["app.oam.dev/cluster"]) == ("catalogue", "development")
    assert "app.oam.dev/cluster" not in manifests(GRAPHQL, "minimal")["deployment"]["metadata"]["labels"]


def test_services_of_other_platforms_are_not_asked_for() -> None:
    case = copy.deepcopy(goldens.others_of(GRAPHQL, "services-found"))
    assert any(found["metadata"]["labels"]["platform.example.org/graphql-platform"] == "other" for found in case)
    mark = parts(GRAPHQL, "services-found")["search"]["spec"]["objectTemplate"]["metadata"]["labels"]
    assert mark.items() <= case[0]["metadata"]["labels"].items()
