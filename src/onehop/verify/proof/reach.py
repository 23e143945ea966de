"""Where the frames of somebody come: an instance behind its tap, or a neighbour on a physical network.

Frames start behind the tap's own rules: what these let pass is proved apart (`onehop.verify.proof.emission`), and the
frames that are walked are all those that the port may say, by the API.
"""

import msgspec

from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.verify.packet import Frame
from onehop.verify.proof.probe import Arrival, Probe
from onehop.verify.trail import End
from onehop.verify.watch import Watch
from onehop.verify.world import World


class Source(msgspec.Struct, frozen=True):
    """Who sends.

    Attributes:
        port: an instance's; None is the outside, or the underlay.
        network: the physical network that the outside sends on; of the underlay the link that it comes by.
        host: whose underlay; empty is none.
        namespace: where that link is.
    """

    port: PortId | None
    network: str = ""
    host: str = ""
    namespace: str = naming.HOST


def probe(world: World, watch: Watch) -> Probe:
    """A network without memory."""
    walk = world.walk_as(Probe, watch=watch)
    walk.world, walk.heard, walk.tells = world, [], False
    return walk


def send(walk: Probe, source: Source, frame: Frame) -> tuple[list[Arrival], list[End]]:
    """Where one frame comes, and its ends; later frames of the same walk find the connections that it made."""
    walk.asked, before = frame, len(walk.heard)
    ends = _sent(walk, source, frame)
    return walk.heard[before:], ends


def _sent(walk: Probe, source: Source, frame: Frame) -> list[End]:
    world = walk.world
    if source.host:
        here = next((m.spaces.get(source.namespace) for name, m in walk.machines.items() if name == source.host), None)
        link = here.links.get(source.network) if here is not None else None
        return walk.receive(here, link, frame, ()) if here is not None and link is not None else []
    if source.port is None:
        return walk.switch.segment(source.network, frame, (), origin=world.outside)
    at = world.place(source.port)
    if at is None:
        return []
    host, device = at
    walk.watch.used("link", host.host, host.name, device)
    tap = host.links.get(device)
    return walk.enter(host, tap, frame, ()) if tap is not None else []


def tracks(walk: Probe) -> bool:
    """Whether a router has a connection of what was walked."""
    return any(h.space.name.startswith("qrouter-") and not h.tracker.is_empty for h in walk.known_hooks())
