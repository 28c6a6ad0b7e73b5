"""Property models beyond their examples: spellings, null, secrets at any depth, and what errors never show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import components
from contracts.components import PROPERTIES, parse, strip_secrets, suggest_type, unknown_properties
from contracts.violations import ContractViolation
from tests.contract.library import outcome

CANARY = "hunter2-canary"


@pytest.mark.parametrize("word", ["highAvailability", "high_availability", "high-availability"])
def test_spellings_mean_the_same(word: str) -> None:
    assert parse("postgresql", {word: True}).values() == {"high_availability": True}


@pytest.mark.parametrize("word", ["monitoring", "monitoringEnabled", "monitoring_enabled", "metrics", "metricsEnabled"])
def test_words_of_definition_and_handler_mean_the_same(word: str) -> None:
    assert parse("redis", {word: False}).values() == {"monitoring": False}


def test_equal_values_in_two_spellings_are_fine() -> None:
    assert parse("redis", {"metrics": True, "monitoring": True}).values() == {"monitoring": True}


@pytest.mark.parametrize("type_name", PROPERTIES)
def test_nothing_is_required_and_null_means_absent(type_name: str) -> None:
    model = PROPERTIES[type_name]
    assert parse(type_name, None).values() == {}
    assert parse(type_name, {model.documented(field): None for field in model.model_fields}).values() == {}


@pytest.mark.parametrize("type_name", PROPERTIES)
def test_unknown_properties_are_passed_over_and_never_kept(type_name: str) -> None:
    assert parse(type_name, {"somethingElse": {"deep": [CANARY]}}).values() == {}


def test_unknown_properties_are_named_with_what_was_meant() -> None:
    assert unknown_properties("postgresql", {"size": "small", "sise": "small", "zzz": 1, "credentials": {}}) == (
        ("sise", "size"),
        ("zzz", None),
    )


@pytest.mark.parametrize(("given", "wanted"), [(14, "14"), (6.0, "6.0"), ("14", "14")])
def test_numbers_are_versions(given: object, wanted: str) -> None:
    assert parse("postgresql", {"version": given}).values() == {"version": wanted}


@pytest.mark.parametrize("value", [True, False])
def test_booleans_are_no_numbers(value: bool) -> None:
    for properties in ({"version": value}, {"replicas": value}):
        with pytest.raises(ContractViolation, match="is a boolean"):
            parse("postgresql", properties)


def test_a_reference_to_credentials_becomes_its_name() -> None:
    assert parse("auth0-idp", {"credentialsSecretRef": {"name": "a"}}).values() == {"credentials_secret": "a"}
    assert parse("auth0-idp", {"credentials_secret": "a"}).values() == {"credentials_secret": "a"}


@pytest.mark.parametrize("type_name", PROPERTIES)
@pytest.mark.parametrize("stripped", [False, True])
def test_credentials_are_refused_with_the_way_out(type_name: str, stripped: bool) -> None:
    properties = {"credentials": {"password": CANARY}}
    if stripped:
        properties, dropped = strip_secrets(type_name, properties)
        assert CANARY not in json.dumps(properties)
        assert dropped == ()
    with pytest.raises(ContractViolation, match="credentialsSecretRef") as caught:
        parse(type_name, properties)
    assert CANARY not in str(caught.value)


def fill(path: str) -> object:
    """Build properties that have the canary at a secret path."""
    made: object = CANARY
    for step in reversed(path.replace("[]", ".[]").split(".")):
        made = [made] if step == "[]" else {step: made, "username": "kept"}
    return made


@pytest.mark.parametrize(
    ("type_name", "path"), [(name, path) for name, model in PROPERTIES.items() for path in model.secret_paths]
)
def test_marked_secrets_are_dropped_and_named(type_name: str, path: str) -> None:
    clean, dropped = strip_secrets(type_name, fill(path))  # type: ignore[arg-type]
    assert CANARY not in json.dumps(clean)
    assert dropped == (path.replace("[]", "[0]"),)


KEYS = st.sampled_from(
    ["a", "password", "dbPassword", "API_TOKEN", "name", "value", "auth", "credentials", "kubeConfig", "secretName"]
)
TREES = st.recursive(
    st.sampled_from([CANARY, "x", None, True, 3]),
    lambda t: st.lists(t, max_size=3) | st.dictionaries(KEYS, t, max_size=4),
)


@given(st.sampled_from(sorted(PROPERTIES)), st.dictionaries(KEYS, TREES, max_size=5))
def test_stripping_is_idempotent_and_touches_nothing_else(type_name: str, raw: dict[str, object]) -> None:
    before = json.dumps(raw)
    clean, _ = strip_secrets(type_name, raw)
    assert json.dumps(raw) == before
    again, dropped = strip_secrets(type_name, clean)
    assert (again, dropped) == (clean, ())


def test_secret_looking_names_are_dropped_anywhere() -> None:
    raw = {
        "environment": {"DB_PASSWORD": CANARY, "LEVEL": "info"},
        "env": [{"name": "API_TOKEN", "value": CANARY}, {"name": "LEVEL", "value": "info"}],
        "sidecar": {"apiKey": CANARY, "registrySecret": "name-of-one", "usePassword": True},
    }
    clean, dropped = strip_secrets("webservice", raw)
    assert dropped == ("environment.DB_PASSWORD", "env[0].value", "sidecar.apiKey")
    assert clean == {
        "environment": {"LEVEL": "info"},
        "env": [{"name": "API_TOKEN"}, {"name": "LEVEL", "value": "info"}],
        "sidecar": {"registrySecret": "name-of-one", "usePassword": True},
    }


def test_secrets_in_helm_values_given_as_text_are_dropped() -> None:
    values = json.dumps({"auth": {"password": CANARY}, "replicas": 2})
    assert parse("vcluster", {"values": values}).values() == {"values": {"auth": {}, "replicas": 2}}


@given(
    st.sampled_from(sorted(PROPERTIES)),
    st.sampled_from(["auth", "mqttUsers", "environment", "customResolvers", "resources", "values", "database", "env"]),
    st.sampled_from(
        [CANARY, [CANARY], {"password": CANARY}, [{"password": CANARY}], {"username": {"password": CANARY}}]
    ),
)
def test_errors_never_show_secrets_of_objects(type_name: str, name: str, value: object) -> None:
    if name == "database" and isinstance(value, str):
        return
    _, violation = outcome(lambda: parse(type_name, {name: value}))
    assert violation is None or CANARY not in str(violation)


@pytest.mark.parametrize("name", ["database", "cache", "realtime", "image", "repository", "targetEnvironment"])
def test_no_text_may_be_a_url_with_a_password(name: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        parse("webservice", {name: f"postgres://app:{CANARY}@db.example.com/app"})
    assert (caught.value.code, caught.value.path) == ("secret-value", f"$.{name}")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    "hidden",
    [f"postgres://app:{CANARY}@db/app", f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END", f"x://{CANARY}@h"],
)
def test_helm_values_hold_no_secret_under_a_harmless_name(hidden: str, as_text: bool) -> None:
    values = {"sync": [{"upstream": hidden}]}
    with pytest.raises(ContractViolation) as caught:
        parse("vcluster", {"values": json.dumps(values) if as_text else values})
    assert (caught.value.code, caught.value.path) == ("secret-value", "$.values")
    assert CANARY not in str(caught.value)


def test_long_values_are_cut() -> None:
    with pytest.raises(ContractViolation) as caught:
        parse("postgresql", {"size": "x" * 5000})
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("key", ["high" + "_" * 9000 + "availability", "-" * 9000 + "credentials"])
def test_long_names_are_cut(key: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        parse("postgresql", {key: "x"})
    assert len(str(caught.value)) < 400


def test_unknown_types_are_guessed() -> None:
    assert suggest_type("postgres") == "postgresql"
    assert suggest_type("webservise") == "webservice"
    with pytest.raises(ContractViolation, match="did you mean redis"):
        parse("reddis", {})


def test_references_are_fields_of_their_models() -> None:
    for name, model in PROPERTIES.items():
        assert set(model.references) <= set(model.model_fields), name
    assert PROPERTIES["identity-service"].references == ()
    assert PROPERTIES["camunda-orchestrator"].references == ("realtime_platform",)
    assert components.PROPERTIES["webservice"].references == ("database", "cache", "realtime")
