"""Connections: which packets begin one, how ports are chosen, and what of an answer is put back."""

import pytest
from msgspec.structs import replace

from onehop.verify.conntrack import ESTABLISHED, NEW, Tracker, rewritten
from onehop.verify.nft.value import Span
from onehop.verify.packet import ACK, RST, SYN, Packet

SENT = Packet(
    source="10.0.1.10", destination="198.51.100.2", protocol=6, source_port=40000, destination_port=80, flags=SYN
)
PING = Packet(source="10.0.1.10", destination="198.51.100.2", protocol=1, type=8, identifier=7)
GATEWAY = "203.0.113.10"


def answer(packet: Packet, flags: int = SYN | ACK) -> Packet:
    return packet.answer(flags)


@pytest.mark.parametrize(
    ("packet", "begins"),
    [
        (SENT, True),
        (replace(SENT, flags=ACK), True),
        (replace(SENT, flags=SYN | ACK), False),
        (replace(SENT, flags=RST), False),
        (PING, True),
        (replace(PING, type=0), False),
        (replace(SENT, protocol=17, flags=0), True),
        (replace(SENT, protocol=47, flags=0, source_port=0, destination_port=0), True),
    ],
)
def test_only_some_packets_begin_a_connection(packet: Packet, begins: bool) -> None:
    assert (Tracker().track(packet) is not None) is begins


def translated(packet: Packet, ports: Span | None = None, tracker: Tracker | None = None) -> tuple[Tracker, Packet]:
    tracker = tracker or Tracker()
    tracked = tracker.track(packet)
    assert tracked is not None
    assert tracked.state == NEW
    tracker.translate(tracked.connection, "snat", GATEWAY, ports)
    tracked.connection.settled.update(("dnat", "snat"))
    return tracker, rewritten(packet, tracked, "snat")


def test_a_source_is_put_back_into_the_answer() -> None:
    tracker, sent = translated(SENT)
    assert (sent.source, sent.source_port, sent.destination) == (GATEWAY, 40000, "198.51.100.2")
    back = tracker.track(answer(sent))
    assert back is not None
    assert (back.is_reply, back.state) == (True, ESTABLISHED)
    assert rewritten(answer(sent), back, "dnat") == answer(SENT)
    assert rewritten(answer(sent), back, "snat") == answer(sent)


def test_a_destination_is_put_back_into_the_answers_source() -> None:
    tracker, came = Tracker(), replace(SENT, source="198.51.100.2", destination="203.0.113.5")
    tracked = tracker.track(came)
    assert tracked is not None
    tracker.translate(tracked.connection, "dnat", "10.0.1.10", Span(8080, 8080))
    inside = rewritten(came, tracked, "dnat")
    assert (inside.destination, inside.destination_port) == ("10.0.1.10", 8080)
    back = tracker.track(answer(inside))
    assert back is not None
    assert rewritten(answer(inside), back, "snat") == answer(came)


def test_a_port_of_the_block_is_kept_and_another_is_chosen_from_it() -> None:
    _, inside = translated(replace(SENT, source_port=1500), Span(1024, 2047))
    assert inside.source_port == 1500
    tracker, outside = translated(SENT, Span(1024, 2047))
    assert outside.source_port == 1024
    _, second = translated(replace(SENT, source="10.0.1.11"), Span(1024, 2047), tracker)
    assert second.source_port == 1025


def test_two_askers_never_share_a_translation() -> None:
    tracker, first = translated(SENT)
    _, second = translated(replace(SENT, source="10.0.1.11"), None, tracker)
    assert first.source == second.source
    assert first.source_port != second.source_port


def test_the_id_of_an_echo_is_its_port() -> None:
    tracker, sent = translated(PING, Span(2048, 3071))
    assert sent.identifier == 2048
    back = tracker.track(answer(sent))
    assert back is not None
    assert rewritten(answer(sent), back, "dnat") == answer(PING)
