"""The policy file: an operator's changes to the table of rights (`policy_table` says what its words mean).

TOML, one table a resource; a cell that is named replaces the one of the table, all others stay::

    [network]
    delete = ["manager"]                 # only project managers delete networks
    [network.set]
    shared = ["manager"]                 # and may share them
    [network.show]
    "provider:segmentation_id" = ["anyone"]

What cannot be meant (an unknown resource, column, attribute or word; a word that means nothing in its column) is
refused with the file, the place and the words that can stand there. The file is read once, when the controller starts.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from onehop.controller.policy_table import DEEDS, MEANINGFUL, TABLE, Cell, Policy, Rights
from onehop.errors import SettingsError
from onehop.model.resources import BY_NAME

_COLUMNS = (*DEEDS, "set", "show")


def load(path: Path) -> Policy:
    """The table with an operator's changes.

    Raises:
        SettingsError: the file cannot be read or is wrong; says where and what may stand there.
    """
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the policy file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    rights = dict(TABLE.rights)
    changed: list[str] = []
    for name, line in parsed.items():
        if name not in rights:
            raise _unknown(path, name, "a resource", rights)
        if not isinstance(line, dict):
            raise SettingsError(f'{path}: {name} must be a table, such as [{name}] and then delete = ["manager"]')
        rights[name] = _line(path, name, rights[name], line, changed)
    return Policy(MappingProxyType(rights), tuple(changed))


def _line(path: Path, name: str, before: Rights, line: Mapping[str, Any], changed: list[str]) -> Rights:
    new: dict[str, Any] = {}
    for column, value in line.items():
        if column not in _COLUMNS:
            raise _unknown(path, f"{name}.{column}", "a column", _COLUMNS)
        if column in DEEDS:
            new[column] = _cell(path, f"{name}.{column}", column, name, value)
            changed.append(f"{name}.{column}")
            continue
        if not isinstance(value, dict):
            raise SettingsError(f"{path}: {name}.{column} must be a table of attributes: [{name}.{column}]")
        cells = dict(getattr(before, column))
        known = {a.name for a in BY_NAME[name].attributes} | set(cells)
        for attribute, words in value.items():
            at = f"{name}.{column}.{attribute}"
            if attribute not in known:
                raise _unknown(path, at, "an attribute", known)
            cells[attribute] = _cell(path, at, column, name, words)
            changed.append(at)
        new[column] = MappingProxyType(cells)
    return msgspec.structs.replace(before, **new)


def _cell(path: Path, at: str, column: str, resource: str, value: object) -> Cell:
    possible = set(MEANINGFUL[column])
    spec = BY_NAME[resource]
    if spec.parent is None:
        possible.discard("parent")
    if not spec.owned:
        possible -= {"owner", "manager"}
    if spec.attribute("network_id") is None:
        possible -= {"shared", "external"} if resource != "network" else set()
        possible -= {"network_owner"} if column != "set" else set()
    if spec.attribute("security_group_id") is None:
        possible.discard("group_owner")
    words = ", ".join(sorted(possible)) or "nothing: only administrators"
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise SettingsError(f"{path}: {at} must be a list of words; there can stand: {words}")
    for word in value:
        if word not in possible:
            raise SettingsError(f"{path}: {at}: {word!r} means nothing there; there can stand: {words}")
    return tuple(dict.fromkeys(value))


def _unknown(path: Path, at: str, what: str, known: Iterable[str]) -> SettingsError:
    last = at.rpartition(".")[2]
    close = difflib.get_close_matches(last, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
    return SettingsError(f"{path}: {at} is not {what}; {hint}")
