"""No definition has a field that its Composition never reads, so that nobody sets something in vain.

That another value makes something else is tried by the tests named `…_fields.py`, which need Crossplane; here the text
of the Composition is enough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.constraints import schema_of
from tests.platform.test_platform_claims_fields import leaves
from tools.platform_api.apis import APIS, EVENT_DRIVEN_SERVICE
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from tools.platform_api.apis import Api

#: Refused by the definition, whatever is in it: it says where credentials go instead.
UNREAD = {"providersecretclaims": {"credentials"}}
#: Objects that are written into the repository as they are.
WHOLE = {"applicationclaims": ("build.",)}
_COMMENT = re.compile(r"\{\{-? */\*.*?\*/ *-?\}\}", re.DOTALL)


def texts(node: Any) -> str:
    """Return all texts of a Composition's pipeline, without the comments in templates."""
    if isinstance(node, dict):
        return "\n".join(map(texts, node.values()))
    if isinstance(node, list):
        return "\n".join(map(texts, node))
    return _COMMENT.sub("", node) if isinstance(node, str) else ""


@pytest.mark.parametrize("api", [api for api in APIS if api != EVENT_DRIVEN_SERVICE], ids=lambda api: api.plural)
def test_each_field_is_read(api: Api) -> None:
    (composition,) = goldens.load_all(api.composition)
    text = texts(composition["spec"]["pipeline"])
    spec = schema_of(load_definition(api))["properties"]["spec"]
    fields = {field.replace("[]", "").replace("{}", "") for field in leaves(spec)} - UNREAD.get(api.plural, set())
    single = [field for field in sorted(fields) if not field.startswith(WHOLE.get(api.plural, ()))]
    assert [field for field in single if not re.search(rf"\b{field.rpartition('.')[2]}\b", text)] == []
    assert all(f"$spec.{field.removesuffix('.')}" in text for field in WHOLE.get(api.plural, ()))
