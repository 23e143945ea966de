"""The external leg attacked from outside by IPv6, which is routed and never translated (walk 11)."""

import os
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    ICMPv6MLQuery2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRedirectedHdr,
    ICMPv6NDOptRouteInfo,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    RouterAlert,
)
from scapy.packet import Packet, Raw

from onehop.net.address import link_local
from tests.dataplane.site import until
from tests.dataplane_north.echo import PORT
from tests.dataplane_north.site import FAR_V6, OUTSIDE_V6
from tests.dataplane_north.wire import watched
from tests.northern import UPSTREAM_V6, gateway_ip6
from tests.security.ears import STRANGER
from tests.security.six import ALL_NODES, EVERYBODY, GATEWAY, NET, OTHER, A, B, Six, framed, leg_mac, tokens_of


@pytest.fixture(scope="module")
def six() -> Iterator[Six]:
    """The site."""
    with Six() as made:
        yield made


@pytest.mark.parametrize("owner", [A, B])
def test_no_ipv6_comes_in_from_a_source_that_cannot_be_outside(six: Six, owner: int) -> None:
    """Neither by the owner's leg nor by the other host's, which takes nothing in but has the same way inside."""
    six.own(owner)
    target = six.address("b")
    inside = [six.address("a"), "fd00:1::abc", "fd00:1::1", target]
    own = [GATEWAY, link_local(leg_mac(1, A)), link_local(leg_mac(1, B)), link_local("fa:16:3e:03:01:01")]
    nobodys = ["::", "::1", ALL_NODES, "ff0e::1", link_local(STRANGER), "::ffff:10.0.1.1", "::ffff:198.51.100.2"]
    tokens = tokens_of([f"{source} by {host}" for source in (*inside, *own, *nobodys) for host in (A, B)])
    token = os.urandom(8)
    with six.ears() as ears:
        for name, mark in tokens.items():
            source, _, host = name.partition(" by ")
            packet = IPv6(src=source, dst=target) / UDP(sport=9, dport=PORT)
            six.send(framed(leg_mac(1, int(host)), packet, mark))
        # From a link-local address it is answered that it was not passed on (RFC 4291, 2.5.6), once.
        heard = ears.each(tokens)
        assert {name: found for name, found in heard.items() if found != {"upstream": 1}} == {}
        assert all(name.startswith("fe80:") for name in heard)
        six.send(framed(leg_mac(1, owner), IPv6(src=OUTSIDE_V6, dst=target) / UDP(sport=9, dport=PORT), token))
        assert "b" in ears.heard(token)


@pytest.mark.parametrize("host", [A, B])
def test_a_leg_takes_no_ipv6_that_is_addressed_to_others(six: Six, host: int) -> None:
    """Not to another project, not back out, not to what is not routed here; and nobody answers to groups."""
    six.own(A)
    others = [six.address("x-a"), six.address("x-b"), "fd00:3::1", gateway_ip6(OTHER), link_local(leg_mac(OTHER, A))]
    outside = [UPSTREAM_V6, OUTSIDE_V6, FAR_V6, "2001:db8:113::77", "fd00:77::1", "2002:a00:101::1"]
    nobodys = ["::1", "::", "::ffff:10.0.1.11", "fe80::77", link_local("fa:16:3e:03:01:01")]
    groups = [ALL_NODES, "ff02::2", "ff05::2", "ff0e::1", "ff01::1"]
    tokens = tokens_of([*others, *outside, *nobodys, *groups])
    with six.ears() as ears:
        for target, token in tokens.items():
            mac = leg_mac(1, host) if not target.startswith("ff") else "33:33:00:00:00:" + target[-1].zfill(2)
            payloads = (UDP(sport=9, dport=PORT), TCP(sport=9, dport=PORT, flags="S"), ICMPv6EchoRequest())
            # At the last hop as well: where routers lead, they would say that they do not.
            limits = (64, 64) if target.startswith("fe80:") else (64, 1)
            for payload, limit in product(payloads, limits):
                packet = IPv6(src="2001:db8:51::77", dst=target, hlim=limit) / payload
                six.send(*(framed(to, packet, token) for to in {mac, leg_mac(1, host)}))
        assert ears.each(tokens) == {}


