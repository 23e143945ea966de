"""Connections of one namespace, with their translations; they live as long as a trace, so that answers find them.

After nf_conntrack and nf_nat of the kernel: which first packets make a connection, how a port is chosen, and which end
of a packet is rewritten at which hook.
"""

from typing import Literal

import msgspec

from onehop.verify.nft.value import Span
from onehop.verify.packet import ACK, ECHO, RST, SYN, Packet
from onehop.verify.quote import is_error, quoted, quoting
from onehop.verify.watch import SILENT, Watch

INVALID, ESTABLISHED, RELATED, NEW, UNTRACKED = 1, 2, 4, 8, 64
"""Bits of ``ct state``."""
CONFIRMED, SNAT, DNAT = 8, 16, 32
"""Bits of ``ct status``."""

Manipulation = Literal["snat", "dnat"]
_BIT = {"snat": SNAT, "dnat": DNAT}


class Flow(msgspec.Struct, frozen=True):
    """One direction of a connection. Of ICMP echo both ports are the id, and `kind` the type."""

    protocol: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    kind: int = 0

    @property
    def answer(self) -> "Flow":
        """The other direction, untranslated."""
        kind = self.kind
        for request, reply in ECHO.values():
            if self.protocol in (1, 58) and kind in (request, reply):
                kind = request + reply - kind
        return Flow(self.protocol, self.destination, self.destination_port, self.source, self.source_port, kind)


def flow_of(packet: Packet) -> Flow:
    """The direction that a packet belongs to."""
    if packet.is_icmp:
        return Flow(
            packet.protocol, packet.source, packet.identifier, packet.destination, packet.identifier, packet.type
        )
    return Flow(packet.protocol, packet.source, packet.source_port, packet.destination, packet.destination_port)


class Connection:
    """A connection.

    Attributes:
        original: as it began.
        reply: as its answers are expected.
        status: `SNAT` and `DNAT`.
        settled: the manipulations that were decided, by a rule or by none.
        answered: a packet went the other way.
        confirmed: its first packet was not dropped.
        mark: of the connection.
    """

    def __init__(self, original: Flow) -> None:
        self.original = original
        self.reply = original.answer
        self.status = 0
        self.settled: set[Manipulation] = set()
        self.answered = self.confirmed = False
        self.mark = 0


class Tracked(msgspec.Struct, frozen=True):
    """A packet's place in a connection."""

    connection: Connection
    is_reply: bool
    state: int


