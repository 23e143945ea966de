"""Northbound: the ruleset that translates, steers and guards what goes between a router and the outside.

One table, because maps belong to their table. The order of a packet's way through it, by hook priority:

- ``raw`` (-300): from outside, refuse what cannot be meant for us, mark and untrack what is steered; from transit,
  untrack answers that the owner only passes on.
- -150, after connection tracking: from inside, mark what belongs to another host without untracking it, since an answer
  must be un-translated here first.
- ``dstnat`` (-100): port forwardings and floating IPs, whatever interface they come by.
- -90: what came by transit and is still an external address has come to the wrong host: dropped, so nothing loops.
- ``filter`` (0) forward: TCP in mid-stream that would be translated anew is reset towards the instance.
- ``srcnat`` (100): floating IP, else this host's port block, else (on the owner) the gateway address.
- 200: only sources that are ours outside leave; our mark is cleared.
"""

from collections.abc import Iterator

from onehop.compiler import nft, steering
from onehop.compiler.context import Context
from onehop.compiler.north import North, blocks_of, norths
from onehop.compiler.state import Claim, Refusal
from onehop.net import naming
from onehop.objects import Ruleset

_MASK = f"{naming.STEERING_MASK:#010x}"
UNMARKED = f"meta mark & {_MASK} == 0x00000000"
MARKED = f"meta mark & {_MASK} != 0x00000000"
_PORTED = "ip protocol { icmp, tcp, udp }"
_TABLE = "onehop-north"


