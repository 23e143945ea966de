"""What a packet looks like where it arrives, and what is answered to it."""

from onehop.verify.packet import Packet
from onehop.verify.proof.promise import Form
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Numbers, holds


def same(one: Packet, other: Packet) -> bool:
    """Whether two packets are of one flow, in one direction."""

    def ends(packet: Packet) -> tuple[object, ...]:
        ports = (packet.source_port, packet.destination_port) if packet.has_ports else (packet.identifier,)
        return packet.source, packet.destination, packet.protocol, ports

    return ends(one) == ends(other)


def misformed(sent: Packet, came: Packet, form: Form) -> str:
    """What is not as the form says of a packet that came; empty where all is."""
    wanted: Numbers = form.source or ((ip_number(sent.source), ip_number(sent.source)),)
    if not holds(wanted, ip_number(came.source)):
        return f"arrives from {came.source}"
    if ip_number(came.destination) != (
        form.destination if form.destination is not None else ip_number(sent.destination)
    ):
        return f"arrives for {came.destination}"
    if came.has_ports and came.destination_port != (form.dport if form.dport is not None else sent.destination_port):
        return f"arrives for port {came.destination_port}"
    if came.has_ports or came.is_icmp:
        before, after = (p.identifier if p.is_icmp else p.source_port for p in (sent, came))
        if not holds(form.sport or ((0, 65535),), after) or (
            form.sport is None and form.source is None and before != after
        ):
            return f"arrives from port {after}"
    rest = ("protocol", "flags", "type", "code", "rest")
    changed = [name for name in rest if getattr(sent, name) != getattr(came, name)]
    return f"arrives with another {changed[0]}" if changed else ""
