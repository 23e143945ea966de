"""Which connections security groups let begin."""

import pytest

from onehop.objects.admission import Admission, Admissions, Members
from onehop.objects.conntrack import Tuple

OWN, OTHER = "10.0.0.5", "10.0.0.9"
ZONE = 7


def admissions(*rules: Admission, members: Members | None = None) -> Admissions:
    """One port with one group."""
    return Admissions({"g": rules}, {"r": members or Members()}, {ZONE: {OWN: (("g",),)}})


def inwards(protocol: int = 6, port: int = 22, source: str = OTHER) -> Tuple:
    """A connection to the port."""
    return Tuple(source, OWN, protocol, 40000, port)


@pytest.mark.parametrize(
    ("rule", "begun", "allowed"),
    [
        (Admission(True, 4), inwards(), True),
        (Admission(True, 6), inwards(), False),
        (Admission(False, 4), inwards(), False),
        (Admission(True, 4, 6, 20, 22), inwards(), True),
        (Admission(True, 4, 6, 20, 21), inwards(), False),
        (Admission(True, 4, 17), inwards(), False),
        (Admission(True, 4, prefix="10.0.0.0/28"), inwards(), True),
        (Admission(True, 4, prefix="10.0.0.0/29"), inwards(), False),
        (Admission(True, 4, group="r"), inwards(), True),
        (Admission(True, 4, group="x"), inwards(), False),
        (Admission(True, 4, 1, 8), inwards(1, 8 * 256), True),
        (Admission(True, 4, 1, 8, 1), inwards(1, 8 * 256), False),
        (Admission(True, 4, 1, 13), inwards(1, 8 * 256), False),
    ],
)
def test_a_connection_begins_by_a_rule_that_fits_it(rule: Admission, begun: Tuple, allowed: bool) -> None:
    members = Members(frozenset({OTHER}))
    assert admissions(rule, members=members).allow(ZONE, begun) is allowed


def test_a_member_may_be_a_prefix() -> None:
    rule = Admission(True, 4, group="r")
    assert admissions(rule, members=Members(prefixes=frozenset({"10.0.0.8/29"}))).allow(ZONE, inwards())
    assert not admissions(rule, members=Members(prefixes=frozenset({"10.0.0.0/29"}))).allow(ZONE, inwards())


def test_both_ends_here_must_let_it_begin() -> None:
    both = Admissions(
        {"out": (Admission(False, 4),), "in": (Admission(True, 4),)},
        zones={ZONE: {OWN: (("in",),), OTHER: (("out",),)}},
    )
    assert both.allow(ZONE, inwards())
    assert not both.allow(ZONE, Tuple(OWN, OTHER, 6, 1, 2))


def test_what_is_in_another_zone_or_of_no_port_is_not_judged() -> None:
    nothing = admissions()
    assert not nothing.allow(ZONE, inwards())
    assert nothing.allow(ZONE + 1, inwards())
    assert nothing.allow(ZONE, Tuple("10.0.0.1", "10.0.0.2", 6, 1, 2))
    assert nothing.allow(ZONE, Tuple(OWN, "255.255.255.255", 17, 68, 67))


def test_only_what_takes_something_away_narrows() -> None:
    one, two = Admission(True, 4, 6), Admission(True, 4, 17)
    few, many = Members(frozenset({OTHER})), Members(frozenset({OTHER, "10.0.0.10"}))
    assert not admissions(one, two).narrows(admissions(one))
    assert admissions(one).narrows(admissions(one, two))
    assert not admissions(one, members=many).narrows(admissions(one, members=few))
    assert admissions(one, members=few).narrows(admissions(one, members=many))
    assert not admissions(one).narrows(admissions(one))
    other = Admissions({"g": (one,), "h": (two,)}, {"r": Members()}, {ZONE: {OWN: (("g", "h"),)}})
    assert admissions(one).narrows(other)
    assert not other.narrows(admissions(one))
