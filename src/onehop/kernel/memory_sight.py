"""What the kernel in memory shows to an observer: what is ours, read off as on a real host, and what is foreign."""

from collections.abc import Iterator

from onehop.kernel.memory_device import Device, Space
from onehop.kernel.memory_world import World
from onehop.net.naming import HOST, MARK, TABLE, TRANSIT_PREFIX
from onehop.objects import BridgeFdb, KernelObject, Key, Link, Namespace, Neighbour, Sysctl, Veth, Vxlan, VxlanFdb
from onehop.reconciler.plan import Scope


def see_namespace(world: World, name: str, objects: dict[Key, KernelObject], foreign: set[Key]) -> None:
    """Put a namespace that bears our mark among the objects, another among what is foreign."""
    if name == HOST:
        return
    found = Namespace(namespace=name, mark=world.spaces[name].mark)
    if found.mark.startswith(MARK):
        objects[found.key] = found
    else:
        foreign.add(found.key)


def see(world: World, space: Space, scope: Scope, foreign: set[Key]) -> Iterator[KernelObject]:
    """What is ours of a namespace, as far as a scope asks for it; links of others are named in `foreign`."""
    for name, device in space.devices.items():
        if scope.links is not None and name not in scope.links:
            continue
        if _is_ours(world, device.link):
            yield from _see_device(device)
            if scope.links is None or device.link.master in scope.links:
                yield from _see_guest(world, space, device)
        else:
            foreign.add(device.link.key)
    if scope.links is None:
        yield from (route for key, route in space.routes.items() if key not in space.alien)
        yield from (rule for key, rule in space.rules.items() if key not in space.alien)
    for ruleset in space.rulesets.values():
        if not ruleset.table.startswith(TABLE):
            continue
        if scope.tables is None or (ruleset.family, ruleset.table) in scope.tables:
            yield ruleset
    for path in sorted(scope.sysctls):
        if path in space.sysctls:
            yield Sysctl(namespace=scope.namespace, path=path, value=space.sysctls[path], link=_link_of(path))


def _is_ours(world: World, link: Link) -> bool:
    """Whether a link bears our mark, or none while the other end of its pair bears it, or none yet as a transit leg."""
    if not link.alias and isinstance(link.spec, Vxlan):
        return link.namespace != HOST and link.name.startswith(TRANSIT_PREFIX)
    if link.alias or not isinstance(link.spec, Veth):
        return link.alias.startswith(MARK)
    there = world.spaces.get(link.spec.peer_namespace)
    peer = None if there is None else there.devices.get(link.spec.peer_name)
    return peer is not None and peer.link.alias.startswith(MARK)


def _see_guest(world: World, space: Space, port: Device) -> Iterator[KernelObject]:
    """What somebody else's bridge holds of a port of ours."""
    bridge = space.devices.get(port.link.master or "")
    if bridge is not None and not _is_ours(world, bridge.link):
        yield from (entry for entry in bridge.bridge_fdb.values() if entry.port == port.link.name)


def _see_device(device: Device) -> Iterator[KernelObject]:
    yield device.link
    yield from device.addresses
    hanging: tuple[dict[Key, Neighbour], dict[Key, BridgeFdb], dict[Key, VxlanFdb]]
    hanging = (device.neighbours, device.bridge_fdb, device.vxlan_fdb)
    for entries in hanging:
        yield from entries.values()


def _link_of(path: str) -> str | None:
    """The link of ``net/ipv4/conf/<link>/…`` and ``net/ipv6/neigh/<link>/…``."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in ("conf", "neigh") and parts[3] not in ("all", "default"):
        return parts[3]
    return None
