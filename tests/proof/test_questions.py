"""Each question of the proof finds the mistake that it is about, alone; and nothing wrong with what is right."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import pytest
from msgspec.structs import replace

from onehop.model.topology import Topology
from onehop.net.identifier import HostName
from onehop.objects import KernelObject, Link, Neighbour, Ruleset, Sysctl
from onehop.verify.proof.asking import Asking
from onehop.verify.proof.case import Case
from onehop.verify.proof.delivery import Delivery
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.hops import Hops
from onehop.verify.proof.isolation import Isolation
from onehop.verify.proof.relayed import Relayed
from onehop.verify.proof.sample import PACKETS
from onehop.verify.proof.seeking import Seeking
from onehop.verify.proof.senders import Senders
from onehop.verify.proof.settings import Settings
from onehop.verify.proof.severed import Severed
from onehop.verify.proof.spans import Box, meet, points
from onehop.verify.proof.stale import Stale
from onehop.verify.proof.steered import Steered
from onehop.verify.proof.transit import Transit
from onehop.verify.proof.yesterday import Yesterday
from tests.golden.scenarios import Scenario
from tests.proof.worlds import Made, gateways, loose, made, pairs, roving, several_addresses, world_of

States = dict[HostName, list[KernelObject]]
Change = Callable[[KernelObject], KernelObject | None]


class Questions(Protocol):
    """What asks something of a topology."""

    def __init__(self, view: Topology) -> None: ...

    def cases(self) -> Iterator[Case]:
        """What is asked."""
        ...


def _wrong(one: Made, states: States, asks: type[Questions]) -> Iterator[str]:
    world = world_of(one, states)
    for case in asks(one.view).cases():
        for judged in case.judge(world, case.box):
            if judged.violation is not None:
                yield judged.violation.what


def _broken(one: Made, change: Change) -> States:
    found = {host: [new for o in held if (new := change(o)) is not None] for host, held in one.states.items()}
    assert found != one.states, "nothing is broken"
    return found


def _without(text: str) -> Change:
    """No rule says this any more."""

    def change(one: KernelObject) -> KernelObject | None:
        if not isinstance(one, Ruleset) or text not in one.body:
            return one
        return replace(one, body="\n".join(line for line in one.body.split("\n") if text not in line))

    return change


def _turned(text: str) -> Change:
    """A rule drops what it let pass."""

    def change(one: KernelObject) -> KernelObject | None:
        if not isinstance(one, Ruleset):
            return one
        return replace(one, body=one.body.replace(text, text.replace("accept", "drop")))

    return change


def _emptied(name: str) -> Change:
    """A set has no elements any more."""

    def change(one: KernelObject) -> KernelObject | None:
        if not isinstance(one, Ruleset):
            return one
        return replace(one, sets=tuple(replace(s, elements=()) if s.name == name else s for s in one.sets))

    return change


def _unset(path: str) -> Change:
    return lambda one: None if isinstance(one, Sysctl) and one.path == path else one


def _bridge_mac(one: KernelObject) -> KernelObject:
    return replace(one, mac="fe:00:00:00:00:01") if isinstance(one, Link) and one.name.startswith("brq") else one


def _forgotten(one: KernelObject) -> KernelObject | None:
    return None if isinstance(one, Neighbour) and one.link.startswith("brq") else one


_CASES: Sequence[tuple[Callable[[], Scenario], type[Questions], Change, str]] = (
    (roving, Senders, _without("arp operation request arp saddr ip"), "asks outside as"),
    (roving, Senders, _emptied("published"), "though it has chosen an address"),
    (roving, Seeking, _without("arp saddr ip @roving"), "found at nobody"),
    (pairs, Seeking, _without("@th,208,48 set"), "found at nobody"),
    (pairs, Seeking, _without("nd-neighbor-advert @th,64,128"), "found at nobody"),
    (pairs, Seeking, _emptied("roving"), "so that no one hears it"),
    (gateways, Relayed, _turned("ip ttl 0-1 accept"), "dropped unseen"),
    (roving, Stale, _without("ct status confirmed"), "while it owned"),
    (roving, Yesterday, _emptied("steer_address"), "comes to nobody"),
    (gateways, Yesterday, _without("jump steer"), "comes to nobody"),
    (gateways, Yesterday, _emptied("steer_quoted"), "comes to nobody"),
    (roving, Steered, _without("map @steer_service"), "comes to nobody"),
    (roving, Severed, _without("goto severed"), "mapping is gone"),
    (gateways, Relayed, _without("fwd ip to"), "not handed on"),
    (roving, Asking, _forgotten, "across the underlay"),
    (roving, Settings, _bridge_mac, "has not the MAC that is kept for it"),
    (roving, Settings, _unset("net/ipv4/conf/all/arp_announce"), "unset, not 2"),
    (several_addresses, Delivery, _emptied("exits"), "arrives from"),
    (several_addresses, Delivery, _without("ip daddr @gateways meta mark"), "does not arrive"),
    (several_addresses, Delivery, _without("@forwarded notrack meta mark"), "on a host that only passes it on"),
    (roving, Delivery, _without("ip daddr @gateways return"), "arrives from"),
    (loose, Emission, _emptied("elsewhere4"), "what is not the port's"),
)
_LONG: Sequence[tuple[Callable[[], Scenario], type[Questions], Change, str]] = (
    (roving, Transit, _without("@answered notrack"), "is not translated, and tracked"),
    (roving, Transit, _without("ip saddr @virtual counter drop"), "that only the owner translates"),
    (roving, Transit, _without('iifname "qt-00006001-00" ip daddr @answered goto astray'), "goes out instead"),
    (roving, Hops, _without("ip daddr != @answered counter drop"), "told of its hop limit"),
    (roving, Isolation, _without("ip daddr 169.254.0.0/16 counter drop"), "an address of one link"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "asks", "change", "what"), _CASES)
def test_a_question_finds_its_mistake_and_nothing_else(
    scenario: Callable[[], Scenario], asks: type[Questions], change: Change, what: str
) -> None:
    one = made(scenario())
    assert not list(_wrong(one, one.states, asks))
    assert _found(_wrong(one, _broken(one, change), asks), what)


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "asks", "change", "what"), _LONG)
def test_a_long_question_finds_its_mistake(
    scenario: Callable[[], Scenario], asks: type[Questions], change: Change, what: str
) -> None:
    one = made(scenario())
    assert _found(_wrong(one, _broken(one, change), asks), what)


_FROM_OUTSIDE: Sequence[tuple[Change, Box, str]] = (
    (_without("icmpv6 type != { mld-listener-query"), {"protocol": points([58]), "type": points([128])}, "everybody"),
    (_without("ip6 nexthdr != { ip, ipv6-icmp }"), {"protocol": points([17])}, "for everybody outside"),
    (_without("ip6 nexthdr ip @nh"), {"protocol": points([0])}, "for everybody outside"),
    (_without("jump groups"), {"protocol": points([17])}, "for everybody outside"),
    (_without("packet-too-big"), {"protocol": points([58]), "type": points([2])}, "sends too much at once"),
    (_without("::ffff:0.0.0.0/96"), {"protocol": points([17])}, "nothing in the API leads"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "part", "what"), _FROM_OUTSIDE)
def test_what_comes_by_ipv6_from_outside_and_should_not_is_found(change: Change, part: Box, what: str) -> None:
    """And none of it is found where nothing is broken."""
    one = made(loose())

    def wrong(states: States) -> Iterator[str]:
        world = world_of(one, states)
        for case in Isolation(one.view).cases():
            outside = "option" in case.box and case.kind == "isolation" and case.box == PACKETS[6]
            for judged in case.judge(world, meet(case.box, part) or {}) if outside else ():
                if judged.violation is not None:
                    yield judged.violation.what

    assert not list(wrong(one.states))
    assert _found(wrong(_broken(one, change)), what)


@pytest.mark.slow
def test_discovery_that_a_router_sends_out_is_found() -> None:
    one = made(loose())
    world = world_of(one, _broken(one, _without("nd-router-advert, nd-neighbor-solicit")))
    discovery: Box = {"protocol": points([58]), "type": points([143])}
    for case in Isolation(one.view).cases():
        box = meet(case.box, discovery) if "option" in case.box else None
        for judged in case.judge(world, box) if box is not None else ():
            if judged.violation is not None:
                assert "of one link (RFC 4861, RFC 3810), and routed" in judged.violation.what
                return
    pytest.fail("nothing is found")


def _found(told: Iterable[str], what: str) -> bool:
    return any(what in one for one in told)