def northbound(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Two tables for every router here that has a gateway: `ip`, and `arp` where it has an external leg."""
    for north in norths(context):
        if not north.gateways:
            continue
        partition, resource = naming.router_partition(north.router.id), ("router", north.router.id)
        for table in _tables(north):
            yield partition, Claim(table, "northbound", resource)


def _tables(north: North) -> Iterator[Ruleset]:
    body = nft.body(*_sets(north), *steering.maps(north), *_chains(north))
    yield Ruleset(namespace=north.namespace, family="ip", table=_TABLE, body=body)
    if north.leg is not None:
        probe = f'oifname "{north.leg}" arp operation request arp saddr ip != @published arp saddr ip set 0.0.0.0'
        hook = "type filter hook output priority filter; policy accept;"
        parts = (nft.address_set("published", 4, north.published), nft.chain("output", [probe], hook))
        yield Ruleset(namespace=north.namespace, family="arp", table=_TABLE, body=nft.body(*parts))


def _sets(north: North) -> Iterator[str]:
    yield nft.prefix_set("inside", 4, north.inside)
    yield nft.address_set("gateways", 4, north.gateways)
    yield nft.address_set("published", 4, north.published)
    yield nft.address_set("floating", 4, north.floating)
    yield nft.address_set("virtual", 4, north.virtual)
    yield nft.address_set("leaving", 4, _leaving(north))
    # What came by transit and still goes there was not for this host; its own floating IPs are translated by then.
    yield nft.address_set("external", 4, {*north.gateways, *north.floating})
    yield nft.mapping("floating_in", "ipv4_addr : ipv4_addr", sorted(north.translated.items()))
    outwards = sorted((fixed, external) for external, fixed in north.translated.items())
    yield nft.mapping("floating_out", "ipv4_addr : ipv4_addr", _first_of_each(outwards))


def _first_of_each(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """With several floating IPs on one address, new connections leave by the first."""
    firsts: dict[str, str] = {}
    for fixed, external in pairs:
        firsts.setdefault(fixed, external)
    return list(firsts.items())


def _leaving(north: North) -> set[str]:
    mine = {*north.gateways, *north.translated, *(f.address for f in north.forwards)}
    return mine | {*north.steered, *(f.address for f, _ in north.steered_forwards)} if north.owner else mine


def _chains(north: North) -> Iterator[str]:
    steer = list(steering.rules(north))
    yield nft.chain("steer", steer)
    if north.leg is not None:
        yield nft.chain("from_outside", _from_outside(north))
    yield nft.chain("raw", _raw(north), "type filter hook prerouting priority raw; policy accept;")
    yield nft.chain("inside_out", _inside_out(north), "type filter hook prerouting priority mangle; policy accept;")
    yield nft.chain("translate_in", _translate_in(north), "type nat hook prerouting priority dstnat; policy accept;")
    yield nft.chain("astray", _astray(north), "type filter hook prerouting priority -90; policy accept;")
    yield nft.chain("forward", _forward(north), "type filter hook forward priority filter; policy accept;")
    errors = [f"{steering.ERRORS} {UNMARKED} jump steer"]
    yield nft.chain("own_errors", errors, "type route hook output priority mangle; policy accept;")
    yield nft.chain("translate_out", _translate_out(north), "type nat hook postrouting priority srcnat; policy accept;")
    yield nft.chain("leave", _leave(north), "type filter hook postrouting priority 200; policy accept;")


def _from_outside(north: North) -> Iterator[str]:
    yield "ip saddr @inside counter drop"
    if north.gateway.enable_snat:
        yield "ip daddr != @published counter drop"
    else:
        yield "ip daddr @inside accept"
        yield "ip daddr != @published counter drop"
    if north.owner:
        yield "jump steer"
        yield f"{MARKED} notrack"


def _raw(north: North) -> Iterator[str]:
    owner = steering.mark_of_owner(north)
    if owner is not None:
        yield f'iifname "qr-*" ip saddr @virtual ip daddr != @inside notrack {owner}'
        if north.gateway.enable_snat:
            lone = f'iifname "qr-*" ip saddr @inside ip daddr != @inside {_sources_without(north)}'
            yield f"{lone}ip protocol != {{ icmp, tcp, udp }} notrack {owner}"
    if north.leg is not None:
        yield f'iifname "{north.leg}" jump from_outside'
    if north.owner:
        passing = "ip saddr != @inside ip daddr != @inside ip daddr != @published notrack"
        yield f'iifname "{north.transit}" {passing}'


def _sources_without(north: North) -> str:
    """A match on sources that have no floating IP here; nothing to match where none has."""
    if not north.translated:
        return ""
    return f"ip saddr != {nft.any_of(sorted(set(north.translated.values())))} "


def _inside_out(north: North) -> Iterator[str]:
    yield f'iifname "qr-*" {UNMARKED} jump steer'
    if north.owner:
        yield f'iifname "{north.transit}" ip saddr @inside {UNMARKED} jump steer'
    owner = steering.mark_of_owner(north)
    if owner is not None:
        for first, last in blocks_of(north.me):
            ours = nft.ports(first, last)
            yield f'iifname "qr-*" ip daddr {north.gateways[0]} th dport {ours} return'
            yield f'iifname "qr-*" ip daddr {north.gateways[0]} icmp type echo-reply icmp id {ours} return'
        yield f'iifname "qr-*" ip daddr @gateways {UNMARKED} icmp type != {steering.ERRORS[10:]} {owner}'
        yield f'iifname "qr-*" ip daddr @gateways {UNMARKED} ip protocol != icmp {owner}'
        if not north.me.blocks and north.gateway.enable_snat:
            lone = f'iifname "qr-*" ip saddr @inside ip daddr != @inside {_sources_without(north)}'
            yield f"{lone}{UNMARKED} {owner}"


def _translate_in(north: North) -> Iterator[str]:
    for forward in north.forwards:
        rule = forward.rule
        outer = nft.ports(rule.external_first, rule.external_last)
        inner = nft.ports(rule.internal_first, rule.internal_first + rule.external_last - rule.external_first)
        yield f"ip daddr {forward.address} {rule.protocol} dport {outer} dnat to {rule.internal_ip}:{inner}"
    if north.translated:
        yield "dnat to ip daddr map @floating_in"


def _astray(north: North) -> Iterator[str]:
    if north.owner:
        yield f'iifname "{north.transit}" ip saddr @inside ip daddr @gateways accept'
    yield f'iifname "{north.transit}" {UNMARKED} ip daddr @external counter drop'


def _forward(north: North) -> Iterator[str]:
    if north.gateway.enable_snat:
        fresh = f'iifname "qr-*" ct state new tcp flags ! syn,rst {_sources_without(north)}'
        yield f"{fresh}ct original ip daddr != @inside ct original ip daddr != @gateways reject with tcp reset"


def _translate_out(north: North) -> Iterator[str]:
    yield 'oifname "qr-*" ct status ! dnat return'
    yield "ip saddr != @inside return"
    yield "ip daddr @gateways return"
    if north.translated:
        yield "snat to ip saddr map @floating_out"
    if not north.gateway.enable_snat:
        yield 'oifname != "qr-*" ip daddr != @floating return'
    for first, last in list(blocks_of(north.me))[:1]:
        yield f"{_PORTED} snat to {north.gateways[0]}:{first}-{last}"
    if north.owner:
        yield f"snat to {north.gateways[0]}"


def _leave(north: North) -> Iterator[str]:
    if north.leg is not None:
        leaves = f'oifname "{north.leg}" '
        own = "ip saddr 169.254.0.0/16"
        yield f"{leaves}{own} {steering.ERRORS} ip saddr set {north.gateways[0]}"
        allowed = "" if north.gateway.enable_snat else "ip saddr != @inside "
        yield f"{leaves}ip saddr != @leaving {allowed}counter drop"
    yield f'iifname "{north.transit}" oifname "{north.transit}" ip saddr @inside counter drop'
    yield f'oifname "{north.transit}" ip saddr 169.254.0.0/16 counter drop'
    yield f"meta mark set meta mark & {0xFFFFFFFF ^ naming.STEERING_MASK:#010x}"
