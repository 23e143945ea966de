"""Arrival: what a router with a gateway makes of a packet before it is routed, by the leg it comes in by.

Every packet passes here, so what most packets need comes first, and a comparison before a lookup (`nft.within`).
"Walk n" in comments is a section of the packet walks.
"""

from collections.abc import Iterator

from onehop.compiler import nft, steering, translation
from onehop.compiler.addresses import external, gateways, inside, legs
from onehop.compiler.north import North
from onehop.compiler.steering import ERRORS, MARKED, UNMARKED
from onehop.compiler.translation import INSIDE
from onehop.net.address import LINK_LOCAL

NOWHERE = f"ip daddr {LINK_LOCAL} counter drop"
"""Some link-local addresses are the router's own, on its transit leg, and no instance's business (RFC 3927, 7)."""

_RAW = "type filter hook prerouting priority raw; policy accept;"
_TRACKED = "type filter hook prerouting priority mangle; policy accept;"
_PORTLESS = "ip protocol != { icmp, tcp, udp }"


def chains(north: North) -> Iterator[str]:
    """Chains before routing, but for the translation between the two."""
    yield nft.chain("steer_icmp", steering.rules_of_icmp(north))
    yield nft.chain("steer_ports", steering.rules_of_ports(north))
    yield nft.chain("steer", steering.rules(north))
    yield nft.chain("steer_inside", steering.rules_from_inside(north))
    yield nft.chain("mine", _mine(north))
    yield nft.chain("inside_only", [f"{source} notrack accept" for source in nft.within("ip saddr", inside(north))])
    if north.leg is not None:
        yield nft.chain("shared", _shared(north))
        yield nft.chain("from_outside", _from_outside(north))
    yield nft.chain("astray", ["counter drop"])
    yield nft.chain("to_others", _to_others(north))
    yield nft.chain("from_inside", _from_inside(north))
    yield nft.chain("from_transit", _from_transit(north))
    yield nft.chain("raw", _raw(north), _RAW)
    if not north.blocks:
        # What only the owner can translate outwards has to go there before it is translated inwards here. It is told
        # from answers by its connection.
        yield nft.chain("inside_out", [f"{INSIDE} jump to_others"], _TRACKED)


def astray(north: North) -> Iterator[str]:
    """Walk 6, no loops: what came by transit was meant to be un-translated here, and was not. A host with an external
    leg passes on what goes to external addresses that nobody steers.
    """
    came = f'iifname "{north.transit}"'
    if north.owner:
        yield f"{came} {nft.outside('ip saddr', inside(north))} ip saddr != @external ip daddr @answered goto astray"
    elif north.leg is None:
        yield f"{came} ip daddr @external goto astray"
    else:
        yield f"{came} ip daddr @answered goto astray"
        yield f'iifname "{north.leg}" ip daddr @answered goto astray'


def lonely() -> str:
    """The chain of a router without IPv4 outside: it has a transit leg all the same."""
    return nft.chain("raw", [f"{INSIDE} {NOWHERE}"], _RAW)


def _raw(north: North) -> Iterator[str]:
    if north.leg is not None:
        yield f'iifname "{north.leg}" goto from_outside'
    yield f"{INSIDE} goto from_inside"
    yield f'iifname "{north.transit}" goto from_transit'


def _mine(north: North) -> Iterator[str]:
    """What this host translates back by its blocks of ports, and nobody else."""
    for span in north.blocks:
        ours = nft.ports(*span.ports)
        yield f"ip daddr {span.address} tcp dport {ours} accept"
        yield f"ip daddr {span.address} udp dport {ours} accept"
        yield f"ip daddr {span.address} icmp type echo-reply icmp id {ours} accept"


def _called(north: North, verdict: str) -> list[str]:
    """What is addressed to the gateway addresses: nearly all of what comes in but for floating IPs."""
    return [f"{match} {verdict}" for match in nft.within("ip daddr", gateways(north))]


def _shared(north: North) -> Iterator[str]:
    """From outside to a gateway address: this host's, or steered. Walk 6: not tracked here then."""
    yield from _mine(north)
    yield "jump steer_ports"
    yield f"{MARKED} notrack"


