"""Which resources the API serves: the built-in ones, and those that CustomResourceDefinitions add.

A resource is a value, so a change of a definition replaces it; requests already under way keep the one they began with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes.schema import Schema, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.dev.kubernetes.cel import Rules


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource in one version.

    Attributes:
        schema: structural schema of a custom resource; None for built-in kinds, which are stored as they come.
        rules: CEL rules of the schema; None when it has none.
        has_status: whether ``/status`` is a subresource (then the main path ignores ``status``).
        tracks_generation: whether ``metadata.generation`` is kept.
        custom: whether a CustomResourceDefinition made it.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    schema: Schema | None = None
    has_status: bool = False
    tracks_generation: bool = False
    custom: bool = False
    rules: Rules | None = None

    @property
    def qualified(self) -> str:
        """Name in messages: ``workflows.argoproj.io``, or ``namespaces`` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """Value of ``apiVersion``: ``argoproj.io/v1alpha1`` or ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """Storage key; all versions of a resource share their objects."""
        return (self.group, self.plural)


CORE = ""
RBAC = "rbac.authorization.k8s.io"
EXTENSIONS = "apiextensions.k8s.io"

NAMESPACES = Resource(CORE, "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",), has_status=True)
DEFINITIONS = Resource(
    EXTENSIONS,
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    has_status=True,
    tracks_generation=True,
)
SERVICE_ACCOUNTS = Resource(CORE, "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",))
ROLES = Resource(RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)

BUILT_IN = (
    NAMESPACES,
    Resource(CORE, "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    Resource(CORE, "v1", "secrets", "Secret"),
    Resource(CORE, "v1", "events", "Event", short_names=("ev",)),
    Resource(CORE, "v1", "services", "Service", short_names=("svc",), has_status=True),
    SERVICE_ACCOUNTS,
    DEFINITIONS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
)


@dataclass(slots=True)
class Registry:
    """The resources served now, by group, version and plural."""

    _resources: dict[tuple[str, str, str], Resource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for resource in BUILT_IN:
            self._resources[(resource.group, resource.version, resource.plural)] = resource

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource at a path, or None if nothing serves it."""
        return self._resources.get((group, version, plural))

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def define(self, made: list[Resource]) -> None:
        """Serve the resources of a definition, in place of what it declared before.

        Args:
            made: one resource per version, as ``resources_of`` makes them.
        """
        for group, plural in {resource.key for resource in made}:
            self.forget(group, plural)
        for resource in made:
            self._resources[(resource.group, resource.version, resource.plural)] = resource

    def forget(self, group: str, plural: str) -> None:
        """Stop serving every version of a resource."""
        for key in [k for k in self._resources if (k[0], k[2]) == (group, plural)]:
            del self._resources[key]


def resources_of(definition: dict[str, Any]) -> list[Resource]:
    """Return what a CustomResourceDefinition declares, one resource per served version.

    Args:
        definition: a CustomResourceDefinition (apiextensions.k8s.io/v1) that passed ``definitions.check``.

    Raises:
        SchemaError: a schema uses something that no kube-apiserver accepts.
    """
    spec = definition["spec"]
    names = spec["names"]
    made = []
    for index, version in enumerate(spec["versions"]):
        if not version.get("served"):
            continue
        schema = Schema.of_resource(version["schema"]["openAPIV3Schema"])
        # A real server keeps the schema of a single version apart from it, and says so in its refusals.
        place = "spec.validation" if len(spec["versions"]) == 1 else f"spec.versions[{index}].schema"
        made.append(
            Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                singular=names.get("singular") or names["kind"].lower(),
                list_kind=names.get("listKind") or f"{names['kind']}List",
                short_names=tuple(names.get("shortNames", ())),
                categories=tuple(names.get("categories", ())),
                schema=schema,
                has_status="status" in version.get("subresources", {}),
                tracks_generation=True,
                custom=True,
                rules=_rules(schema, f"{place}.openAPIV3Schema"),
            )
        )
    return made


def _rules(schema: Schema, path: str) -> Rules | None:
    if not schema.ruled:
        return None
    try:
        from worker.dev.kubernetes.cel import compile_rules  # noqa: PLC0415 - a tenth of a second, and most need none
    except ImportError as error:
        why = f"its CEL rules cannot be evaluated by this installation, which lacks {error.name}"
        raise SchemaError(f"{why}: install platform-worker[dev-mode]") from error
    return compile_rules(schema, path)
