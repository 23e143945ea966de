"""Northbound: the ruleset that translates, steers and guards what goes between a router and the outside.

One table, because maps belong to their table. Its rules do not depend on which floating IPs and port forwardings there
are, only the elements of its sets and maps do: so one of them comes and goes in place.

The order of a packet's way through it, by hook priority:

- ``raw`` (-300): from outside, refuse what cannot be meant for us, mark and untrack what is steered; from transit,
  untrack answers that the owner only passes on; from inside, send to the owner what only the owner can translate, and
  mark what else belongs to another host without untracking it, since an answer must be un-translated here; what goes
  from inside to inside is not tracked.
- ``dstnat`` (-100): port forwardings and floating IPs, whatever interface they come by (`onehop.compiler.translation`);
  TCP in mid-stream that would be translated anew is reset towards the instance.
- ``filter`` (0) forward: connections of a mapping that is gone end; what is not translated leaves only with a source
  that is ours outside; what came by transit and is still an external address has come to the wrong host: dropped, so
  nothing loops.
- ``srcnat`` (100): floating IP, else this host's port block, else (on the owner) the gateway address; a connection
  that none of these is for is looked at as what is not translated.
- egress of the transit leg: our mark is taken off.
- ingress of the external leg, before all of these: most of what another host un-translates is relayed there at once.

`onehop.compiler.arrival` has what comes before routing, `onehop.compiler.departure` what comes after.
IPv6 needs no word here: nothing in the namespace asks for tracking of it, so nothing of it is tracked.
"""

from collections.abc import Collection, Iterator

import msgspec

from onehop.compiler import addresses, arrival, departure, nft, relay, steering, translation
from onehop.compiler.context import Context
from onehop.compiler.north import North, norths, transit_mtu
from onehop.compiler.state import Claim, Refusal
from onehop.net import naming
from onehop.objects import Ruleset

NOBODY = "0.0.0.0"  # noqa: S104  # of an ARP probe (RFC 5227)


def northbound(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Tables for every router here that has a gateway: `ip`, `netdev`, and `arp` where it has an external leg."""
    for north in norths(context):
        partition, resource = naming.router_partition(north.router.id), ("router", north.router.id)
        for table in _tables(context, north):
            yield partition, Claim(table, "northbound", resource)


def without(table: Ruleset, missing: Collection[str]) -> Ruleset:
    """The table that names who asks on an external leg, for a leg that does not have these addresses (yet)."""
    published = [e for e in table.sets[0].elements if e not in missing]
    (asker,) = table.sets[1].elements
    link, _, name = asker.partition(" : ")
    if name in missing:
        name = next(iter(published), NOBODY)
    elements = (tuple(published), (f"{link} : {name}",))
    changed = (msgspec.structs.replace(one, elements=e) for one, e in zip(table.sets, elements, strict=True))
    return msgspec.structs.replace(table, sets=tuple(changed))


def _tables(context: Context, north: North) -> Iterator[Ruleset]:
    if not north.gateways:
        yield Ruleset(
            namespace=north.namespace, family="ip", table=naming.NORTH_TABLE, sets=(), body=nft.body(arrival.lonely())
        )
        return
    yield Ruleset(
        namespace=north.namespace,
        family="ip",
        table=naming.NORTH_TABLE,
        sets=(*addresses.sets(north), *steering.maps(north), *translation.maps(north)),
        body=nft.body(*_chains(north)),
    )
    yield _transit(context, north)
    if north.leg is not None:
        # Walk 5: questions of this leg disturb nobody's cache: they name an address that is published here, or none.
        asker = next((a for a in (*north.floating, *north.gateways) if a in north.published), NOBODY)
        probe = f'oifname "{north.leg}" arp operation request arp saddr ip != @published'
        hook = "type filter hook output priority filter; policy accept;"
        yield Ruleset(
            namespace=north.namespace,
            family="arp",
            table=naming.NORTH_TABLE,
            sets=(
                nft.address_set("published", 4, north.published),
                nft.mapping("asker", "ifname : ipv4_addr", [(f'"{north.leg}"', asker)]),
            ),
            body=nft.body(nft.chain("output", [f"{probe} arp saddr ip set oifname map @asker"], hook)),
        )


def _transit(context: Context, north: North) -> Ruleset:
    """The table of the transit leg: what is relayed there, and our mark taken off what leaves by it; by other legs
    nothing is marked.

    Its VXLAN device asks the host's routing rules for a way to the other host, with the mark of the packet inside.
    """
    keep = f"meta mark set meta mark & {0xFFFFFFFF ^ naming.STEERING_MASK:#010x}"
    relays = relay.relays(context, north)
    relayed = list(relay.chains(north, transit_mtu(context, north))) if relays else []
    devices = (north.transit, north.leg) if relayed and north.leg is not None else (north.transit,)
    return Ruleset(
        namespace=north.namespace,
        family="netdev",
        table=naming.NORTH_TABLE,
        sets=tuple(relay.sets(north)) if relays else (),
        body=nft.body(*relayed, nft.chain("unmark", [keep], nft.netdev_hook("egress", north.transit))),
        devices=devices,
    )


def _chains(north: North) -> Iterator[str]:
    yield from arrival.chains(north)
    hook = "type nat hook prerouting priority dstnat; policy accept;"
    yield nft.chain("translate_in", [*translation.inwards(north), *arrival.astray(north)], hook)
    yield from departure.chains(north)
