"""Kinds of attribute values: one check each, as pure code, with the JSON schema that says the same to clients.

A check takes what a client sent (any JSON value) and returns it in canonical form, or raises
`onehop.errors.ValidationError` (the value has the wrong form) or `onehop.errors.ConversionError` (it should have been a
number or a truth value). Messages are the reason only; whoever calls adds the attribute's name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from onehop.errors import AddressError, ConversionError, ValidationError
from onehop.net import address
from onehop.net.identifier import is_uuid

Json = Any
"""A JSON value: null, bool, int, float, str, list or dict."""

Check = Callable[[Json], Json]

MAX_TEXT = 255


class Kind(msgspec.Struct, frozen=True):
    """A kind of value.

    Attributes:
        check: canonical form of a value from outside, or raises.
        schema: JSON Schema (2020-12) of values that are accepted and shown.
        parse_filter: canonical form of a filter's text; values that cannot match anything raise as `check` does.
        neutral: what the attribute of a feature that is not built reads as, in a tuple of one; else empty.
    """

    check: Check
    schema: Mapping[str, Json]
    parse_filter: Callable[[str], Json]
    neutral: tuple[Json, ...] = ()


def _kind(check: Check, schema: Mapping[str, Json], parse_filter: Callable[[str], Json] | None = None) -> Kind:
    return Kind(check, schema, parse_filter if parse_filter is not None else str)


def shown(value: Json) -> str:
    """A value as part of a sentence: quoted, escaped, at most 64 characters."""
    return repr(value)[:64] if not isinstance(value, str) else repr(value[:62])


def text(maximum: int = MAX_TEXT, none: bool = False, null_is_empty: bool = False) -> Kind:
    """A string of at most `maximum` characters without NUL; with `none` also null; or null is read as the empty one."""

    def check(value: Json) -> Json:
        if value is None and (none or null_is_empty):
            return "" if null_is_empty else None
        if not isinstance(value, str):
            raise ValidationError(f"{shown(value)} is not a valid string")
        if len(value) > maximum:
            raise ValidationError(f"{shown(value)} exceeds maximum length of {maximum}")
        if not is_storable(value):
            raise ValidationError(f"{shown(value)} contains a character that cannot be stored")
        return value

    return _kind(check, {"type": ["string", "null"] if none or null_is_empty else "string", "maxLength": maximum})


def text_or_number() -> Kind:
    """A short string, or a whole number that is read as its digits; or null."""
    words = text(64, none=True)

    def check(value: Json) -> Json:
        plain = isinstance(value, int) and not isinstance(value, bool)
        return words.check(str(value)[:65] if plain else value)

    return _kind(check, {"type": ["string", "integer", "null"]})


def is_storable(value: str) -> bool:
    """Whether both databases can hold it: no NUL, no lone surrogate."""
    if value.isascii():
        return "\0" not in value
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def _check_boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    raise ConversionError(f"{shown(value)} cannot be converted to boolean")


BOOLEAN = _kind(_check_boolean, {"type": "boolean"}, _check_boolean)
"""true or false; the strings and numbers that mean them are converted."""


def integer(minimum: int, maximum: int, none: bool = False) -> Kind:
    """A whole number in a closed range; a string of digits is converted; with `none` also null."""

    def check(value: Json) -> Json:
        if value is None and none:
            return None
        number = to_integer(value)
        if number < minimum:
            raise ValidationError(f"{number} is too small - must be at least {minimum}")
        if number > maximum:
            raise ValidationError(f"{str(number)[:32]} is too large - must be no larger than {maximum}")
        return number

    schema = {"type": ["integer", "null"] if none else "integer", "minimum": minimum, "maximum": maximum}
    return _kind(check, schema, lambda value: check(value))


def to_integer(value: Json) -> int:
    """A whole number, or a string of at most 20 digits with an optional minus.

    Raises:
        ConversionError: anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 21 and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise ConversionError(f"{shown(value)} is not an integer")


def power_of_two(minimum: int, maximum: int) -> Kind:
    """A power of two in a closed range; a string of digits is converted."""
    number = integer(minimum, maximum)

    def check(value: Json) -> Json:
        checked = number.check(value)
        if checked & (checked - 1):
            raise ValidationError(f"{checked} is not a power of two")
        return checked

    return _kind(check, number.schema, lambda value: check(value))


def one_of(*values: str | None) -> Kind:
    """One of a few words."""

    def check(value: Json) -> Json:
        if not isinstance(value, str | None) or value not in values:
            words = ", ".join("null" if v is None else v for v in values)
            raise ValidationError(f"{shown(value)} is not in [{words}]")
        return value

    return _kind(check, {"enum": list(values)})


