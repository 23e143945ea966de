"""Security groups with real packets: what passes, and above all what does not."""

import socket
import time
from collections.abc import Iterator
from itertools import permutations, product

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from onehop.model.security_group import SecurityRule
from onehop.net import address, naming
from onehop.objects import Ruleset
from tests.dataplane.capture import Frame
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PATIENCE, PORT, connected, echoes, ping, tcp, udp
from tests.dataplane_north.guarded import (
    ALL,
    FLOATING,
    MATES,
    NONE,
    OTHER,
    OUT,
    WEB,
    WHERE,
    A,
    Guarded,
    all_answers,
    answers,
    inwards,
)
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.wire import ACK, PUSH, RST, SYN, emit, ipv4, send, tcp_segment, udp_segment, watched
from tests.northern import BLOCK
from tests.worlds import OPEN

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def site() -> Iterator[Guarded]:
    """The site."""
    with Guarded() as made:
        yield made


PATHS = {
    "same host": ("open-a", "a"),
    "other host": ("open-a", "b"),
    "other subnet, same host": ("open2-a", "a"),
    "other subnet, other host": ("open2-a", "b"),
}


@pytest.mark.parametrize(("path", "version"), list(product(PATHS, (4, 6))))
def test_a_port_is_reached_by_what_its_groups_allow_and_nothing_else(site: Guarded, path: str, version: int) -> None:
    caller, host = PATHS[path]
    of = all_answers(site, version, *((caller, f"{kind}-{host}") for kind in ("web", "mates", "open")))
    assert of == [{**NONE, "tcp": True}, NONE, ALL]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("caller", "called"), [("mates-a", "mates-b"), ("mates-b", "mates2-a"), ("mates2-a", "mates-a")]
)
def test_members_of_a_group_reach_each_other_wherever_they_are(
    site: Guarded, caller: str, called: str, version: int
) -> None:
    assert answers(site, caller, called, version) == ALL
    assert answers(site, "web-b", called, version) == NONE


@pytest.mark.parametrize("version", [4, 6])
def test_a_port_without_groups_neither_sends_nor_receives(site: Guarded, version: int) -> None:
    sent = all_answers(site, version, ("shut-a", "open-a"), ("shut-a", "open-b"))
    received = all_answers(site, version, ("open-a", "shut-a"), ("open-b", "shut-a"))
    assert (sent, received) == ([NONE] * 2, [NONE] * 2)


@pytest.mark.parametrize("version", [4, 6])
def test_answers_pass_without_a_rule(site: Guarded, version: int) -> None:
    assert all_answers(site, version, *(("web-b", called) for called in ("open-a", "open-b", "open2-a"))) == [ALL] * 3


def test_a_floating_ip_lets_in_what_the_ports_groups_allow(site: Guarded) -> None:
    answer = tcp(site.outside, FLOATING)
    assert answer is not None
    assert answer.seen == OUTSIDE
    assert tcp(site.outside, FLOATING, OTHER) is None
    assert ping(site.outside, FLOATING) is None
    back = tcp(site.at("web-b"), OUTSIDE)
    assert back is not None
    assert back.seen == FLOATING


def test_fragments_and_errors_about_what_was_allowed_arrive(site: Guarded) -> None:
    for version in (4, 6):
        answer = udp(site.at("web-b"), site.address("open-a", version), octets=b"x" * 4000)
        assert answer is not None
        assert len(answer.octets) == 4000
        target = site.address("open2-a", version)
        with pytest.raises(ConnectionRefusedError):
            refused(site.at("web-b"), target)


def refused(place: Place, target: str) -> None:
    """Send to a UDP port that nobody has, and wait for what ICMP says."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with place.inside(lambda: socket.socket(family, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(2)
        sock.connect((target, 9))
        sock.send(b"x")
        sock.recv(100)


def test_broadcast_reaches_whoever_lets_it_in(site: Guarded) -> None:
    heard = {name: site.at(name).inside(lambda: listening(OTHER + 1)) for name in ("open-b", "web-b", "shut-a")}

    def call() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.sendto(b"hello", ("10.0.1.255", OTHER + 1))

    site.at("open-a").inside(call)
    assert heard["open-b"].recv(100) == b"hello"
    for name in ("web-b", "shut-a"):
        with pytest.raises(TimeoutError):
            heard[name].recv(100)
    for sock in heard.values():
        sock.close()


def listening(port: int) -> socket.socket:
    """A UDP socket that hears everything on a port for half a second."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    sock.settimeout(0.5)
    return sock


