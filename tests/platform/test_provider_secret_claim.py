"""Each golden render of a ProviderSecretClaim holds what the claim must lead to, and no value of a Secret anywhere.

The template that External Secrets runs is run here by the same engine (Go templates with Sprig) inside the function
that renders Compositions, where that is on PATH.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.platform.renderer import MissingRendererError, Renderer, RendererError
from tools.platform_api.apis import api

if TYPE_CHECKING:
    from collections.abc import Iterator

API = api("providersecretclaims")
LAYOUT = Layout(API)
CASES = [name for name in LAYOUT.cases() if name != "refused-namespace"]
READY = {"status-ready", "status-ready-from-the-store"}
NOT_YET = "is not created yet"
NEON = "ExternalSecret shop-neon-0a1b2c3d"
SOURCE = "Secret neon-secret from Secret neon-postgres-credentials"
ELSEWHERE = "namespace is payments, but a claim of namespace shop makes things in its own namespace only: leave it out"
#: By hand: what a person is told.
MESSAGES = {
    "status-ready": "Secret neon-secret is made from Secret neon-postgres-credentials",
    "status-ready-from-the-store": "Secret login-secret is made from key shop/auth0-idp-credentials of the store "
    "platform-secrets",
    "status-no-credentials": f"{NEON} cannot make {SOURCE}: could not get secret data from provider; is it there, with "
    "all keys?",
    "status-old-secret": f"{NEON} has not made {SOURCE} yet",
    "status-old-generation": f"{NEON} is of generation run-6, and run-7 is wanted",
    "status-store-not-allowed": "SecretStore shop-neon-0a1b2c3d is not ready: client is not allowed to get secrets",
    "status-refused-by-the-cluster": "RoleBinding shop-neon-0a1b2c3d cannot be applied: rolebindings is forbidden",
    "refused-namespace": ELSEWHERE,
    "refused-change-of-namespace": ELSEWHERE,
}
NEON_KEYS = ["connection_string", "database", "host", "jdbc_url", "password", "port", "username"]
AUTH0_KEYS = ["audience", "client_id", "client_secret", "domain"]


@functools.cache
def claim_of(name: str) -> dict[str, Any]:
    return goldens.claim_of(LAYOUT, name)


@functools.cache
def composed_of(name: str) -> dict[str, dict[str, Any]]:
    return goldens.composed(goldens.rendered(LAYOUT, name))


def manifests_of(name: str) -> dict[str, dict[str, Any]]:
    return {resource: made["spec"]["forProvider"]["manifest"] for resource, made in composed_of(name).items()}


def status_of(name: str) -> dict[str, Any]:
    status: dict[str, Any] = goldens.composite(goldens.rendered(LAYOUT, name), API)["status"]
    return status


@pytest.mark.parametrize("name", CASES)
def test_the_secret_is_made_from_what_the_claim_names(name: str) -> None:
    claim = claim_of(name)
    spec, metadata = claim["spec"], claim["metadata"]
    source = spec.get("credentialsSecretRef", {}).get("name") or f"{spec['providerType']}-credentials"
    made = manifests_of(name)["connection"]
    wanted = made["spec"]
    if spec.get("externalSecretsEnabled", False):
        assert wanted["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "platform-secrets"}
        assert wanted["dataFrom"] == [{"extract": {"key": f"{metadata['namespace']}/{source}"}}]
    else:
        assert wanted["secretStoreRef"] == {"kind": "SecretStore", "name": metadata["name"]}
        assert wanted["dataFrom"] == [{"extract": {"key": source}}]
    assert (wanted["target"]["name"], wanted["target"]["creationPolicy"]) == (spec["secretName"], "Owner")
    assert wanted["target"]["template"]["mergePolicy"] == "Replace"
    labels = wanted["target"]["template"]["metadata"]["labels"]
    assert labels.get("platform.io/region", "") == spec.get("region", "")
    assert labels.get("platform.io/compute-size", "") == spec.get("computeSize", "")
    assert made["metadata"]["annotations"] == {"platform.io/generation": spec.get("generation", "0")}


@pytest.mark.parametrize("name", CASES)
def test_a_secret_of_the_namespace_is_read_by_an_account_that_may_read_there_only(name: str) -> None:
    claim, made = claim_of(name), manifests_of(name)
    if claim["spec"].get("externalSecretsEnabled", False):
        assert made.keys() == {"connection"}
        return
    assert made.keys() == {"connection", "reader", "right", "store"}
    own = {"name": claim["metadata"]["name"], "namespace": claim["metadata"]["namespace"]}
    assert made["reader"]["automountServiceAccountToken"] is False
    assert made["right"]["kind"] == "RoleBinding"
    assert made["right"]["roleRef"]["name"] == "platform-credentials-reader"
    assert made["right"]["subjects"] == [{"kind": "ServiceAccount", **own}]
    provider = made["store"]["spec"]["provider"]["kubernetes"]
    assert provider["remoteNamespace"] == own["namespace"]
    assert provider["auth"] == {"serviceAccount": {"name": own["name"]}}


@pytest.mark.parametrize("name", CASES)
def test_everything_is_the_claims_own(name: str) -> None:
    claim = claim_of(name)
    spec = claim["spec"]
    host, target = "kubernetes-provider", f"{claim['metadata']['namespace']}.{spec.get('vcluster')}"
    for made in composed_of(name).values():
        assert made["kind"] == "Object"
        assert made["spec"]["deletionPolicy"] == spec.get("deletionPolicy", "Delete")
        assert made["spec"]["providerConfigRef"] == {"name": target if spec.get("vcluster") else host}
        metadata = made["spec"]["forProvider"]["manifest"]["metadata"]
        assert (metadata["name"], metadata["namespace"]) == (claim["metadata"]["name"], claim["metadata"]["namespace"])


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_it_is_ready_only_where_the_secret_is_made_and_says_why_not(name: str) -> None:
    claim, status = claim_of(name), status_of(name)
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert status["ready"] is (name in READY)
    assert conditions["Ready"] == str(name in READY)
    assert status["appliedGeneration"] == claim["spec"].get("generation", "0")
    secret = {"name": claim["spec"]["secretName"], "namespace": claim["metadata"]["namespace"]}
    assert status["connectionSecret"] == status["secretRef"] == secret
    if name in MESSAGES:
        assert status["message"] == MESSAGES[name]
    else:
        assert NOT_YET in status["message"]
    bound = name in READY and claim["spec"].get("serviceBinding", True)
    assert status.get("binding") == ({"name": secret["name"]} if bound else None)


def test_every_case_about_the_status_is_judged_by_hand() -> None:
    assert {name for name in LAYOUT.cases() if name.startswith(("status-", "refused-"))} == set(MESSAGES)


def test_a_claim_that_is_refused_makes_nothing_and_takes_nothing_away() -> None:
    assert composed_of("refused-namespace") == {}
    assert composed_of("refused-change-of-namespace").keys() == composed_of("status-ready").keys()


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUT)
    except MissingRendererError as error:
        pytest.skip(f"{error}: the template of External Secrets cannot be run")
    with found:
        yield found


def secret_from(renderer: Renderer, name: str, credentials: dict[str, str]) -> dict[str, str]:
    """Return the connection Secret that the template of a case makes of these credentials."""
    (part,) = manifests_of(name)["connection"]["spec"]["target"]["template"]["templateFrom"]
    assert part["target"] == "Data"
    # The template's dot is the credentials; what it prints becomes the status of the composite resource.
    text = (
        '{{- define "secret" }}' + part["literal"] + "{{ end }}"
        '{{- $status := dict "message" (include "secret" .observed.composite.resource.spec.credentials) }}'
        '{{ dict "apiVersion" "platform.io/v1alpha1" "kind" "XProviderSecretClaim" "status" $status | toJson }}'
    )
    composition = yaml.safe_load(API.composition.read_text(encoding="utf-8"))
    step = composition["spec"]["pipeline"][0]
    step["input"]["inline"]["template"] = text
    composition["spec"]["pipeline"] = [step]
    claim = claim_of(name)
    claim = {**claim, "spec": {**claim["spec"], "credentials": credentials}}
    printed = goldens.composite(renderer.compose(claim, composition=composition), API)["status"]["message"]
    made: dict[str, str] = json.loads(printed)
    return made


def test_neon_from_its_parts(renderer: Renderer) -> None:
    given = {"host": "ep-1.neon.tech", "database": "orders", "username": "me@shop", "password": "a b+c/d:e@f?g#h&i'\"%"}
    encoded = "a%20b%2Bc%2Fd%3Ae%40f%3Fg%23h%26i%27%22%25"
    assert secret_from(renderer, "neon-minimal", given) == {
        **given,
        "port": "5432",
        "connection_string": f"postgresql://me%40shop:{encoded}@ep-1.neon.tech:5432/orders?sslmode=require",
        "jdbc_url": f"jdbc:postgresql://ep-1.neon.tech:5432/orders?user=me%40shop&password={encoded}&sslmode=require",
    }


@pytest.mark.parametrize("key", ["connection_string", "database_url"])
def test_neon_from_its_url(renderer: Renderer, key: str) -> None:
    url = "postgresql://me%40shop:p%2Fw%20%2B1@ep-1.neon.tech:6543/orders?sslmode=verify-full&channel_binding=require"
    made = secret_from(renderer, "neon-minimal", {key: url})
    assert sorted(made) == NEON_KEYS
    assert made.pop("connection_string") == url
    assert made == {
        "host": "ep-1.neon.tech",
        "port": "6543",
        "database": "orders",
        "username": "me@shop",
        "password": "p/w +1",
        "jdbc_url": "jdbc:postgresql://ep-1.neon.tech:6543/orders?user=me%40shop&password=p%2Fw%20%2B1&sslmode=require",
    }


def test_neon_takes_the_claims_database_where_the_credentials_name_none(renderer: Renderer) -> None:
    given = {"host": "ep-1.neon.tech", "username": "me", "password": "secret"}
    assert claim_of("neon-full")["spec"]["database"] == "orders"
    assert secret_from(renderer, "neon-full", given)["database"] == "orders"
    assert secret_from(renderer, "neon-full", {**given, "database": "own"})["database"] == "own"


@pytest.mark.parametrize("lacking", ["host", "database", "username", "password"])
def test_neon_without_one_of_its_keys_makes_no_secret(renderer: Renderer, lacking: str) -> None:
    given = {"host": "ep-1.neon.tech", "database": "orders", "username": "me", "password": "secret"}
    del given[lacking]
    with pytest.raises(RendererError, match=f"the credentials lack the key {lacking}"):
        secret_from(renderer, "neon-minimal", given)


def test_auth0(renderer: Renderer) -> None:
    given = {"domain": "shop.eu.auth0.com", "client_id": "abc", "client_secret": 'x"y\\z'}
    made = secret_from(renderer, "auth0-minimal", given)
    assert made == {**given, "audience": "https://shop.eu.auth0.com/api/v2/"}
    assert sorted(made) == AUTH0_KEYS
    other = {"domain": "shop.eu.auth0.com", "clientId": "abc", "clientSecret": "s", "audience": "https://shop"}
    assert secret_from(renderer, "auth0-minimal", other) == {
        "domain": "shop.eu.auth0.com",
        "client_id": "abc",
        "client_secret": "s",
        "audience": "https://shop",
    }


@pytest.mark.parametrize("lacking", ["domain", "client_id", "client_secret"])
def test_auth0_without_one_of_its_keys_makes_no_secret(renderer: Renderer, lacking: str) -> None:
    given = {"domain": "shop.eu.auth0.com", "client_id": "abc", "client_secret": "s"}
    del given[lacking]
    with pytest.raises(RendererError, match=f"the credentials lack the key {lacking}"):
        secret_from(renderer, "auth0-minimal", given)


@pytest.mark.parametrize("name", ["neon-minimal", "auth0-minimal"])
def test_the_template_names_exactly_the_contracts_keys(name: str) -> None:
    (part,) = manifests_of(name)["connection"]["spec"]["target"]["template"]["templateFrom"]
    wanted = NEON_KEYS if name.startswith("neon") else AUTH0_KEYS
    last = part["literal"][part["literal"].rindex("{{- dict" if wanted is NEON_KEYS else "$keys := dict") :]
    assert all(f'"{key}" ' in last for key in wanted)
