"""Relaying: nftables' ``fwd ip to`` hands a packet on to a neighbour where it came in, before anything else saw it."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from onehop.verify import neighbour
from onehop.verify.packet import Frame
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.trail import LATE, Death, End, Trail, ended, step

if TYPE_CHECKING:
    from onehop.verify.walk import Walk


def hand_on(walk: "Walk", space: Space, passing: Passing, trail: Trail) -> list[End]:
    """Send a packet to the neighbour that a rule named, one hop older (net/netfilter/nft_fwd_netdev.c)."""
    device, hop = passing.handed_on
    link = space.links.get(device)
    packet = passing.packet
    walk.watch.used("link", space.host, space.name, device)
    if link is None or packet.ttl <= 1:
        death = Death(f"{device} is not there") if link is None else Death(LATE)
        return [ended(trail, space, device, passing, death)]
    mac, how = neighbour.resolve(walk, space, link, hop)
    if mac is None:
        return [ended(trail, space, device, passing, Death(how))]
    trail += (step(space, device, "neighbour", how),)
    return walk.transmit(space, link, Frame(link.mac or "", mac, replace(packet, ttl=packet.ttl - 1)), trail)
