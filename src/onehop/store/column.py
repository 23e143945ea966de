"""The types of columns, on both databases."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Json(TypeDecorator[Any]):
    """A JSON value, kept as its text."""

    impl = sa.Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002  # SQLAlchemy's signature
        """Encode; None is JSON's null, since no JSON column may be NULL."""
        return _encode

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:  # noqa: ARG002  # as above
        """Decode; an outer join may find nothing."""
        return _decode


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decode(value: str | None) -> Any:
    if value == "[]":
        return []  # what most are; a list of many ports decodes thousands
    return None if value is None else _DECODER.decode(value)


TEXT: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that sorts and compares by code point on both databases."""

TYPES: Mapping[str, TypeEngine[Any]] = MappingProxyType(
    {"text": TEXT, "int": sa.BigInteger(), "bool": sa.Boolean(), "json": Json()}
)
