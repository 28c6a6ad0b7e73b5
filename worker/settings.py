"""Every environment variable of the worker: typed, described, with default and range; nothing else reads them.

The table of the README is rendered from this model, so that the two cannot differ. Values are read once, at start. One
that does not fit ends the process with the variable's name, what is wrong and what would fit; secret values are never
shown.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)

from contracts import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SCHEMES = ("nats://", "tls://", "ws://", "wss://")
_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_NATS_NAME = r"^[A-Za-z0-9_-]{1,64}$"


class SettingsError(ValueError):
    """The environment does not fit; the text names each variable, what is wrong with it and what would fit."""


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least important line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _seconds(value: object) -> object:
    """Accept ``25``, ``25s``, ``500ms``, ``10m``, ``6h``, ``7d``."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(
            "not a duration: write a number of seconds, or a number with ms, s, m, h or d, for example 90s"
        )
    return float(match[1]) * _UNITS[match[2]]


def _servers(value: object) -> object:
    """Accept a comma-separated list of addresses; those without a scheme are ``nats://``."""
    if not isinstance(value, str):
        return value
    addresses = [address.strip() for address in value.split(",") if address.strip()]
    if not addresses:
        raise ValueError("no address: write at least one, for example nats://nats.nats.svc:4222")
    addresses = [address if "://" in address else f"nats://{address}" for address in addresses]
    if not all(address.startswith(_SCHEMES) for address in addresses):
        raise ValueError(f"unknown scheme: each address starts with one of {', '.join(_SCHEMES)}")
    return tuple(addresses)


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Servers = Annotated[tuple[str, ...], BeforeValidator(_servers)]