def test_a_connection_goes_on_while_rules_change_and_is_cut_when_its_own_goes(site: Guarded) -> None:
    kept, cut = (
        connected(site.at("open-a"), site.address("web-b")),
        connected(site.at("open2-a"), site.address("web-b")),
    )
    outgoing = connected(site.at("web-b"), site.address("open-a"), OTHER)
    site.rules(WEB, [*OUT, *inwards(protocol=6, first=PORT, last=OTHER), *inwards(protocol=17)])
    site.enforce()
    assert all(map(echoes, (kept, cut, outgoing)))
    only = SecurityRule(direction="ingress", version=4, protocol=6, prefix=f"{site.address('open-a')}/32")
    site.rules(WEB, [*OUT, only])
    begun = time.monotonic()
    site.enforce()
    assert time.monotonic() - begun < 1
    assert all(map(echoes, (kept, outgoing)))
    cut.settimeout(1)
    with pytest.raises(TimeoutError):
        echoes(cut)
    # Not even when its answering side goes on sending.
    assert udp(site.at("open2-a"), site.address("web-b")) is None
    site.rules(WEB, [*OUT, *inwards(protocol=6, first=PORT, last=PORT)])
    site.enforce()
    cut.settimeout(10)
    assert cut.recv(100) == b"again"
    for sock in (kept, cut, outgoing):
        sock.close()


def test_a_member_that_goes_is_an_element_and_its_connections_end(site: Guarded) -> None:
    sock = connected(site.at("mates-b"), site.address("mates-a"))
    before = tables(site, A)
    site.world.change(site.ports["mates-b"].id, security_groups=(OPEN.id,))
    site.enforce()
    after = tables(site, A)
    assert [(one.body, [s.declaration for s in one.sets]) for one in before] == [
        (one.body, [s.declaration for s in one.sets]) for one in after
    ]
    assert before != after
    sock.settimeout(1)
    with pytest.raises(TimeoutError):
        echoes(sock)
    assert tcp(site.at("mates2-a"), site.address("mates-a")) is not None
    site.world.change(site.ports["mates-b"].id, security_groups=(site.groups[MATES],))
    site.enforce()
    assert tcp(site.at("mates-b"), site.address("mates-a")) is not None
    sock.close()


def tables(site: Guarded, host: int) -> list[Ruleset]:
    """The rules that a host holds."""
    state = site.machines[site.world.host(host)].state
    return [v for v in state.values() if isinstance(v, Ruleset) and v.table == naming.SECURITY_TABLE]


def test_what_is_listed_is_what_was_compiled(site: Guarded) -> None:
    site.settled()


def test_the_model_says_the_same_of_every_pair(site: Guarded) -> None:
    asked = [
        Asked(site.at(caller), question(site.ports[caller].id, site.address(called, version), protocol, port))
        for caller, called in permutations(WHERE, 2)
        for version in (4, 6)
        for protocol, port in (("tcp", PORT), ("tcp", OTHER), ("udp", PORT), ("icmp", 0))
    ]
    assert disagreements(world_of(site), asked, BLOCK) == []


def test_a_segment_out_of_nowhere_is_judged_like_the_first_of_a_connection(site: Guarded) -> None:
    caller, called = site.at("open-a"), site.at("web-b")
    ends = (site.address("open-a"), site.address("web-b"))
    with watched(called, "eth0") as seen:
        for flags in (ACK, ACK | PUSH, SYN | ACK, RST, 0):
            send(caller, ipv4(*ends, 6, tcp_segment(ends, (4000 + flags, OTHER), flags)))
        send(caller, ipv4(*ends, 6, tcp_segment(ends, (4999, PORT), SYN)))
        came = [frame for frame in seen.wait(1) if frame.sender == ends[0]]
        assert {int.from_bytes(frame.octets[36:38]) for frame in came} == {PORT}


