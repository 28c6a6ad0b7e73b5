"""Pattern 3, platforms: infrastructure with logic of its own, streaming and workflow orchestration."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.components.base import (
    ComponentProperties,
    Count,
    Environment,
    Objects,
    Port,
    Properties,
    Resources,
    Spellings,
)
from contracts.components.forms import Line, Patterns, Retention
from contracts.fields import Version


class MqttUser(Properties):
    """A user of the MQTT broker; the password is generated."""

    username: Line


class RealtimePlatform(ComponentProperties):
    """Kafka, MQTT, a database and dashboards as one platform."""

    secret_paths: ClassVar[tuple[str, ...]] = ("mqttUsers[].password",)
    spellings: ClassVar[Spellings] = {"enable_mqtt": ("enableMQTT",), "enable_websocket": ("enableWebSocket",)}

    name: Line | None = None
    database: Literal["postgres", "mysql", "mongodb"] | None = Field(default=None, description="kind of its database")
    visualization: Literal["metabase", "grafana"] | None = None
    iot: bool | None = None
    data_retention: Retention | None = None
    enable_kafka: bool | None = None
    enable_mqtt: bool | None = None
    enable_websocket: bool | None = None
    mqtt_users: list[MqttUser] | None = None
    image: Line | None = None
    port: Port | None = None
    version: Version | None = None
    health_path: Line | None = None
    resources: Resources | None = None
    environment: Environment | None = Field(default=None, exclude=True)
    env_from: Objects | None = Field(default=None, exclude=True)
    language: Line | None = None
    framework: Line | None = None
    repository: Line | None = None

    @model_validator(mode="after")
    def _serves_something(self) -> RealtimePlatform:
        # Where a switch is not given, the template's default holds.
        given = {"iot": True, "enable_kafka": True, "enable_mqtt": False, "enable_websocket": True} | self.values()
        if not any(given[name] for name in ("iot", "enable_kafka", "enable_mqtt", "enable_websocket")):
            raise PydanticCustomError(
                "nothing-to-serve",
                "a platform of nothing",
                {
                    "message": "enableKafka, enableMQTT, enableWebSocket and iot are all off",
                    "fix": "switch on at least one of them",
                },
            )
        return self


class CamundaOrchestrator(ComponentProperties):
    """Camunda, fed by a realtime platform."""

    references: ClassVar[tuple[str, ...]] = ("realtime_platform",)
    spellings: ClassVar[Spellings] = {"enable_ui": ("enableUI",), "enable_tls": ("enableTLS",)}

    camunda_mode: Literal["embedded", "remote"] | None = None
    realtime_platform: Line | None = Field(default=None, description="name of a realtime-platform component")
    enable_ui: bool | None = None
    enable_optimize: bool | None = None
    enable_event_streaming: bool | None = None
    topics_prefix: Line | None = None
    saga_patterns: Patterns | None = Field(default=None, description="names of patterns")
    microservice_selector: dict[str, str] | None = None
    min_scale: Count | None = None
    max_scale: Count | None = None
    target_concurrency: Count | None = None
    resources: Resources | None = None
    version: Version | None = None
    zeebe_image: Line | None = None
    operate_image: Line | None = None
    tasklist_image: Line | None = None
    optimize_image: Line | None = None
    environment: Environment | None = Field(default=None, exclude=True)
    env_from: Objects | None = Field(default=None, exclude=True)
    language: Line | None = None
    framework: Line | None = None
    repository: Line | None = None
    enable_istio_gateway: bool | None = None
    gateway_host: Line | None = None
    enable_tls: bool | None = None
    config_map_name: Line | None = None
    bpmn_config_map_name: Line | None = None
