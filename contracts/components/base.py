"""What the property models of all component types share: spelling, strictness, and secrets.

People write `highAvailability`, `high_availability` and `high-availability`; ComponentDefinitions and the former
handlers even used different words. All are accepted and become one field. Unknown properties are KubeVela's business:
they never enter a model, so nothing undeclared can travel by accident. Fields that were not given are None: the
template's default applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from contracts.components.forms import Target
from contracts.fields import Quantity, Subdomain
from contracts.violations import fold, quote

Spellings: TypeAlias = Mapping[str, tuple[str, ...]]

CREDENTIALS_FIX: Final = (
    "put it into a Secret of the Application's namespace and name that: credentialsSecretRef: {name: …}"
)


class Properties(BaseModel):
    """An object within properties; `spellings` lists further names of a field, the documented one first."""

    # Built on first use: a command that needs one type, or none, should not wait for all sixteen.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)
    spellings: ClassVar[Spellings] = {}
    _folded: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        spellings: dict[str, tuple[str, ...]] = {}
        for base in reversed(cls.__mro__):
            spellings |= vars(base).get("spellings", {})
        cls.spellings = {field: words for field, words in spellings.items() if field in cls.model_fields}
        cls._folded = {
            fold(word): field for field in cls.model_fields for word in (field, *cls.spellings.get(field, ()))
        }

    @classmethod
    def field_of(cls, key: str) -> str | None:
        """Return the field that a sender's spelling means, None for an unknown property."""
        return cls._folded.get(fold(key))

    @classmethod
    def documented(cls, field: str) -> str:
        """Return the spelling of a field that documents and schemas use."""
        return cls.spellings.get(field, (_camel(field),))[0]

    @model_validator(mode="before")
    @classmethod
    def _unify_spelling(cls, raw: object) -> object:
        if not isinstance(raw, Mapping):
            return raw
        unified: dict[str, Any] = {}
        for key, value in raw.items():
            field = cls.field_of(key)
            if field is None or value is None:
                continue
            if field in unified and unified[field] != value:
                raise PydanticCustomError(
                    "conflicting-properties",
                    "two spellings of one property",
                    {
                        "message": f"{quote(key)} and another spelling of {cls.documented(field)} differ",
                        "fix": f"keep {cls.documented(field)} only",
                    },
                )
            unified[field] = value
        return unified

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler.resolve_ref_schema(handler(schema))
        fields = made.pop("properties", {})
        made["properties"] = {cls.documented(field): described for field, described in fields.items()}
        others = {}
        for field in fields:
            written = cls.documented(field)
            words = {field, _camel(field), *cls.spellings.get(field, ())}
            words |= {word.replace("_", "-") for word in words}
            words.discard(written)
            if words:
                others[f"^({'|'.join(sorted(words))})$"] = {"$ref": f"#/$defs/{cls.__name__}/properties/{written}"}
        if others:
            made["patternProperties"] = others
        if "required" in made:
            made["required"] = [cls.documented(field) for field in made["required"]]
        return made


class SecretRef(Properties):
    """The name of a Secret in the Application's namespace."""

    name: Subdomain


class Resources(Properties):
    """Requests and limits of a workload."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None


class ComponentProperties(Properties):
    """The properties of one component type.

    Class attributes:
        secret_paths: Places of values that are dropped with a warning; the platform generates them.
        refused: Places of values that the platform cannot generate, so they are refused with the way out.
        references: Fields that may name another component.
    """

    secret_paths: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[tuple[str, ...]] = ("credentials",)
    references: ClassVar[tuple[str, ...]] = ()

    target_environment: Target | None = Field(default=None, description="vcluster to deploy to; the host without it")

    def values(self) -> dict[str, Any]:
        """Return what was given, by field name, as plain JSON values; environment variables are KubeVela's alone."""
        return self.model_dump(exclude_none=True, exclude_unset=True)


Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=1000)]
Scalar = str | bool | int | float | None
Environment = dict[str, Scalar]
Objects = list[dict[str, Any]]


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)
