"""The property models of the 16 component types, and the two ways in: `strip_secrets`, then `parse`.

Adding a type is adding a model and its row in `PROPERTIES`. Models are lenient about unknown properties, because an
Application is KubeVela's document first, and strict about the types and values of what they know.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from contracts.components.base import CREDENTIALS_FIX, ComponentProperties
from contracts.components.compositional import GraphqlGateway, GraphqlPlatform, IdentityService, RasaChatbot
from contracts.components.foundational import Vcluster, Webservice, WebserviceK8s
from contracts.components.infrastructure import Clickhouse, Kafka, Mongodb, Postgresql, Redis
from contracts.components.platforms import CamundaOrchestrator, RealtimePlatform
from contracts.components.providers import Auth0Idp, NeonPostgres
from contracts.components.secrets import REDACTED, scrub, segments
from contracts.violations import ContractViolation, did_you_mean, fold, from_validation_error, name_of, path_of, quote

__all__ = ["PROPERTIES", "ComponentProperties", "parse", "strip_secrets", "suggest_type", "unknown_properties"]

PROPERTIES: Final[Mapping[str, type[ComponentProperties]]] = MappingProxyType(
    {
        "neon-postgres": NeonPostgres,
        "auth0-idp": Auth0Idp,
        "postgresql": Postgresql,
        "mongodb": Mongodb,
        "redis": Redis,
        "kafka": Kafka,
        "clickhouse": Clickhouse,
        "realtime-platform": RealtimePlatform,
        "camunda-orchestrator": CamundaOrchestrator,
        "rasa-chatbot": RasaChatbot,
        "graphql-gateway": GraphqlGateway,
        "graphql-platform": GraphqlPlatform,
        "identity-service": IdentityService,
        "webservice": Webservice,
        "webservice-k8s": WebserviceK8s,
        "vcluster": Vcluster,
    }
)


def parse(type_name: str, properties: Mapping[str, Any] | None, path: str = "$") -> ComponentProperties:
    """Check the properties of a component.

    Args:
        type_name: One of `PROPERTIES`.
        properties: As the sender wrote them, with or without their secrets.
        path: JSON path of the properties within the event.

    Raises:
        ContractViolation: `unknown-type`, `secret-value` for what has to come as a Secret's name, or what is wrong.
    """
    model = _model(type_name, path)
    if properties is None:
        properties = {}
    if isinstance(properties, Mapping):
        refused = _refused(model)
        for key, value in properties.items():
            if value and fold(key) in refused:
                raise ContractViolation(
                    "secret-value",
                    path_of((key,), path),
                    f"{name_of(key)} of the type {type_name} holds secrets, which must not travel in events",
                    CREDENTIALS_FIX,
                )
    try:
        return model.model_validate(properties)
    except ValidationError as error:
        raise from_validation_error(
            error, properties, path, same=lambda key, field: model.field_of(key) == field or fold(key) == fold(field)
        ) from error


def strip_secrets(type_name: str, raw: Mapping[str, Any] | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Copy properties without their secrets.

    What `parse` refuses keeps its key, with `***` for its value: so the refusal does not depend on the order of the
    two calls.

    Returns:
        The copy, and the paths of the values that were dropped (`auth.password`), for a warning.

    Raises:
        ContractViolation: `unknown-type`.
    """
    model = _model(type_name, "$")
    refused = _refused(model)
    kept = {key: REDACTED for key, value in (raw or {}).items() if value and fold(key) in refused}
    rest = {key: value for key, value in (raw or {}).items() if key not in kept}
    clean, dropped = scrub(rest, _secret_segments(model))
    return clean | kept, dropped


def unknown_properties(type_name: str, raw: Mapping[str, Any]) -> tuple[tuple[str, str | None], ...]:
    """Return the names that the type's model does not know, each with the known name that was probably meant."""
    model = _model(type_name, "$")
    known = [model.documented(field) for field in model.model_fields]
    refused = _refused(model)
    return tuple(
        (key, did_you_mean(key, known)) for key in raw if model.field_of(key) is None and fold(key) not in refused
    )


def suggest_type(type_name: str) -> str | None:
    """Return the known type that was probably meant, or None."""
    return did_you_mean(type_name, PROPERTIES)


def _model(type_name: str, path: str) -> type[ComponentProperties]:
    model = PROPERTIES.get(type_name)
    if model is None:
        guess = suggest_type(type_name)
        raise ContractViolation(
            "unknown-type",
            path,
            f"{quote(type_name)} is no component type of this platform",
            f"did you mean {guess}?" if guess else f"use one of {', '.join(PROPERTIES)}",
        )
    return model


@cache
def _refused(model: type[ComponentProperties]) -> frozenset[str]:
    return frozenset(fold(name) for name in model.refused)


@cache
def _secret_segments(model: type[ComponentProperties]) -> tuple[tuple[str, ...], ...]:
    return tuple(segments(path) for path in model.secret_paths)
