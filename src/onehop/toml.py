"""A TOML file of ours, read into a struct: what is wrong with it is said with file, line and key."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from onehop.errors import SettingsError

T = TypeVar("T", bound=msgspec.Struct)


def load(path: Path, type_: type[T]) -> T:
    """Read a file whose top-level keys are a struct's fields.

    Raises:
        SettingsError: it cannot be read, or a key is unknown, missing or of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no configuration file {path}; write one or name another with --config") from None
    except (OSError, UnicodeDecodeError) as reason:
        raise SettingsError(f"cannot read {path}: {reason}") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        raise SettingsError(f"{path} is not TOML: {reason}") from None
    known = {field.name: field for field in msgspec.structs.fields(type_)}
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise error(path, key, f"unknown key {key!r}{hint}")
    for name, field in known.items():
        if field.required and name not in raw:
            raise SettingsError(f"{path}: the key {name!r} is missing")
    for key, value in raw.items():
        try:
            msgspec.convert(value, known[key].type)
        except msgspec.ValidationError as reason:
            raise error(path, key, f"{key}: {str(reason)[:1].lower()}{str(reason)[1:]}") from None
    return msgspec.convert(raw, type_)


def error(path: Path, key: str, message: str) -> SettingsError:
    """What is wrong with a key, with the line on which it stands."""
    line = _line(path, key)
    return SettingsError(f"{path}{f', line {line}' if line else ''}: {message}")


def _line(path: Path, key: str) -> int | None:
    """The line on which a top-level key stands, as far as can be told from the text."""
    begin = re.compile(rf"\s*(?:\[\s*)?[\"']?{re.escape(key)}[\"']?\s*(?:[=.\]])")
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if begin.match(line)), None)
