"""The history checker: a right history is left alone, and each way to break a promise is told."""

import msgspec
import pytest

from tests.controllers.checker import violations
from tests.controllers.history import NEVER, Block, Final, Logged, Operation, Reign, Sight

ONE, TWO = (("s", "10.0.0.5"),), (("s", "10.0.0.6"),)


def made(port: str, begin: float, end: float, addresses: tuple[tuple[str, str], ...] = ONE) -> Operation:
    where = {"network": "n", "host": "h1"}
    return Operation(kind="create", port=port, name=f"{port}-0", begin=begin, end=end, addresses=addresses, **where)


def named(port: str, name: str, begin: float, end: float = NEVER) -> Operation:
    return Operation(kind="rename", port=port, name=name, begin=begin, end=end)


def read(port: str, name: str, begin: float, end: float) -> Operation:
    return Operation(kind="read", port=port, name=name, begin=begin, end=end)


def deleted(port: str, begin: float, end: float = NEVER) -> Operation:
    return Operation(kind="delete", port=port, begin=begin, end=end)


def final(*log: Logged, **names: str) -> Final:
    return Final(
        names=names, addresses=dict.fromkeys(names, ONE), places=dict.fromkeys(names, ("n", "h1")), log=tuple(log)
    )


def sight(revision: int, *ports: str, host: str = "h1", **given: object) -> Sight:
    return msgspec.structs.replace(Sight(host, revision, frozenset(ports)), **given)


RIGHT = [
    made("p", 1, 2),
    named("p", "a", 3),
    named("p", "b", 4, 6),
    read("p", "a", 5, 7),
    read("p", "b", 5, 6),
    read("p", "a", 8, 9),
    made("q", 1, 2, TWO),
    deleted("q", 3, 4),
    read("q", "", 3.5, 3.6),
    made("r", 5, 6, TWO),
    deleted("r", 6),
]
"""The rename to a has no answer, so it may have been done after that to b; that of r may not have been done at all."""

LOG = (Logged(1, "p", False), Logged(2, "q", False), Logged(3, "q", True))


def test_what_may_have_happened_is_no_violation() -> None:
    sights = [
        sight(1, "p"),
        sight(2, "p", "q", reigns=(Reign("x", 1, "h1"),), blocks={"x": (Block("a", 1024, 64, "h1"),)}),
        sight(3, "p", reigns=(Reign("x", 3, "h2"),), blocks={"x": (Block("a", 1088, 64, "h2"),)}),
        sight(3, host="h2"),
    ]
    for name in ("a", "b"):
        assert violations(RIGHT, final(*LOG, p=name), sights) == []
    with_r = final(*LOG, Logged(4, "r", False), p="a", r="r-0")
    with_r = msgspec.structs.replace(with_r, addresses={"p": ONE, "r": TWO})
    assert violations(RIGHT, with_r, sights) == []


@pytest.mark.parametrize(
    ("operations", "names", "said"),
    [
        ([made("p", 1, 2)], {}, "acknowledged as made and is not there"),
        ([made("p", 1, 2), deleted("p", 3, 4)], {"p": "p-0"}, "acknowledged as deleted and is there"),
        ([made("p", 1, 2), named("p", "a", 3, 4)], {"p": "p-0"}, "after a later name was acknowledged"),
        ([made("p", 1, 2), named("p", "a", 3, 4), read("p", "p-0", 5, 6)], {"p": "a"}, "after a later name"),
        ([made("p", 1, 2), read("p", "x", 3, 4)], {"p": "p-0"}, "which nobody wrote"),
        ([made("p", 1, 2), read("p", "a", 3, 4), named("p", "a", 5, 6)], {"p": "a"}, "before that was written"),
        ([made("p", 1, 2), read("p", "", 3, 4)], {"p": "p-0"}, "not found after"),
        ([made("p", 1, 2), deleted("p", 3, 4), read("p", "p-0", 5, 6)], {}, "after its deletion was acknowledged"),
        ([made("p", 1, 2), made("q", 1, 2)], {"p": "p-0", "q": "q-0"}, "10.0.0.5 at the same time"),
        ([made("p", 1, 4), made("q", 2, 3), deleted("p", 5, 6), deleted("q", 5, 6)], {}, "at the same time"),
        ([made("p", 1, 2, TWO)], {"p": "p-0"}, "other addresses than it was given"),
        ([], {"p": "x", "q": "y"}, "10.0.0.5 at the same time"),
    ],
)
def test_a_broken_promise_to_a_client_is_told(operations: list[Operation], names: dict[str, str], said: str) -> None:
    found = violations(operations, final(**names), [])
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("sights", "said"),
    [
        ([sight(2), sight(1)], "went back from revision 2 to 1"),
        ([sight(1, "p"), sight(3, "p"), sight(2, "p", "q")], "went back from revision 3 to 2"),
        (
            [sight(0, reigns=(Reign("x", 4, "h1"),)), sight(0, host="h2", reigns=(Reign("x", 4, "h2"),))],
            "generation 4 has owners h1 and h2",
        ),
        (
            [sight(0, reigns=(Reign("x", 4, "h1"),)), sight(0, reigns=(Reign("x", 3, "h2"),))],
            "went back to generation 3",
        ),
        (
            [sight(0, blocks={"x": (Block("a", 1024, 64, "h1"), Block("a", 1024, 128, "h2"))})],
            "a 1024 to 1087 of h1 overlaps a 1024 to 1151 of h2",
        ),
        (
            [
                sight(0, blocks={"x": (Block("a", 1024, 64, "h1"),)}),
                sight(0, host="h2", blocks={"x": (Block("a", 1024, 64, "h2"),)}),
            ],
            "was given to h1 and to h2",
        ),
        ([sight(1)], "has revision 1, but lacks port p"),
        ([sight(3, "p", "q")], "has revision 3, but still has port q"),
        ([sight(3, "p", host="h2")], "h2 was told that it has revision 3, but still has port p"),
    ],
)
def test_a_broken_promise_to_an_agent_is_told(sights: list[Sight], said: str) -> None:
    ports = [made("p", 1, 2), made("q", 1, 2, TWO), deleted("q", 3, 4)]
    ports = ports if any(one.ports or one.revision == 1 for one in sights) else []
    log = LOG if ports else ()
    names = {"p": "p-0"} if ports else {}
    assert [text for text in violations(ports, final(*log, **names), sights) if said in text]
