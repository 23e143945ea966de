"""Every attack by (same host, other host) by (protected, with address pairs, unprotected), seen from the victim."""

from collections import Counter
from functools import cache

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.dataplane_north.wire import emit
from tests.security.attacks import Shot, shots
from tests.security.range import ATTACKERS, VICTIMS, Range, Who

_NOBODY = Who("fa:16:3e:00:00:00", "10.0.1.9", "fd00:1::9", "fe80::1")
NAMES = [shot.name for shot in shots(_NOBODY, _NOBODY, _NOBODY, _NOBODY)]


class Volley:
    """What each attacker sent at each victim, and what came."""

    def __init__(self, field: Range) -> None:
        self.field = field
        self.fire = cache(self._fire)
        self.shots = cache(self._shots)

    def _shots(self, attacker: str, victim: str) -> dict[str, Shot]:
        """By name."""
        me, target = self.field.who(attacker), self.field.who(victim)
        found = shots(me, target, self.field.who("claimed"), self.field.who("gateway"))
        return {shot.name: shot for shot in found}

    def _fire(self, attacker: str, victim: str) -> tuple[set[str], Counter[str]]:
        before = self.field.refused(attacker)
        frames = {name: shot.frame for name, shot in self.shots(attacker, victim).items()}
        arrived = self.field.arrived(attacker, victim, frames)
        after = self.field.refused(attacker)
        return arrived, Counter({reason: after[reason].packets - before[reason].packets for reason in after})


@pytest.fixture(scope="module")
def volley(field: Range) -> Volley:
    """All of them, each fired once."""
    return Volley(field)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_of_a_protected_port_reaches_its_victim(volley: Volley, name: str, victim: str) -> None:
    assert name not in volley.fire("protected", victim)[0]


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", NAMES)
def test_pairs_for_every_address_open_only_addresses_that_nobody_has(volley: Volley, name: str, victim: str) -> None:
    shot = volley.shots("paired", victim)[name]
    assert (name in volley.fire("paired", victim)[0]) == shot.opened


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", NAMES)
def test_the_same_attack_of_a_port_without_protection_arrives(volley: Volley, name: str, victim: str) -> None:
    shot = volley.shots("open", victim)[name]
    assert (name in volley.fire("open", victim)[0]) == (victim == "near" or not shot.stays)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("attacker", ["protected", "paired"])
def test_every_refused_frame_is_counted_by_its_reason(volley: Volley, attacker: str, victim: str) -> None:
    _, counted = volley.fire(attacker, victim)
    refused = [s for s in volley.shots(attacker, victim).values() if attacker == "protected" or not s.opened]
    assert counted == Counter(shot.reason for shot in refused)


def test_headers_that_are_not_there_are_refused(field: Range) -> None:
    """Nothing follows these frames by which they would be known again: they are counted only."""
    me, to = field.who("protected"), field.who("near")
    frame = Ether(src=me.mac, dst=to.mac)
    four = IP(src=me.v4, dst=to.v4, flags="MF", proto=17) / Raw(b"\0\1")
    six = IPv6(src=me.v6, dst=to.v6)
    cut = [frame / four, frame / six / IPv6ExtHdrFragment(nh=17, m=1), frame / six / IPv6ExtHdrFragment(nh=58, m=1)]
    before = field.refused("protected")
    emit(field.place("protected"), "eth0", *map(bytes, cut))
    field.arrived("protected", "near", {})
    assert field.refused("protected")["unreadable-header"].packets == before["unreadable-header"].packets + len(cut)


def test_a_port_without_protection_has_no_table_to_count_in(field: Range) -> None:
    assert not field.refused("open")


def test_no_neighbour_of_a_victim_has_moved(volley: Volley) -> None:
    """Only the protected port has fired here: with the others a victim believes what it is told."""
    field = volley.field
    gateway, claimed = field.who("gateway"), field.who("claimed")
    for victim in VICTIMS:
        place = field.place(victim)
        place.run("ip neigh flush all", f"ping -c1 -W2 {claimed.v4}", f"ping -c1 -W2 {gateway.v4}")
        place.run(f"ping -6 -c1 -W2 {claimed.v6}", f"ping -6 -c1 -W2 {gateway.v6}")
        before = _neighbours(field, victim)
        field.arrived("protected", victim, {n: s.frame for n, s in volley.shots("protected", victim).items()})
        assert _neighbours(field, victim) == before
        assert before[claimed.v4] == before[claimed.v6] == claimed.mac
        assert before[gateway.v4] == before[gateway.v6] == gateway.mac


def _neighbours(field: Range, name: str) -> dict[str, str]:
    lines = (line.split() for line in field.place(name).run("ip neigh show dev eth0").splitlines())
    return {words[0]: words[words.index("lladdr") + 1] for words in lines if "lladdr" in words}


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_attackers_still_reach_whom_they_may(field: Range, attacker: str) -> None:
    for name in ("near", "far", "gateway"):
        who = field.who(name)
        field.place(attacker).run(f"ping -c1 -W2 {who.v4}", f"ping -6 -c1 -W2 {who.v6}")