class Tracker:
    """The connections of a namespace."""

    def __init__(self, watch: Watch = SILENT) -> None:
        self._watch = watch
        self._connections: list[Connection] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was tracked."""
        return not self._connections

    def know(self, connection: Connection) -> None:
        """A connection that was there before."""
        self._connections.append(connection)

    def confirm(self, connection: Connection) -> None:
        """The first packet of a connection is through: only now it is kept (nf_conntrack_confirm)."""
        if not connection.confirmed:
            connection.confirmed = True
            self._watch.observed("tracked", connection.original)

    def bar(self, mark: int) -> int:
        """Mark every connection; how many there are."""
        for connection in self._connections:
            connection.mark = mark
        return len(self._connections)

    def track(self, packet: Packet) -> Tracked | None:
        """The connection of a packet, a new one where it may begin one; None where it is invalid."""
        if is_error(packet):
            return self._about(packet)
        flow = flow_of(packet)
        for connection in self._connections:
            self._watch.flow(msgspec.structs.astuple(flow), msgspec.structs.astuple(connection.original))
            if flow == connection.original:
                return Tracked(connection, False, ESTABLISHED if connection.settled else NEW)
            self._watch.flow(msgspec.structs.astuple(flow), msgspec.structs.astuple(connection.reply))
            if flow == connection.reply:
                connection.answered = True
                return Tracked(connection, True, ESTABLISHED)
        if not _begins(packet):
            return None
        connection = Connection(flow)
        self._connections.append(connection)
        return Tracked(connection, False, NEW)

    def _about(self, error: Packet) -> Tracked | None:
        """The connection that an error is about: of what it quotes, the other way round (nf_conntrack_inet_error)."""
        inner = quoted(error)
        if inner is None:
            return None
        flow = flow_of(inner).answer
        for connection in self._connections:
            for known, is_reply in ((connection.original, False), (connection.reply, True)):
                self._watch.flow(msgspec.structs.astuple(flow), msgspec.structs.astuple(known))
                if flow == known:
                    return Tracked(connection, is_reply, RELATED)
        return None

    def translate(self, connection: Connection, what: Manipulation, address: str, ports: Span | None) -> None:
        """Bind a new connection to another source or destination (nf_nat_setup_info)."""
        before = connection.reply.answer
        wanted = _moved(before, what, address, None)
        if ports is not None or self._taken(wanted, connection):
            wanted = self._free(wanted, connection, what, ports)
        if wanted != before:
            connection.reply = wanted.answer
            connection.status |= _BIT[what]

    def _free(self, wanted: Flow, connection: Connection, what: Manipulation, ports: Span | None) -> Flow:
        own = wanted.source_port if what == "snat" else wanted.destination_port
        span = ports or Span(1024, 65535)
        self._watch.port(own, span)
        candidates = [own] if own in span else []
        for port in (*candidates, *range(span.first, span.last + 1)):
            tried = _moved(wanted, what, None, port)
            if not self._taken(tried, connection):
                return tried
        return wanted

    def _taken(self, wanted: Flow, mine: Connection) -> bool:
        return any(c is not mine and wanted.answer in (c.original, c.reply) for c in self._connections)


def begins_tcp(flags: int) -> bool:
    """Whether a segment may begin a connection (tcp_conntracks, from TCP_CONNTRACK_NONE, nf_conntrack_tcp_loose)."""
    return not flags & RST and flags & (SYN | ACK) != SYN | ACK


def _begins(packet: Packet) -> bool:
    if packet.protocol == 6:
        return begins_tcp(packet.flags)
    if packet.is_icmp:
        return packet.type == ECHO[packet.protocol_name][0]
    return True


def _moved(flow: Flow, what: Manipulation, address: str | None, port: int | None) -> Flow:
    if what == "snat":
        both = flow.protocol in (1, 58) and port is not None
        return msgspec.structs.replace(
            flow,
            source=address or flow.source,
            source_port=flow.source_port if port is None else port,
            destination_port=port if both else flow.destination_port,
        )
    return msgspec.structs.replace(
        flow,
        destination=address or flow.destination,
        destination_port=flow.destination_port if port is None or flow.protocol in (1, 58) else port,
    )


def rewritten(packet: Packet, tracked: Tracked, what: Manipulation) -> Packet:
    """A packet as its connection's translation makes it at a hook that rewrites sources, or destinations.

    In the other direction a source that was translated is put back into the destination, and the reverse (nf_nat_packet
    in net/netfilter/nf_nat_core.c).
    """
    status = tracked.connection.status
    bit = _BIT[what]
    if tracked.is_reply:
        bit = (SNAT | DNAT) ^ bit
    if not status & bit:
        return packet
    other = tracked.connection.original if tracked.is_reply else tracked.connection.reply
    target = other.answer
    inner = quoted(packet) if tracked.state == RELATED else None
    if inner is not None:
        # What is quoted went the other way: there the other end is put back (nf_nat_icmp_reply_translation).
        if what == "snat":
            return msgspec.structs.replace(_requoted(packet, inner, other, "destination"), source=target.source)
        return msgspec.structs.replace(_requoted(packet, inner, other, "source"), destination=target.destination)
    changes: dict[str, str | int] = {"source": target.source} if what == "snat" else {"destination": target.destination}
    if packet.has_ports:
        port = target.source_port if what == "snat" else target.destination_port
        changes["source_port" if what == "snat" else "destination_port"] = port
    elif packet.is_icmp:
        changes["identifier"] = target.source_port
    return msgspec.structs.replace(packet, **changes)


def _requoted(error: Packet, inner: Packet, flow: Flow, end: Literal["source", "destination"]) -> Packet:
    address, port = (flow.source, flow.source_port) if end == "source" else (flow.destination, flow.destination_port)
    changes: dict[str, str | int] = {end: address}
    if inner.has_ports:
        changes[f"{end}_port"] = port
    elif inner.is_icmp:
        changes["identifier"] = port
    return quoting(error, msgspec.structs.replace(inner, **changes))