def test_no_routing_header_leads_on(six: Six) -> None:
    """RFC 5095, RFC 6554, RFC 8754: what is for the router itself goes nowhere else, whatever it lists."""
    via = [six.address("a"), six.address("x-a"), UPSTREAM_V6, OUTSIDE_V6]
    entered = [GATEWAY, link_local(leg_mac(1, A)), "fd00:1::1"]
    names = [f"{kind} {first} {then}" for kind in (0, 2, 3, 4) for first in entered for then in via]
    tokens = tokens_of(names)
    with six.ears() as ears:
        for name, token in tokens.items():
            kind, first, then = name.split()
            # A segment routing header lists the way backwards, and says how long it is (RFC 8754, 2).
            listed, last = ([then, first], 1 << 24) if kind == "4" else ([then], 0)
            header = IPv6ExtHdrRouting(type=int(kind), segleft=1, addresses=listed, reserved=last, nh=17)
            packet = IPv6(src="2001:db8:51::77", dst=first, nh=43) / header / UDP(sport=9, dport=PORT)
            six.send(framed(leg_mac(1, A), packet, token))
        # The router may say that it does not know the header, to whom the packet came from.
        heard = ears.each(tokens)
        assert {name: found for name, found in heard.items() if set(found) != {"upstream"}} == {}
        assert all(found["upstream"] == 1 for found in heard.values())


def _solicitation(source: str, target: str) -> Packet:
    return IPv6(src=source, dst=target, hlim=255) / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=STRANGER)


def test_nobody_answers_for_an_ipv6_address_that_is_not_published(six: Six) -> None:
    six.own(A)
    asked = ["fd00:1::1", "fd00:3::1", six.address("a"), six.address("x-b"), link_local("fa:16:3e:03:01:01")]
    asked += ["fe80::1", "2001:db8:113::77", OUTSIDE_V6]
    legs = [leg_mac(router, host) for router in NET for host in (A, B)]
    with watched(six.upstream, "ext0") as seen:
        for target in asked:
            for source in (link_local(STRANGER), "2001:db8:113::66"):
                for mac in (EVERYBODY, *legs):
                    six.send(framed(mac, _solicitation(source, target)))
        # The gateway's address is asked of the host that is not the owner.
        for mac in (leg_mac(1, B), leg_mac(OTHER, B)):
            six.send(framed(mac, _solicitation(link_local(STRANGER), GATEWAY)))
        six.passes()
        said = {(f.source, f.target) for f in seen.read() if f.kind == "na"}
    assert not {target for _, target in said} & set(asked)
    assert {mac for mac, target in said if target == GATEWAY} <= {leg_mac(1, A)}


def _claims(claimed: str, leg: str) -> Iterator[bytes]:
    """Advertisements and detections that say that the stranger has an address."""
    option = ICMPv6NDOptDstLLAddr(lladdr=STRANGER)
    for source in (claimed, link_local(STRANGER)):
        for flags in ({"R": 1, "S": 0, "O": 1}, {"R": 0, "S": 1, "O": 1}):
            said = ICMPv6ND_NA(tgt=claimed, **flags) / option
            yield framed(EVERYBODY, IPv6(src=source, dst=ALL_NODES, hlim=255) / said)
            yield framed(leg, IPv6(src=source, dst=claimed, hlim=255) / said)
    yield framed(leg, IPv6(src="::", dst=claimed, hlim=255) / ICMPv6ND_NS(tgt=claimed))


