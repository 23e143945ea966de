"""Northbound: the ruleset that translates, steers and guards what goes between a router and the outside.

One table, because maps belong to their table. Its rules do not depend on which floating IPs and port forwardings there
are, only the elements of its sets and maps do: so one of them comes and goes in place.

The order of a packet's way through it, by hook priority:

- ``raw`` (-300): from outside, refuse what cannot be meant for us, mark and untrack what is steered; from transit,
  untrack answers that the owner only passes on; from inside, send to the owner what only the owner can translate.
- -150, after connection tracking: from inside, mark what belongs to another host without untracking it, since an answer
  must be un-translated here first.
- ``dstnat`` (-100): port forwardings and floating IPs, whatever interface they come by (`onehop.compiler.translation`).
- -90: what came by transit and is still an external address has come to the wrong host: dropped, so nothing loops.
- ``filter`` (0) forward: TCP in mid-stream that would be translated anew is reset towards the instance.
- ``srcnat`` (100): floating IP, else this host's port block, else (on the owner) the gateway address.
- 200: only sources that are ours outside leave; our mark is cleared.

"Walk n" in comments is a section of the packet walks.
"""

from collections.abc import Collection, Iterator

import msgspec

from onehop.compiler import nft, steering, translation
from onehop.compiler.context import Context
from onehop.compiler.north import North, norths
from onehop.compiler.state import Claim, Refusal
from onehop.compiler.steering import ERRORS, MARKED, UNMARKED
from onehop.net import naming
from onehop.objects import NamedSet, Ruleset

_TABLE = "onehop-north"
_INSIDE = 'iifname "qr-*"'
NOBODY = "0.0.0.0"  # noqa: S104  # of an ARP probe (RFC 5227)