def only(*values: Json, feature: str) -> Kind:
    """The neutral value, or values, of a feature that is not built: anything else is refused with a sentence."""

    def check(value: Json) -> Json:
        for neutral in values:
            if value == neutral and isinstance(value, type(neutral)):
                return value
        raise ValidationError(f"{feature} is not available here; leave it out or send {shown(values[0])}")

    return Kind(check, {"enum": list(values)}, str, (values[0],))


def uuid(none: bool = False) -> Kind:
    """A UUID, lower-cased; with `none` also null."""

    def check(value: Json) -> Json:
        if value is None and none:
            return None
        if isinstance(value, str) and is_uuid(value.lower()):
            return value.lower()
        raise ValidationError(f"{shown(value)} is not a valid UUID")

    return _kind(check, {"type": ["string", "null"] if none else "string", "format": "uuid"}, str.lower)


def _wrapped(parse: Callable[[Json], str], noun: str, none: bool) -> Check:
    def check(value: Json) -> Json:
        if value is None and none:
            return None
        try:
            return parse(value)
        except AddressError:
            raise ValidationError(f"{shown(value)} is not {noun}") from None

    return check


def ip(none: bool = False) -> Kind:
    """An IPv4 or IPv6 address."""
    check = _wrapped(address.parse_ip, "a valid IP address", none)
    return _kind(check, {"type": ["string", "null"] if none else "string"}, _lenient(check))


def prefix(none: bool = False) -> Kind:
    """A prefix in CIDR form; host bits are cleared."""
    check = _wrapped(lambda value: address.parse_prefix(value, strict=False), "a valid IP subnet", none)
    return _kind(check, {"type": ["string", "null"] if none else "string"}, _lenient(check))


def mac() -> Kind:
    """A unicast MAC address that is not all zeros."""
    checked = _wrapped(address.parse_mac, "a valid MAC address", none=False)

    def check(value: Json) -> Json:
        canonical = checked(value)
        if int(canonical[:2], 16) & 1 or canonical == "00:00:00:00:00:00":
            raise ValidationError(f"{canonical} is a group or all-zero MAC address, which a port cannot have")
        return canonical

    return _kind(check, {"type": "string"}, _lenient(check))


def _lenient(check: Check) -> Callable[[str], Json]:
    """For filters: text that is not in the form matches nothing, which is not an error."""

    def parse(value: str) -> Json:
        try:
            return check(value)
        except ValidationError:
            return value

    return parse


def list_of(item: Kind, maximum: int, unique: bool = True, null_is_empty: bool = False) -> Kind:
    """A list; with `unique`, a repeated item is refused; with `null_is_empty`, null is read as the empty one."""

    def check(value: Json) -> Json:
        if value is None and null_is_empty:
            return []
        if not isinstance(value, list):
            raise ValidationError(f"{shown(value)} is not a list")
        if len(value) > maximum:
            raise ValidationError(f"{len(value)} items are too many - at most {maximum}")
        items = [item.check(v) for v in value]
        if unique:
            seen: list[Json] = []
            for one in items:
                if one in seen:
                    raise ValidationError(f"Duplicate items in the list: {shown(one)}")
                seen.append(one)
        return items

    type = ["array", "null"] if null_is_empty else "array"
    return _kind(check, {"type": type, "items": dict(item.schema), "maxItems": maximum})


def record(fields: Mapping[str, Kind], required: Sequence[str] = (), none: bool = False) -> Kind:
    """An object with known keys; absent optional keys stay absent; with `none` also null."""

    def check(value: Json) -> Json:
        if value is None and none:
            return None
        if not isinstance(value, dict):
            raise ValidationError(f"{shown(value)} is not a dictionary")
        for name in required:
            if name not in value:
                raise ValidationError(f"Expected keys not found: {name}")
        for name in value:
            if name not in fields:
                raise ValidationError(f"Unexpected keys supplied: {shown(name)}")
        return {name: kind.check(value[name]) for name, kind in fields.items() if name in value}

    properties = {name: dict(kind.schema) for name, kind in fields.items()}
    type = ["object", "null"] if none else "object"
    schema = {"type": type, "properties": properties, "required": list(required), "additionalProperties": False}
    return _kind(check, schema)


def mapping(maximum: int = 4096) -> Kind:
    """A free JSON object of at most `maximum` octets when encoded; null reads as the empty one."""

    def check(value: Json) -> Json:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValidationError(f"{shown(value)} is not a dictionary")
        try:
            encoded = msgspec.json.encode(value)
        except (UnicodeEncodeError, OverflowError, RecursionError):
            raise ValidationError("the dictionary cannot be encoded") from None
        if len(encoded) > maximum or b"\\u0000" in encoded:
            raise ValidationError(f"the dictionary has more than {maximum} octets or contains NUL")
        return value

    return _kind(check, {"type": ["object", "null"]})