def test_the_ports_of_one_ip_versions_dhcp_open_nothing_in_the_other(site: Guarded) -> None:
    caller, called = site.at("open-a"), site.at("web-b")
    ends = (site.address("open-a"), site.address("web-b"))
    with watched(called, "eth0") as seen:
        for source, target in ((547, 546), (546, 547)):
            send(caller, ipv4(*ends, 17, udp_segment(source, target)))
        send(caller, ipv4(*ends, 6, tcp_segment(ends, (4998, PORT), SYN)))
        came = [frame for frame in seen.wait(1) if frame.sender == ends[0]]
        assert {int.from_bytes(frame.octets[36:38]) for frame in came} == {PORT}


def test_what_dhcp_is_let_off_for_stays_within_the_network(site: Guarded) -> None:
    answer, question = udp_segment(67, 68), udp_segment(68, 67)
    with watched(site.at("web-b"), "eth0") as seen:
        send(site.outside, ipv4(OUTSIDE, FLOATING, 17, answer))
        assert tcp(site.outside, FLOATING) is not None
        assert not [frame for frame in seen.read() if frame.octets[34:36] == answer[:2]]
    with watched(site.upstream, "ext0") as seen:
        send(site.at("shut-a"), ipv4(site.address("shut-a"), OUTSIDE, 17, question))
        assert tcp(site.at("open-a"), OUTSIDE) is not None
        assert not [frame for frame in seen.read() if frame.octets[36:38] == question[2:4]]


@pytest.mark.parametrize("version", [4, 6])
def test_what_another_host_routed_is_no_dhcp_answer_and_what_is_of_the_network_is(site: Guarded, version: int) -> None:
    """From ports without protection, since no other may say it: one behind the router, and one on the network."""
    victim = site.ports["web-b"]
    free = [site.ports[name] for name in ("open2-a", "open-a")]
    linked = address.link_local(victim.mac_address)
    try:
        for port in free:
            site.world.change(port.id, port_security_enabled=False)
        site.apply()
        with watched(site.at("web-b"), "eth0") as seen:
            _answer(site, "open2-a", site.address("web-b", version), b"routed")
            _answer(site, "open-a", linked if version == 6 else site.address("web-b"), b"local.")
            for caller in ("open2-a", "open-a"):  # what is answered comes behind what was said before
                assert tcp(site.at(caller), site.address("web-b", version)) is not None
            said = {frame.octets[-6:] for frame in seen.read()}
        assert b"local." in said
        assert b"routed" not in said
    finally:
        for port in free:
            site.world.change(port.id, port_security_enabled=True)
        site.apply()


def _answer(site: Guarded, name: str, target: str, text: bytes) -> None:
    """A DHCP answer by an instance's own stack, from the server's port."""
    family, server, client = (socket.AF_INET6, 547, 546) if ":" in target else (socket.AF_INET, 67, 68)

    def say() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind(("", server))
            scope = (0, socket.if_nametoindex("eth0")) if target.startswith("fe80") else ()
            sock.sendto(text, (target, client, *scope))

    site.at(name).inside(say)


def test_a_frame_of_a_known_connection_says_nothing_to_whom_it_was_sent_astray(site: Guarded) -> None:
    """Only addresses and ports tell that a connection is known: its frame comes to another's MAC, who drops it."""
    ends = (site.address("mates-b"), site.address("mates-a"))
    sock = site.at("mates-b").inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.settimeout(PATIENCE)
    sock.connect((ends[1], PORT))
    sock.send(b"known")
    assert sock.recv(100)
    packet = IP(src=ends[0], dst=ends[1]) / UDP(sport=sock.getsockname()[1], dport=PORT) / Raw(b"astray")
    sender, strayed = site.ports["mates-b"].mac_address, site.ports["web-a"].mac_address
    victim = site.at("web-a")

    def said() -> list[Frame]:
        with watched(victim, "eth0") as seen:
            emit(site.at("mates-b"), "eth0", bytes(Ether(src=sender, dst=strayed) / packet))
            # What the victim answers to the next comes after whatever it would say to that.
            assert tcp(site.at("mates-b"), site.address("web-a")) is not None
            return [frame for frame in seen.read() if frame.source == strayed and frame.octets[23] in (1, 17)]

    assert said() == []
    # Who holds the address would answer, and that would be seen: so the frame came, and nothing came of it.
    victim.run(f"ip addr add {ends[1]}/32 dev lo")
    try:
        assert said()
    finally:
        victim.run(f"ip addr del {ends[1]}/32 dev lo")
    sock.send(b"known")
    assert sock.recv(100)
    sock.close()
