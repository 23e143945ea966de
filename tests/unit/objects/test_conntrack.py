"""Which tracked connections may go on."""

from onehop.objects import conntrack, netlink
from onehop.objects.conntrack import Forwarded, Tracked, Translations, Tuple, decode, delete
from onehop.objects.netlink import Found

OUT, IN, G, FIP = "198.51.100.10", "10.0.1.10", "203.0.113.10", "203.0.113.50"
ALLOWED = Translations(frozenset({G}), frozenset({(FIP, IN)}), frozenset({Forwarded(G, "tcp", 80, 81, IN, 8080)}))


def _tracked(begun: Tuple, answered: Tuple) -> Tracked:
    return Tracked(begun, answered, b"")


def _inwards(external: str, internal: str, outer: int = 22, inner: int = 22) -> Tracked:
    return _tracked(Tuple(OUT, external, 6, 4000, outer), Tuple(internal, OUT, 6, inner, 4000))


def _outwards(internal: str, external: str) -> Tracked:
    return _tracked(Tuple(internal, OUT, 6, 4000, 80), Tuple(OUT, external, 6, 80, 1024))


def test_a_connection_to_a_floating_ip_goes_on_while_it_leads_there() -> None:
    assert ALLOWED.allow(_inwards(FIP, IN))
    assert not ALLOWED.allow(_inwards(FIP, "10.0.1.11"))
    assert not ALLOWED.allow(_inwards("203.0.113.51", IN))


def test_a_connection_from_a_floating_ip_goes_on_while_it_is_the_instances() -> None:
    assert ALLOWED.allow(_outwards(IN, FIP))
    assert not ALLOWED.allow(_outwards("10.0.1.11", FIP))


def test_anything_inside_may_go_on_from_the_gateway_address() -> None:
    assert ALLOWED.allow(_outwards("10.0.1.77", G))
    assert not ALLOWED.allow(_outwards("10.0.1.77", "203.0.113.11"))


def test_a_forwarded_port_goes_on_while_it_leads_to_the_same_port() -> None:
    assert ALLOWED.allow(_inwards(G, IN, 81, 8081))
    assert not ALLOWED.allow(_inwards(G, IN, 81, 8080))
    assert not ALLOWED.allow(_inwards(G, IN, 82, 8082))


def test_what_is_not_translated_is_nobodys_business() -> None:
    begun, answered = Tuple(OUT, IN, 6, 4000, 22), Tuple(IN, OUT, 6, 22, 4000)
    assert Translations().allow(_tracked(begun, answered))


def test_a_connection_is_read_and_named_by_how_it_began() -> None:
    def direction(kind: int, source: bytes, destination: bytes, ports: tuple[int, int]) -> bytes:
        addresses = netlink.nested(1, netlink.attribute(1, source), netlink.attribute(2, destination))
        numbers = (netlink.be16(2, ports[0]), netlink.be16(3, ports[1]))
        return netlink.nested(kind, addresses, netlink.nested(2, netlink.u8(1, 6), *numbers))

    original = direction(1, bytes([198, 51, 100, 10]), bytes([203, 0, 113, 50]), (4000, 22))
    reply = direction(2, bytes([10, 0, 1, 10]), bytes([198, 51, 100, 10]), (22, 4000))
    data = bytes(4) + original + reply
    tracked = decode(Found(data, 0, len(data)))
    assert tracked is not None
    assert tracked.original == Tuple(OUT, FIP, 6, 4000, 22)
    assert tracked.reply == Tuple(IN, OUT, 6, 22, 4000)
    assert delete(tracked).body[4:] == original


def test_what_is_not_a_connection_is_left_alone() -> None:
    assert decode(Found(bytes(4), 0, 4)) is None


def test_the_number_of_connections_is_read_in_network_order() -> None:
    data = bytes(4) + netlink.attribute(1, (300).to_bytes(4, "big")) + netlink.attribute(2, (7).to_bytes(4, "big"))
    assert conntrack.number(Found(data, 0, len(data))) == 300