@pytest.mark.parametrize("owner", [B, A])
def test_forged_advertisements_take_no_address_from_the_routers(six: Six, owner: int) -> None:
    """Also not while another host takes them over. What upstream believes is its own affair."""

    def forge() -> None:
        for router in NET:
            for claimed in (gateway_ip6(router), link_local(leg_mac(router, owner)), "fd00:1::1", six.address("a")):
                six.send(*_claims(claimed, leg_mac(router, owner)))

    forge()
    six.own(owner)
    forge()
    six.upstream.run("ip -6 neigh flush dev ext0")
    with watched(six.upstream, "ext0") as seen:
        six.passes()
        answered = {f.source for f in seen.read() if f.kind == "na" and f.target == GATEWAY and f.source != STRANGER}
    assert answered == {leg_mac(1, owner)}
    assert not [
        line for lines in six.learned().values() for line in lines if "dadfailed" in line or "tentative" in line
    ]
    six.settled()


def _advertisement(source: str, target: str, **flags: int) -> Packet:
    options = ICMPv6NDOptPrefixInfo(prefix="2001:db8:66::", prefixlen=64) / ICMPv6NDOptMTU(mtu=1280)
    options /= ICMPv6NDOptRouteInfo(prefix="2001:db8:51::", plen=64, prf=1) / ICMPv6NDOptSrcLLAddr(lladdr=STRANGER)
    return IPv6(src=source, dst=target, hlim=255) / ICMPv6ND_RA(routerlifetime=9000, **flags) / options


def test_routers_learn_nothing_from_advertisements_of_routers_outside(six: Six) -> None:
    """No address, prefix, route, hop limit, MTU or timer, whoever seems to say so."""
    before = six.learned()
    for source in (link_local(STRANGER), link_local(six.upstream_mac()), link_local(leg_mac(1, B))):
        for flags in ({"M": 1, "O": 1, "chlim": 1, "prf": 1}, {"reachabletime": 1, "retranstimer": 1, "chlim": 9}):
            six.send(framed(EVERYBODY, _advertisement(source, ALL_NODES, **flags)))
            six.send(framed(leg_mac(1, A), _advertisement(source, link_local(leg_mac(1, A)), **flags)))
    six.passes()
    assert six.learned() == before


def test_routers_follow_no_redirect_and_no_word_about_the_mtu_of_a_way(six: Six) -> None:
    """A router is told where to send, and passes on what is too large to who must make it smaller: to the instance."""
    six.own(A)
    before = six.learned()
    told = link_local(six.upstream_mac())
    for host in (A, B):
        leg = link_local(leg_mac(1, host))
        quoted = IPv6(src=GATEWAY, dst=OUTSIDE_V6) / ICMPv6EchoRequest(id=7, data=bytes(1200))
        for target in (leg, GATEWAY, "fd00:1::1"):
            said = ICMPv6ND_Redirect(tgt=link_local(STRANGER), dst=OUTSIDE_V6) / ICMPv6NDOptDstLLAddr(lladdr=STRANGER)
            said /= ICMPv6NDOptRedirectedHdr(pkt=quoted)
            six.send(framed(leg_mac(1, host), IPv6(src=told, dst=target, hlim=255) / said))
            for source in (OUTSIDE_V6, UPSTREAM_V6):
                large = IPv6(src=source, dst=target) / ICMPv6PacketTooBig(mtu=1280) / bytes(quoted)
                six.send(framed(leg_mac(1, host), large))
    six.passes()
    assert six.learned() == before


