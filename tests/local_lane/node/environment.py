"""The environment of a container, resolved as a kubelet resolves it: `envFrom`, `env`, `valueFrom`, `$(NAME)`.

The order is the kubelet's (`makeEnvironment`): first `envFrom`, then `env` on top, and a value may name variables that
stand before it.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

Manifest = dict[str, Any]
#: Returns a ConfigMap or Secret of the pod's namespace by kind and name, ``None`` if there is none.
if TYPE_CHECKING:
    Read = Callable[[str, str], Awaitable[Manifest | None]]

_REFERENCE = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


class ConfigError(Exception):
    """A container cannot be configured; the text is the kubelet's, and becomes the message of its waiting state."""


async def variables(
    container: Manifest, fields: Mapping[str, str], service: Mapping[str, str], namespace: str, read: Read
) -> dict[str, str]:
    """Return the environment of a container.

    Args:
        container: Its manifest.
        fields: Field path of the downward API → value.
        service: Variables that each pod gets (`KUBERNETES_SERVICE_HOST`, …).
        namespace: Of the pod, for messages.
        read: Reads a ConfigMap or Secret.

    Raises:
        ConfigError: something that it refers to is missing.
    """
    made: dict[str, str] = {}
    for source in container.get("envFrom", []):
        kind, reference = (
            ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
        )
        found = await _data(kind, reference, read)
        made |= {source.get("prefix", "") + key: value for key, value in (found or {}).items()}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        value: str | None
        if "fieldRef" in source:
            value = _field(source["fieldRef"]["fieldPath"], fields)
        elif "configMapKeyRef" in source:
            value = await _key("ConfigMap", source["configMapKeyRef"], namespace, read)
        elif "secretKeyRef" in source:
            value = await _key("Secret", source["secretKeyRef"], namespace, read)
        else:
            value = expanded(variable.get("value", ""), {**service, **made})
        if value is not None:
            made[variable["name"]] = value
    return {**service, **made}


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Replace each `$(NAME)` that is known; `$$` becomes `$`, and what is not known stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] else known.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


async def secret_files(volume: Manifest, namespace: str, read: Read) -> dict[str, bytes]:
    """Return file name → content of a volume that is a Secret.

    Raises:
        ConfigError: the Secret or a key is missing, or the volume is of another kind.
    """
    source = volume.get("secret")
    if source is None:
        raise ConfigError(f'volume "{volume["name"]}" is not a Secret: the local lane has no others')
    secret = await read("Secret", source["secretName"])
    if secret is None:
        raise ConfigError(
            f'MountVolume.SetUp failed for volume "{volume["name"]}" : secret "{source["secretName"]}" not found'
        )
    data = {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}
    if "items" not in source:
        return data
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing:
        raise ConfigError(
            f'MountVolume.SetUp failed for volume "{volume["name"]}" : references non-existent secret key: {missing[0]}'
        )
    return {item["path"]: data[item["key"]] for item in source["items"]}


def _field(path: str, fields: Mapping[str, str]) -> str:
    if path not in fields:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return fields[path]


async def _key(kind: str, reference: Manifest, namespace: str, read: Read) -> str | None:
    data = await _data(kind, reference, read)
    if data is None:
        return None
    if reference["key"] not in data:
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return data[reference["key"]]


async def _data(kind: str, reference: Manifest, read: Read) -> dict[str, str] | None:
    found = await read(kind, reference["name"])
    if found is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    data: dict[str, str] = found.get("data", {})
    if kind == "Secret":
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    return data
