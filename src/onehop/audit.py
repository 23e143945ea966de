"""What an audit says: one result a check, under the ten pillars of the CWE research view. No check is made here."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

PILLARS: Mapping[str, str] = MappingProxyType(
    {
        "CWE-284": "access control",
        "CWE-435": "interaction",
        "CWE-664": "lifetime",
        "CWE-682": "calculation",
        "CWE-691": "control flow",
        "CWE-693": "protection",
        "CWE-697": "comparison",
        "CWE-703": "exceptional conditions",
        "CWE-707": "neutralization",
        "CWE-710": "standards",
    }
)
"""Pillar → in words."""

MOST = 5
"""Things that one result names."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one check.

    Attributes:
        pillar: a key of `PILLARS`.
        check: what was looked at.
        state: ``ok``; ``note``, which somebody wants to know and nobody has to change; or ``finding``.
        result: what was found, in a few words.
        todo: what to do about a finding; "" where there is none.
    """

    pillar: str
    check: str
    state: Literal["ok", "note", "finding"]
    result: str
    todo: str = ""


def judged(pillar: str, check: str, bad: Iterable[str], good: str, todo: str) -> Result:
    """A finding that names the first of what is bad; ok, in the words of `good`, where nothing is."""
    found = list(bad)
    if not found:
        return Result(pillar=pillar, check=check, state="ok", result=good)
    return Result(pillar=pillar, check=check, state="finding", result=some(found), todo=todo)


def noted(pillar: str, check: str, said: Iterable[str], otherwise: str) -> Result:
    """A note that names the first of what there is to say; ok where there is nothing."""
    found = list(said)
    if not found:
        return Result(pillar=pillar, check=check, state="ok", result=otherwise)
    return Result(pillar=pillar, check=check, state="note", result=some(found))


def some(found: list[str]) -> str:
    """The first few, and how many there are more."""
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return "; ".join(found[:MOST]) + more