def northbound(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Two tables for every router here that has a gateway: `ip`, and `arp` where it has an external leg."""
    for north in norths(context):
        if not north.gateways:
            continue
        partition, resource = naming.router_partition(north.router.id), ("router", north.router.id)
        for table in _tables(north):
            yield partition, Claim(table, "northbound", resource)


def without(table: Ruleset, addresses: Collection[str]) -> Ruleset:
    """The table that names who asks on an external leg, for a leg that does not have these addresses (yet)."""
    published = [e for e in table.sets[0].elements if e not in addresses]
    (asker,) = table.sets[1].elements
    link, _, name = asker.partition(" : ")
    if name in addresses:
        name = next(iter(published), NOBODY)
    elements = (tuple(published), (f"{link} : {name}",))
    changed = (msgspec.structs.replace(one, elements=e) for one, e in zip(table.sets, elements, strict=True))
    return msgspec.structs.replace(table, sets=tuple(changed))


def _tables(north: North) -> Iterator[Ruleset]:
    yield Ruleset(
        namespace=north.namespace,
        family="ip",
        table=_TABLE,
        sets=(*_sets(north), *steering.maps(north), *translation.maps(north)),
        body=nft.body(*_chains(north)),
    )
    if north.leg is not None:
        # Walk 5: questions of this leg disturb nobody's cache: they name an address that is published here, or none.
        asker = next((a for a in (*north.floating, *north.gateways) if a in north.published), NOBODY)
        probe = f'oifname "{north.leg}" arp operation request arp saddr ip != @published'
        hook = "type filter hook output priority filter; policy accept;"
        yield Ruleset(
            namespace=north.namespace,
            family="arp",
            table=_TABLE,
            sets=(
                nft.address_set("published", 4, north.published),
                nft.mapping("asker", "ifname : ipv4_addr", [(f'"{north.leg}"', asker)]),
            ),
            body=nft.body(nft.chain("output", [f"{probe} arp saddr ip set oifname map @asker"], hook)),
        )


def _sets(north: North) -> Iterator[NamedSet]:
    yield nft.prefix_set("inside", 4, north.inside)
    yield nft.address_set("gateways", 4, north.gateways)
    yield nft.address_set("floating", 4, north.floating)
    yield nft.address_set("external", 4, {*north.gateways, *north.floating})
    yield nft.address_set("answered", 4, north.answered)
    yield nft.address_set("virtual", 4, north.virtual)
    yield nft.any_set("peers", "ether_addr", (other.mac_address for other in north.others))


def _chains(north: North) -> Iterator[str]:
    yield nft.chain("steer", steering.rules(north))
    if north.leg is not None:
        yield nft.chain("from_outside", _from_outside(north))
    yield nft.chain("raw", _raw(north), "type filter hook prerouting priority raw; policy accept;")
    yield nft.chain("inside_out", _inside_out(north), "type filter hook prerouting priority mangle; policy accept;")
    hook = "type nat hook prerouting priority dstnat; policy accept;"
    yield nft.chain("translate_in", translation.inwards(), hook)
    yield nft.chain("astray", _astray(north), "type filter hook prerouting priority dstnat + 10; policy accept;")
    # A connection whose packet lost its way while rules change hands must not be reset: nobody is at home here.
    mine = ["ip daddr @external tcp flags ! syn counter drop"]
    yield nft.chain("to_self", mine, "type filter hook input priority filter; policy accept;")
    yield nft.chain("forward", _forward(north), "type filter hook forward priority filter; policy accept;")
    yield nft.chain("own_source", _own_source(north), "type filter hook output priority raw; policy accept;")
    # Walk 6: what this router itself answers, and what it has to say of a steered packet, goes where that came from.
    hook = "type route hook output priority mangle; policy accept;"
    yield nft.chain("own_answers", [f"{UNMARKED} jump steer"], hook)
    hook = "type nat hook postrouting priority srcnat; policy accept;"
    yield nft.chain("translate_out", translation.outwards(north), hook)
    yield nft.chain("leave", _leave(north), "type filter hook postrouting priority 200; policy accept;")


def _from_outside(north: North) -> Iterator[str]:
    """What may come in: published and steered addresses, and routed subnets; never from our own sources."""
    yield "ip saddr @inside counter drop"
    # Nobody routes these (RFC 3927, 7), and one of them is what instances ask for metadata.
    yield "ip saddr 169.254.0.0/16 counter drop"
    yield "ip saddr @external ether saddr != @peers counter drop"
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


def _raw(north: North) -> Iterator[str]:
    yield f"{_INSIDE} ip saddr @external counter drop"
    owner = steering.mark_of_owner(north)
    abroad = "ip daddr != @inside" if north.gateway.enable_snat else "ip daddr @floating"
    lone = f"{_INSIDE} ip saddr @inside {abroad} {translation.WITHOUT_FLOATING_IP}"
    if owner is not None:
        # Walk 9: answers of an address that may be anywhere; the owner has the connection.
        yield f"{_INSIDE} ip saddr @virtual ip daddr != @inside notrack {owner}"
        # Walk 7: what cannot share the gateway address, or has no ports to share it by.
        if north.blocks:
            yield f"{lone}ip protocol != {{ icmp, tcp, udp }} notrack {owner}"
        else:
            yield f"{lone}{translation.NOT_FORWARDED}notrack {owner}"
    if north.leg is not None:
        yield f'iifname "{north.leg}" jump from_outside'
        if north.owner:
            # What a host sent here because it did not know better yet goes on, once: there nothing is marked again.
            yield f'iifname "{north.transit}" ip saddr @external jump steer'
            yield f'iifname "{north.transit}" {MARKED} notrack'
        # Walk 3: of hosts without external leg; translated there, only passed on here.
        passing = "ip saddr != @inside ip daddr != @inside ip daddr != @answered notrack"
        yield f'iifname "{north.transit}" {passing}'
    if not north.gateway.enable_snat:
        # Walk 2: what is routed as it is.
        routed = f"ip saddr @inside ip daddr != @inside ip daddr != @external {translation.WITHOUT_FLOATING_IP}"
        for incoming in (_INSIDE, f'iifname "{north.transit}"'):
            yield f"{incoming} {routed}{translation.NOT_FORWARDED}notrack"


def _inside_out(north: North) -> Iterator[str]:
    """Walk 4 and 6: from inside to what another host translates."""
    yield f"{_INSIDE} {UNMARKED} jump steer"
    if north.owner:
        yield f'iifname "{north.transit}" ip saddr @inside {UNMARKED} jump steer'
    owner = steering.mark_of_owner(north)
    if owner is None:
        return
    for span in north.blocks:
        ours = nft.ports(*span.ports)
        yield f"{_INSIDE} ip daddr {span.address} ip protocol {{ tcp, udp }} th dport {ours} return"
        yield f"{_INSIDE} ip daddr {span.address} icmp type echo-reply icmp id {ours} return"
    yield f"{_INSIDE} ip daddr @gateways {ERRORS} return"
    yield f"{_INSIDE} ip daddr @gateways {UNMARKED} {owner}"
    if not north.blocks and north.gateway.enable_snat:
        lone = f"{_INSIDE} ip saddr @inside ip daddr != @inside {translation.WITHOUT_FLOATING_IP}"
        yield f"{lone}ct direction original {UNMARKED} {owner}"


def _astray(north: North) -> Iterator[str]:
    """Walk 6, no loops: what came by transit was meant to be un-translated here, and was not."""
    came = f'iifname "{north.transit}" {UNMARKED}'
    if north.owner:
        yield f"{came} ip saddr @inside accept"
        yield f"{came} ip saddr @external accept"
    # A host with an external leg passes on what goes to external addresses that nobody steers.
    yield f"{came} ip daddr {'@answered' if north.leg is not None else '@external'} counter drop"
    if north.leg is not None and not north.owner:
        yield f'iifname "{north.leg}" {UNMARKED} ip daddr @answered counter drop'


def _forward(north: North) -> Iterator[str]:
    if not north.owner:
        yield f'iifname "{north.transit}" oifname "{north.transit}" counter drop'
    yield from translation.severed()
    if north.gateway.enable_snat:
        # Walk 12: with another block it would be another connection, so let the instance begin a new one at once.
        fresh = f"{_INSIDE} ct state new tcp flags ! syn,rst {translation.WITHOUT_FLOATING_IP}"
        yield f"{fresh}ct original ip daddr != @inside ct original ip daddr != @gateways counter reject with tcp reset"


def _own_source(north: North) -> Iterator[str]:
    """Errors of this router to the outside come from the gateway address, or the floating IP that they are about."""
    yield f'oifname != "qr-*" {ERRORS} ip saddr set {north.gateways[0]}'


def _leave(north: North) -> Iterator[str]:
    """What may leave: what was translated; what Linux calls invalid was not, and stays."""
    out, transit = f'oifname "{north.leg}"', f'oifname "{north.transit}"'
    if north.leg is not None:
        if north.gateway.enable_snat:
            yield f"{out} ip saddr != @answered counter drop"
        else:
            yield f"{out} ip saddr != @answered ip saddr != @inside counter drop"
    yield f'iifname "{north.transit}" {transit} ip saddr @inside counter drop'
    if north.gateway.enable_snat:
        yield f"{transit} {UNMARKED} ip saddr @inside counter drop"
    else:
        # An answer to who called the address inside; all else of it is translated, or is invalid.
        yield f'oifname != "qr-*" {UNMARKED} ip saddr @fixed ct state ! established,related counter drop'
    yield f"{transit} ip saddr 169.254.0.0/16 counter drop"
    yield f"meta mark set meta mark & {0xFFFFFFFF ^ naming.STEERING_MASK:#010x}"