class Settings(BaseModel):
    """The worker's configuration; the environment variable of a field is its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    nats_url: Servers = Field(
        default=("nats://127.0.0.1:4222",),
        repr=False,
        description="Addresses of the NATS servers, separated by commas; `tls://` demands TLS.",
    )
    nats_stream_name: str = Field(
        default=names.EVENTS_STREAM, pattern=_NATS_NAME, description="Stream that the events come from."
    )
    nats_consumer_group: str = Field(
        default=names.CONSUMER, pattern=_NATS_NAME, description="Durable pull consumer on it that all replicas share."
    )
    nats_credentials_file: FilePath | None = Field(default=None, description="Credentials file (JWT and nkey seed).")
    nats_nkey_seed_file: FilePath | None = Field(default=None, description="File with an nkey seed.")
    nats_user: str | None = Field(default=None, description="User name; goes with `NATS_PASSWORD`.")
    nats_password: SecretStr | None = Field(default=None, description="Password of `NATS_USER`.")
    nats_token: SecretStr | None = Field(default=None, description="Authentication token.")
    nats_tls_ca_file: FilePath | None = Field(
        default=None, description="CA certificates that the servers' must chain to; demands TLS, as `tls://` does."
    )
    nats_tls_cert_file: FilePath | None = Field(default=None, description="Client certificate; goes with its key.")
    nats_tls_key_file: FilePath | None = Field(default=None, description="Key of the client certificate.")
    nats_replicas: int = Field(
        default=1, ge=1, le=5, description="Copies of streams and bucket that `streams apply` asks for; 3 in a cluster."
    )
    workflow_namespace: str = Field(
        default="argo", pattern=_DNS_LABEL, description="Namespace of Workflows and WorkflowTemplates."
    )
    workflow_service_account: str = Field(
        default="platform-workflows", pattern=_DNS_LABEL, description="ServiceAccount that Workflows run as."
    )
    workflow_ttl: Seconds = Field(
        default=86400.0, ge=600, le=30 * 86400, description="How long a finished Workflow is kept."
    )
    workflow_deadline: Seconds = Field(
        default=3600.0, ge=60, le=7 * 86400, description="How long a Workflow may run before Argo fails it."
    )
    platform_instance: str = Field(
        default="default",
        pattern=_DNS_LABEL,
        description="Identity of this installation in labels, names and lease keys.",
    )
    kubeconfig: Path | None = Field(
        default=None, description="Kubeconfig file; without it the pod's ServiceAccount, else `~/.kube/config`."
    )
    kube_api_timeout: Seconds = Field(
        default=10.0, ge=1, le=60, description="Longest wait for an answer of the Kubernetes API."
    )
    max_in_flight: int = Field(
        default=32, ge=1, le=1000, description="Messages that one replica handles at the same time."
    )
    publish_timeout: Seconds = Field(
        default=5.0, ge=0.5, le=60, description="Longest wait for an acknowledgement of the broker."
    )
    graceful_timeout: Seconds = Field(
        default=25.0,
        ge=0,
        le=600,
        description="Time that messages in hand have to finish on SIGTERM; keep the pod's grace 10 s longer.",
    )
    lease_ttl: int = Field(
        default=10,
        ge=3,
        le=60,
        description="Seconds after which another replica takes over observing when the one that did it is gone.",
    )
    retry_budget: Seconds = Field(
        default=6 * 3600.0,
        ge=1,
        le=7 * 86400,
        description="Age at which an event that has to wait (its namespace's quota) is dead-lettered.",
    )
    unknown_error_tries: int = Field(
        default=5, ge=1, le=100, description="Tries of an event whose handling fails unexpectedly."
    )
    crash_loop_deliveries: int = Field(
        default=50, ge=21, le=1000, description="Deliveries after which an event that never ends is dead-lettered."
    )
    http_host: str = Field(
        default="",
        description="Address to listen on for `/health`, `/ready`, `/metrics`; else `POD_IP`, else all addresses.",
    )
    pod_ip: str = Field(default="", description="Address of the pod (downward API), used if `HTTP_HOST` is not set.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        default=LogLevel.INFO, description="Least important log line that is written."
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = Field(
        default=LogFormat.JSON, description="`json` for machines, `text` for terminals."
    )

    @model_validator(mode="after")
    def _pairs(self) -> Settings:
        if (self.nats_user is None) != (self.nats_password is None):
            raise ValueError("NATS_USER and NATS_PASSWORD go together: set both or none")
        if self.nats_tls_key_file is not None and self.nats_tls_cert_file is None:
            raise ValueError("NATS_TLS_KEY_FILE needs NATS_TLS_CERT_FILE")
        ways = {
            "NATS_CREDENTIALS_FILE": self.nats_credentials_file,
            "NATS_NKEY_SEED_FILE": self.nats_nkey_seed_file,
            "NATS_USER": self.nats_user,
            "NATS_TOKEN": self.nats_token,
        }
        chosen = [name for name, value in ways.items() if value is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: set one of them")
        return self

    @property
    def listen_host(self) -> str:
        """Address that the HTTP server binds."""
        return self.http_host or self.pod_ip or "0.0.0.0"  # noqa: S104 - a pod's probes come from outside of it

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; empty variables count as not set.

        Raises:
            SettingsError: a value does not fit.
        """
        values = {name: environment[name.upper()] for name in cls.model_fields if environment.get(name.upper())}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: Any) -> str:
    """Say in one line which variable does not fit, why, and what would."""
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(message)
    name = str(problem["loc"][0])
    return f"{name.upper()}: {message} ({Settings.model_fields[name].description})"


def markdown_table() -> str:
    """Render the table of the README."""
    rows = ["| variable | default | range | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_default(field)} | {_range(field)} | {field.description} |")
    rows.append(
        "| `OTEL_*` | | | OpenTelemetry's own variables; tracing is on once an exporter or endpoint is named. |"
    )
    return "\n".join(rows) + "\n"


def _is_duration(field: FieldInfo) -> bool:
    return any(isinstance(item, BeforeValidator) and item.func is _seconds for item in field.metadata)


def _duration(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"


def _show(field: FieldInfo, value: Any) -> str:
    return _duration(value) if _is_duration(field) else str(value)


def _default(field: FieldInfo) -> str:
    value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    return "" if value in {None, ""} else f"`{_show(field, value)}`"


def _range(field: FieldInfo) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return " ".join(f"`{choice}`" for choice in field.annotation)
    low = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in field.metadata if hasattr(item, "le")), None)
    if low is None or high is None:
        return ""
    return f"{_show(field, low)} to {_show(field, high)}"