def _from_outside(north: North) -> Iterator[str]:
    """What may come in: published and steered addresses, and routed subnets; never from our own sources."""
    for source in nft.within("ip saddr", inside(north)):
        yield f"{source} counter drop"
    # Nobody routes these (RFC 3927, 7), and one of them is what instances ask for metadata.
    yield f"ip saddr {LINK_LOCAL} counter drop"
    for source in nft.within("ip saddr", external(north)):
        yield f"{source} ip saddr @external ether saddr != @peers counter drop"
    yield from _called(north, "goto shared")
    yield "ip daddr @here accept"
    if not north.gateway.enable_snat:
        # Walk 3: who has a floating IP and is called by the address inside answers from there, and new calls of its own
        # go by the floating IP. Only the host that translates can tell these apart, so it has to see the call.
        if north.others:
            yield "meta mark set ip daddr map @called_inside"
            yield f"{MARKED} notrack accept"
        yield "ip daddr @fixed accept"
        yield "ip daddr @inside notrack accept"
    yield "ip daddr != @answered counter drop"
    # Walks 6 and 8: not tracked here, because it is translated there.
    yield "jump steer"
    yield f"{MARKED} notrack"


def _from_inside(north: North) -> Iterator[str]:
    yield NOWHERE
    for source in nft.within("ip saddr", external(north)):
        yield f"{source} ip saddr @external counter drop"
    for source in nft.within("ip saddr", legs(north)):
        yield f"{source} counter drop"
    for destination in nft.within("ip daddr", inside(north)):
        yield f"{destination} goto inside_only"
    if translation.asks_what_errors_quote(north):
        # Walk 8: what an instance says of a forwarded port's connection goes the way of its answers.
        yield f"{steering.QUOTING} ip saddr . {steering.QUOTED_TARGET} @forwarded_quoted accept"
    owner = steering.mark_of_owner(north)
    if owner is not None:
        # Walk 9: answers of an address that may be anywhere; the owner has the connection.
        yield f"ip saddr @virtual notrack {owner}"
        lone = "ip saddr @inside " + ("" if north.gateway.enable_snat else "ip daddr @floating ")
        lone += translation.WITHOUT_FLOATING_IP
        # Walk 7: what cannot share the gateway address, or has no ports to share it by.
        if north.blocks:
            yield f"{_PORTLESS} {lone}notrack {owner}"
        else:
            yield f"{lone}{translation.NOT_FORWARDED}notrack {owner}"
    yield from _routed(north)
    if north.blocks:
        for destination in nft.within("ip daddr", external(north)):
            yield f"{destination} goto to_others"


def _from_transit(north: North) -> Iterator[str]:
    yield from _called(north, "jump mine")
    yield "ip daddr @here accept"
    for destination in nft.within("ip daddr", inside(north)):
        yield f"{destination} goto inside_only"
    if north.leg is not None:
        if north.owner:
            # What a host sent here because it did not know better yet goes on, once: there nothing is marked again.
            yield "ip saddr @external jump steer"
            yield f"{MARKED} notrack"
            # Walks 7 and 9: what another host's instances say is treated like what comes from inside.
            sources, destinations = nft.within("ip saddr", inside(north)), nft.within("ip daddr", external(north))
            yield from (f"{source} {to} jump steer_inside" for source in sources for to in destinations)
        # Walk 3: of hosts without external leg; translated there, only passed on here.
        yield f"{nft.outside('ip saddr', inside(north))} ip daddr != @answered notrack"
    yield from _routed(north)


def _routed(north: North) -> Iterator[str]:
    """Walk 2: what is routed as it is."""
    if not north.gateway.enable_snat:
        routed = f"ip saddr @inside ip daddr != @external {translation.WITHOUT_FLOATING_IP}"
        yield f"{routed}{translation.NOT_FORWARDED}notrack"


def _to_others(north: North) -> Iterator[str]:
    """Walk 4 and 6: from inside to what another host translates. Tracked, since answers are un-translated here.

    Marked before tracking has turned anything back: that leaves alone what is addressed to a block of another host, and
    what is addressed to this host's own is not marked.
    """
    yield f"{UNMARKED} jump {'steer_inside' if north.blocks else 'steer'}"
    owner = steering.mark_of_owner(north)
    if owner is None:
        return
    for span in north.blocks:
        ours = nft.ports(*span.ports)
        yield f"ip daddr {span.address} ip protocol {{ tcp, udp }} th dport {ours} return"
        yield f"ip daddr {span.address} icmp type echo-reply icmp id {ours} return"
    yield f"ip daddr @gateways {ERRORS} return"
    yield f"ip daddr @gateways {UNMARKED} {owner}"
    if not north.blocks and north.gateway.enable_snat:
        lone = f"ip saddr @inside ip daddr != @inside {translation.WITHOUT_FLOATING_IP}"
        yield f"{lone}ct direction original {UNMARKED} {owner}"