_DISCOVERY: dict[str, Callable[[str], Packet]] = {
    "solicitation": lambda own: ICMPv6ND_NS(tgt=own) / ICMPv6NDOptSrcLLAddr(lladdr=STRANGER),
    "advertisement": lambda own: ICMPv6ND_NA(tgt=own, O=1) / ICMPv6NDOptDstLLAddr(lladdr=STRANGER),
    "router": lambda _: ICMPv6ND_RA(routerlifetime=9000) / ICMPv6NDOptSrcLLAddr(lladdr=STRANGER),
    "redirect": lambda own: ICMPv6ND_Redirect(tgt=link_local(STRANGER), dst=own),
}
_HIDING: dict[str, Callable[[], Packet | None]] = {
    "plain": lambda: None,
    "hop-by-hop": lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))], nh=60) / IPv6ExtHdrDestOpt(nh=58),
    "destination": lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))], nh=60) / IPv6ExtHdrDestOpt(nh=58),
    "whole-fragment": lambda: IPv6ExtHdrFragment(nh=58),
    "first-fragment": lambda: IPv6ExtHdrFragment(nh=58, m=1),
    "destination-fragment": lambda: IPv6ExtHdrFragment(nh=60, m=1) / IPv6ExtHdrDestOpt(nh=58),
}


def test_no_discovery_from_outside_reaches_an_instance_whatever_headers_hide_it(six: Six) -> None:
    tokens = tokens_of([f"{what} {how}" for what in _DISCOVERY for how in _HIDING])
    own = six.address("a")
    with six.ears() as ears:
        for name, token in tokens.items():
            what, how = name.split()
            inner, headers = _DISCOVERY[what](own), _HIDING[how]()
            for source in ("2001:db8:51::77", UPSTREAM_V6):
                # Checksums are of the packet without them: what hides it is not to make it another message.
                octets = bytes(IPv6(src=source, dst=own, hlim=255) / inner / Raw(token))[40:]
                outer = IPv6(src=source, dst=own, hlim=255)
                packet = outer / headers / Raw(octets) if headers is not None else outer / Raw(octets)
                packet.nh = {"hop-by-hop": 0, "destination": 60}.get(how, 44 if "fragment" in how else 58)
                six.send(framed(leg_mac(1, A), packet))
        assert ears.each(tokens) == {}


def test_nothing_from_outside_is_made_more_of(six: Six) -> None:
    """Whatever a packet is, upstream is told at most once; nothing goes round, and no group answers."""
    six.own(A)
    spoofed = "2001:db8:51::77"
    gone = ["fd00:1::dead", six.address("a"), GATEWAY, "fd00:1::1"]
    tokens = tokens_of([f"{target} {limit}" for target in gone for limit in (1, 2, 255)])
    unknown = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x9E, optdata=b"abcd")])
    groups = tokens_of(["echo", "options", "hop-by-hop"])
    strange = {
        "echo": ICMPv6EchoRequest(),
        "options": unknown / UDP(sport=9, dport=9),
        "hop-by-hop": IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x9E, optdata=b"abcd")]) / ICMPv6MLQuery2(),
    }
    with six.ears() as ears:
        for name, token in tokens.items():
            target, limit = name.split()
            packet = IPv6(src=spoofed, dst=target, hlim=int(limit)) / UDP(sport=9, dport=9)
            six.send(framed(leg_mac(1, A), packet, token))
        for name, token in groups.items():
            six.send(framed(EVERYBODY, IPv6(src=spoofed, dst=ALL_NODES, hlim=255) / strange[name], token))
        assert ears.each(groups) == {}
        heard = ears.each(tokens)
        assert {name: found for name, found in heard.items() if found.get("upstream", 0) > 1} == {}


def test_who_asks_for_groups_outside_is_answered(six: Six) -> None:
    """By MLD, with its router alert: a switch that hears no report sends no solicitation on (RFC 4541)."""
    query = IPv6(src=link_local(STRANGER), dst=ALL_NODES, hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()])
    with watched(six.upstream, "ext0") as seen:
        six.send(framed(EVERYBODY, query / ICMPv6MLQuery2(mrd=1)))
        legs = {leg_mac(router, host) for router in NET for host in (A, B)}
        assert until(lambda: legs <= {f.source for f in seen.read() if f.destination == "33:33:00:00:00:16"}, 10)


def test_the_site_holds_what_was_compiled(six: Six) -> None:
    six.settled()
