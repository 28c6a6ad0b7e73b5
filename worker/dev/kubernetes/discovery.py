"""Discovery and version documents: as much as the kubernetes client, kubectl and controllers ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.registry import Registry, Resource

VERSION: JsonObject = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.4+embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "embedded",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def document(registry: Registry, path: str) -> JsonObject | None:
    """Return the document at a discovery path, or None when the path is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", version]:
            return _resources(registry, "", version)
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(registry)}
        case ["apis", group]:
            found = [one for one in _groups(registry) if one["name"] == group]
            return {"kind": "APIGroup", "apiVersion": "v1", **found[0]} if found else None
        case ["apis", group, version]:
            return _resources(registry, group, version)
        case _:
            return None


def _groups(registry: Registry) -> list[JsonObject]:
    versions: dict[str, list[str]] = {}
    for resource in registry:
        if resource.group and resource.version not in versions.setdefault(resource.group, []):
            versions[resource.group].append(resource.version)
    groups = []
    for group, found in sorted(versions.items()):
        listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in found]
        groups.append({"name": group, "versions": listed, "preferredVersion": listed[0]})
    return groups


def _resources(registry: Registry, group: str, version: str) -> JsonObject | None:
    served = [r for r in registry if (r.group, r.version) == (group, version)]
    if not served:
        return None
    listed: list[JsonObject] = []
    for resource in served:
        listed.append(_describe(resource))
        if resource.has_status:
            listed.append(
                {**_describe(resource), "name": f"{resource.plural}/status", "verbs": ["get", "patch", "update"]}
            )
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _describe(resource: Resource) -> JsonObject:
    described: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS,
    }
    if resource.short_names:
        described["shortNames"] = list(resource.short_names)
    if resource.categories:
        described["categories"] = list(resource.categories)
    return described
