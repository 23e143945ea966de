"""Version 2 of the stream, as it was when version 3 came: never to be changed.

``controller.json`` says which messages of a controller an agent of version 2 understands (JSON Schema, as msgspec wrote
it then), ``agent.json`` holds what such an agent says, and ``view`` is its local copy.
"""

import json
import re
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent
SAID: list[dict[str, Any]] = json.loads((DIRECTORY / "agent.json").read_text())
_SCHEMA: dict[str, Any] = json.loads((DIRECTORY / "controller.json").read_text())
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": (list, tuple),
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def misunderstood(message: object) -> str:
    """Why an agent of version 2 does not understand a message (of plain lists and dicts); "" where it does."""
    return _misfit(_SCHEMA, message, "message")


def _misfit(schema: dict[str, Any], value: Any, where: str) -> str:
    if "$ref" in schema:
        return _misfit(_SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value, where)
    if "anyOf" in schema:
        found = [_misfit(choice, value, where) for choice in schema["anyOf"]]
        return "" if "" in found else min(found, key=len)
    if "enum" in schema:
        return "" if value in schema["enum"] else f"{where} is {value!r}"
    if "type" in schema and not _is(value, schema["type"]):
        return f"{where} is no {schema['type']}"
    if isinstance(value, dict):
        if lacking := set(schema.get("required", ())) - value.keys():
            return f"{where} lacks {sorted(lacking)}"
        parts = [(schema["properties"][key], value[key], key) for key in schema.get("properties", {}) if key in value]
    elif isinstance(value, list | tuple):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return f"{where} has {len(value)} items"
        prefix = schema.get("prefixItems", [])
        kinds = [prefix[n] if n < len(prefix) else schema.get("items") for n in range(len(value))]
        parts = [(kind, item, str(n)) for n, (kind, item) in enumerate(zip(kinds, value, strict=True)) if kind]
    else:
        return _beyond(schema, value, where)
    return next((why for part in parts if (why := _misfit(part[0], part[1], f"{where}.{part[2]}"))), "")


def _is(value: object, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _beyond(schema: dict[str, Any], value: Any, where: str) -> str:
    wrong = (
        ("minimum" in schema and value < schema["minimum"])
        or ("exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"])
        or ("maximum" in schema and value > schema["maximum"])
        or ("maxLength" in schema and len(value) > schema["maxLength"])
        or ("pattern" in schema and re.search(schema["pattern"], value) is None)
    )
    return f"{where} is {value!r}" if wrong else ""
