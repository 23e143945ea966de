"""Departure: what a router with a gateway lets pass and leave, once a packet is routed.

Every packet passes here, so what most packets need comes first, and a comparison before a lookup.
"""

from collections.abc import Iterator

from onehop.compiler import arrival, nft, translation
from onehop.compiler.addresses import inside
from onehop.compiler.north import North
from onehop.compiler.steering import ERRORS, UNMARKED
from onehop.net.address import LINK_LOCAL

_TRANSLATE = "type nat hook postrouting priority srcnat; policy accept;"


def chains(north: North) -> Iterator[str]:
    """Chains of what is forwarded, of what is delivered here, and of the router's own packets."""
    if north.leg is not None:
        yield nft.chain("to_outside", _to_outside(north))
    yield nft.chain("to_transit", _to_transit(north))
    yield nft.chain("leave", _leave(north))
    # A connection whose packet lost its way while rules change hands must not be reset: nobody is at home here.
    yield nft.chain("to_self", _to_self(north), "type filter hook input priority filter; policy accept;")
    yield nft.chain("severed", translation.severed())
    yield nft.chain("kept", translation.kept(north))
    yield nft.chain("forward", _forward(), "type filter hook forward priority filter; policy accept;")
    yield nft.chain("own_source", _own_source(north), "type filter hook output priority raw; policy accept;")
    # Walk 6: what this router itself answers, and what it has to say of a steered packet, goes where that came from.
    hook = "type route hook output priority mangle; policy accept;"
    yield nft.chain("own_answers", [f"{UNMARKED} jump steer"], hook)
    yield nft.chain("own_packets", _own_packets(north), "type filter hook output priority filter; policy accept;")
    yield nft.chain("translate", translation.outwards(north))
    # What is translated never comes back from there.
    yield nft.chain("translate_out", ["jump translate", "goto leave"], _TRANSLATE)


def _to_self(north: North) -> Iterator[str]:
    yield "ip daddr @external tcp flags ! syn counter drop"
    if north.owner:
        yield from arrival.astray(north)


def _forward() -> Iterator[str]:
    yield from translation.severing()
    yield "ct state invalid,untracked goto leave"
    # Of what will not be translated only the first packet is looked at later: one that was for this router itself while
    # it owned may be a stray now.
    yield "ct status confirmed ct status ! snat,dnat goto leave"


def _own_packets(north: North) -> Iterator[str]:
    if not north.owner and north.gateway.enable_snat:
        # Of what came to the wrong host nobody hears that its way was too long.
        late = 'oifname != "qr-*" icmp type time-exceeded'
        yield f"{late} ct state invalid goto astray"
        yield f"{late} ct status ! snat,dnat goto astray"
    yield "ct state invalid,untracked goto leave"
    yield "ct state established,related ct status ! snat,dnat goto leave"


def _own_source(north: North) -> Iterator[str]:
    """Errors of this router to the outside come from the gateway address, or the floating IP that they are about."""
    for destination in nft.within("ip daddr", inside(north)):
        yield f"{destination} goto inside_only"
    yield f'oifname != "qr-*" {ERRORS} ip saddr set {north.gateways[0]}'


def _leave(north: North) -> Iterator[str]:
    """What leaves with the source that it has: of a connection that is translated that was decided before."""
    yield 'oifname "qr-*" accept'
    if north.leg is not None:
        yield f'oifname "{north.leg}" goto to_outside'
    yield f'oifname "{north.transit}" goto to_transit'


def _to_outside(north: North) -> Iterator[str]:
    """What may leave: what was translated; what Linux calls invalid was not, and stays."""
    if not north.owner:
        yield from arrival.astray(north)
    yield "ip saddr @answered accept"
    if not north.gateway.enable_snat:
        yield from _answers()
        yield "ip saddr @inside accept"
    yield "counter drop"


def _to_transit(north: North) -> Iterator[str]:
    came = f'iifname "{north.transit}"'
    yield f"{came} ip saddr @inside counter drop" if north.owner else f"{came} counter drop"
    if north.gateway.enable_snat:
        yield f"{UNMARKED} ip saddr @inside counter drop"
    else:
        yield from _answers()
    yield f"ip saddr {LINK_LOCAL} counter drop"


def _answers() -> Iterator[str]:
    """An answer to who called the address inside may go; all else of it is translated, or is invalid."""
    yield f"{UNMARKED} ip saddr @fixed ct state ! established,related counter drop"
