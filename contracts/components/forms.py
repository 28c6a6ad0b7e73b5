"""Forms of texts and lists in properties; those that end up in a claim are as strict as the claim's own schema.

What a claim refuses would fail its run, minutes after the event was accepted and in the API server's words. Here it is
refused before anything is done, with the place in the event and what to write instead. `tests/contract/test_claims.py`
holds every form against the claim that its values reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from contracts import fields
from contracts.fields import DURATION, MAX_LABEL, RETENTION, Label63, NumberAsText
from contracts.violations import explain_pattern, has_user, quote

_PRIVATE_KEY: Final = "PRIVATE KEY-----"
_RESERVED_DATABASES: Final = ("postgres", "template0", "template1", "admin", "local", "config")
_SMALLEST_VOLUME: Final = 2**30
_UNITS: Final = {"": 1} | {
    unit + suffix: base**power
    for suffix, base in (("", 1000), ("i", 1024))
    for power, unit in enumerate("kMGTPE" if base == 1000 else "KMGTPE", 1)  # noqa: PLR2004 - SI against binary units
}
_MAX_REPOSITORY: Final = 100

TARGET: Final = explain_pattern(
    r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$",
    "name a vcluster: at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
)
GITHUB_OWNER: Final = explain_pattern(
    r"^([A-Za-z0-9]([-A-Za-z0-9]{0,37}[A-Za-z0-9])?)?$",
    "name a user or organisation of GitHub: at most 39 letters, digits and '-'",
)
_DATABASE: Final = explain_pattern(
    r"^([A-Za-z_][A-Za-z0-9_-]*)?$", "start with a letter or '_' and go on with letters, digits, '_' and '-'"
)
_PRODUCT_VERSION: Final = explain_pattern(
    r"^([0-9]{1,4}(\.[0-9]{1,5}){0,3})?$", 'write up to four numbers with dots between, such as "14" or "23.5"'
)
_REGION: Final = explain_pattern(
    r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$", 'write a region of the provider such as "us-west-2"'
)
_STORAGE: Final = explain_pattern(
    r"^([1-9][0-9]*(\.[0-9]{1,3})?([KMGT]i|[kMGT])?)?$", 'write a size such as "10Gi" or "500Mi"'
)
_VOLUME: Final = explain_pattern(r"^[0-9]+(\.[0-9]+)?([kMGTPE]|[KMGTPE]i)?$", 'write a size such as "10Gi"')
_CPU: Final = explain_pattern(
    r"^([1-9][0-9]*m|[1-9][0-9]*(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$",
    'write CPUs such as "500m" or "1.5"',
)
_MEMORY: Final = explain_pattern(r"^[1-9][0-9]*([KMGT]i|[kMGT])$", 'write an amount of memory such as "512Mi"')
_IMAGE: Final = explain_pattern(
    r"^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?/)?"
    r"([a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?)?$",
    'write an image such as "registry.example.com/team/chat:1.0"',
)
_FRAMEWORK: Final = explain_pattern(
    r"^([A-Za-z0-9][A-Za-z0-9.+#_-]*)?$", 'write the name of a framework such as "fastapi"'
)
_REPOSITORY: Final = explain_pattern(
    r"^(([!-~]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*)?$",
    "write the repository's name, or its address without a slash at the end",
)
_LABEL_KEY: Final = explain_pattern(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    'write the key of a label such as "app.kubernetes.io/part-of"',
)
_LABEL_VALUE: Final = explain_pattern(
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    "write the value of a label: letters, digits, '-', '_' and '.', with a letter or digit at both ends",
)
_RESOLVER: Final = explain_pattern(
    r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    "write letters, digits, '-', '_' and '.', with a letter or digit at both ends",
)
_ENDPOINT: Final = explain_pattern(
    r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[!-~]*)?$",
    'write an address such as "https://billing.example.com/graphql"',
)


def _without_credentials(value: object) -> object:
    if isinstance(value, str) and has_user(value):
        raise PydanticCustomError(
            "secret-value",
            "a URL with credentials",
            {
                "message": "the URL carries a user name or password",
                "fix": "leave them out, the platform has its own access",
            },
        )
    return value


def refuse_secret_texts(value: object) -> None:
    """Refuse a JSON value that holds a URL with credentials or a private key anywhere, under whatever name.

    Raises:
        PydanticCustomError: `secret-value`.
    """
    if isinstance(value, str):
        _without_credentials(value)
        if _PRIVATE_KEY in value:
            raise PydanticCustomError(
                "secret-value",
                "a private key",
                {"message": "a value is a private key", "fix": "put it into a Secret and name that"},
            )
    elif isinstance(value, (Mapping, list)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            refuse_secret_texts(inner)


# Any text may be a URL (of a database, a repository, an image), so none may carry a password.
_NoCredentials = BeforeValidator(_without_credentials)


def _not_the_servers_own(name: str) -> str:
    if name in _RESERVED_DATABASES:
        raise PydanticCustomError(
            "not-allowed",
            "a database of the server's own",
            {"message": f"{quote(name)} is a database of the server's own", "fix": "choose another name"},
        )
    return name


def _large_enough(size: str) -> str:
    number = size.rstrip("kKMGTPEi")
    if Decimal(number) * _UNITS[size.removeprefix(number)] < _SMALLEST_VOLUME:
        raise PydanticCustomError(
            "out-of-range",
            "too small a volume",
            {"message": f"{quote(size)} is too small", "fix": 'give at least "1Gi"'},
        )
    return size


def _short_enough(repository: str) -> str:
    if len(repository.rpartition("/")[2].removesuffix(".git")) > _MAX_REPOSITORY:
        raise PydanticCustomError(
            "too-long",
            "too long a name",
            {"message": "the repository's name is too long", "fix": f"give at most {_MAX_REPOSITORY} characters"},
        )
    return repository


def _unique(values: list[str]) -> list[str]:
    refuse_repeated(values)
    return values


def refuse_repeated(values: Sequence[str]) -> None:
    """Refuse a list in which a value occurs twice.

    Raises:
        PydanticCustomError: `duplicate-entry`.
    """
    repeated = next((value for place, value in enumerate(values) if value in values[:place]), None)
    if repeated is not None:
        raise PydanticCustomError(
            "duplicate-entry",
            "an entry occurs twice",
            {"message": f"{quote(repeated)} is there twice", "fix": "keep one of the two"},
        )


def _schema(**words: Any) -> Any:
    """Tell the JSON Schema what only a function checks."""
    return Field(json_schema_extra=words)


Line = Annotated[fields.Line, _NoCredentials]

Target = Annotated[str, StringConstraints(pattern=TARGET, max_length=MAX_LABEL), _NoCredentials]
ProviderDatabase = Annotated[str, StringConstraints(pattern=_DATABASE, max_length=63), _NoCredentials]
ServerDatabase = Annotated[
    str,
    StringConstraints(pattern=_DATABASE, max_length=63),
    AfterValidator(_not_the_servers_own),
    _NoCredentials,
    _schema(**{"not": {"enum": list(_RESERVED_DATABASES)}}),
]
ProductVersion = Annotated[str, StringConstraints(pattern=_PRODUCT_VERSION, max_length=24), NumberAsText]
Region = Annotated[str, StringConstraints(pattern=_REGION, max_length=63), _NoCredentials]
Storage = Annotated[str, StringConstraints(pattern=_STORAGE, max_length=16), NumberAsText]
Volume = Annotated[str, StringConstraints(pattern=_VOLUME, max_length=16), AfterValidator(_large_enough), NumberAsText]
Cpu = Annotated[str, StringConstraints(pattern=_CPU, max_length=16), NumberAsText]
Memory = Annotated[str, StringConstraints(pattern=_MEMORY, max_length=16)]
Image = Annotated[str, StringConstraints(pattern=_IMAGE, max_length=520), _NoCredentials]
Framework = Annotated[str, StringConstraints(pattern=_FRAMEWORK, max_length=63), _NoCredentials]
Repository = Annotated[
    str, StringConstraints(pattern=_REPOSITORY, max_length=1024), AfterValidator(_short_enough), _NoCredentials
]
Retention = Annotated[str, StringConstraints(pattern=RETENTION)]
Interval = Annotated[str, StringConstraints(pattern=DURATION, max_length=16)]
Selector = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=_LABEL_KEY, max_length=317)],
        Annotated[str, StringConstraints(pattern=_LABEL_VALUE, max_length=MAX_LABEL)],
    ],
    Field(min_length=1, max_length=16),
]
ResolverName = Annotated[str, StringConstraints(pattern=_RESOLVER, max_length=63)]
Endpoint = Annotated[str, StringConstraints(pattern=_ENDPOINT, max_length=2048), _NoCredentials]
Patterns = Annotated[list[Label63], Field(max_length=32), AfterValidator(_unique), _schema(uniqueItems=True)]
