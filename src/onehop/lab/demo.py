"""`demo`: the main job, shown: a lab, two projects by openstacksdk, every path, a move, an owner that dies, the end."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from onehop.errors import MissingFeatureError
from onehop.lab import build, demo_north, instance, move, streaming
from onehop.lab.config import PROJECTS
from onehop.lab.demo_show import Screen
from onehop.lab.measure import Path, path, run
from onehop.lab.prober import probing
from onehop.lab.state import Directory

MOST_LOST = 100
"""Probes of one millisecond each that a move may lose."""

_STRANGER = "other-1"
"""Project b's instance, with the very addresses of red-1."""
_PLACES = {
    "red-1": "host-1",
    "red-1b": "host-1",
    "red-2": "host-2",
    "red-3": "host-3",
    "blue-1": "host-1",
    "blue-3": "host-3",
    _STRANGER: "host-1",
}
"""Instances, and where they are booted; the first part of each name is its network."""

_PATHS = (
    ("same subnet, same host", "red-1", "red-1b"),
    ("same subnet, other host", "red-1", "red-2"),
    ("other subnet, same host", "red-1", "blue-1"),
    ("other subnet, other host", "red-1", "blue-3"),
    ("the other way round", "blue-3", "red-2"),
)


class Move(msgspec.Struct, frozen=True):
    """What a move cost: probes of one millisecond."""

    instance: str
    source: str
    target: str
    sent: int
    lost: int


class Demo(msgspec.Struct, frozen=True):
    """What the demo saw."""

    seconds: float
    paths: tuple[Path, ...]
    route: tuple[str, ...]
    move: Move
    north: tuple[Path, ...]
    failover: demo_north.Failover

    @property
    def good(self) -> bool:
        """Whether everything was as it should be."""
        moved = self.move.sent > 0 and self.move.lost <= MOST_LOST
        return all(p.good for p in (*self.paths, *self.north)) and moved and self.failover.good


def demo(directory: Directory, json: bool) -> bool:
    """Show it; returns whether everything was as it should be. Nothing is left afterwards.

    Raises:
        MissingFeatureError: openstacksdk is not installed.
        OnehopError: something failed.
    """
    _require_sdk()
    screen = Screen(quiet=json)
    begin = time.monotonic()
    try:
        build.up(directory, screen.line)
        ports = _populate(directory, screen)
        seen = _tour(directory, screen, ports, begin)
    finally:
        screen.line("taking the lab down")
        build.down(directory)
    screen.end(seen.good, time.monotonic() - begin)
    if json:
        screen.json(seen)
    return seen.good


def _require_sdk() -> None:
    try:
        import openstack  # noqa: F401  # only whether it is there
    except ImportError:
        raise MissingFeatureError(
            "the demo works with openstacksdk, which is not installed: run pip install 'onehop[lab]'"
        ) from None


def _cloud(directory: Directory, name: str) -> Any:
    import openstack

    config = openstack.config.OpenStackConfig(config_files=[str(directory.clouds)], load_envvars=False)
    return openstack.connection.Connection(config=config.get_one(name))


def _populate(directory: Directory, screen: Screen) -> dict[str, Any]:
    """Make networks, routers and instances; returns each instance's port."""
    ours, theirs = (_cloud(directory, name) for name in PROJECTS)
    red = _network(ours, "red", "10.0.1.0/24", "fd00:1::/64")
    blue = _network(ours, "blue", "10.0.2.0/24", "fd00:2::/64")
    _router(ours, "colours", (red, blue))
    other = _network(theirs, "other", "10.0.1.0/24", "fd00:1::/64")
    _router(theirs, "others", (other,))
    screen.line("project-a: networks red (10.0.1.0/24, fd00:1::/64) and blue (10.0.2.0/24, fd00:2::/64), one router")
    screen.line("project-b: network other with the same prefixes as red, a router of its own")
    _let_in(ours)
    screen.line("project-a: its default security group also lets in ping, and TCP to the port of the demo's stream")
    networks = {"red": red, "blue": blue}
    ports = {
        name: ours.network.create_port(network_id=networks[name.split("-")[0]], name=name)
        for name in _PLACES
        if name != _STRANGER
    }
    same = [{"ip_address": ip["ip_address"]} for ip in ports["red-1"].fixed_ips]
    ports[_STRANGER] = theirs.network.create_port(network_id=other, name=_STRANGER, fixed_ips=same)

    def boot(name: str) -> str:
        instance.boot(directory, name, ports[name].id, _PLACES[name])
        return f"{name} is up on {_PLACES[name]}: {', '.join(ip['ip_address'] for ip in ports[name].fixed_ips)}"

    with ThreadPoolExecutor(max_workers=3) as pool:
        for line in pool.map(boot, ports):
            screen.line(line)
    return ports


def _network(cloud: Any, name: str, v4: str, v6: str) -> str:
    network: str = cloud.network.create_network(name=name).id
    cloud.network.create_subnet(network_id=network, name=f"{name}-v4", ip_version=4, cidr=v4)
    cloud.network.create_subnet(network_id=network, name=f"{name}-v6", ip_version=6, cidr=v6)
    return network


def _let_in(cloud: Any) -> None:
    """What comes from elsewhere than the project's own instances, which its default security group lets in already."""
    group = next(iter(cloud.network.security_groups(name="default"))).id
    for ethertype, protocol in (("IPv4", "icmp"), ("IPv6", "ipv6-icmp")):
        cloud.network.create_security_group_rule(
            security_group_id=group, direction="ingress", ethertype=ethertype, protocol=protocol
        )
    cloud.network.create_security_group_rule(
        security_group_id=group,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=streaming.PORT,
        port_range_max=streaming.PORT,
    )


def _router(cloud: Any, name: str, networks: tuple[str, ...]) -> None:
    router = cloud.network.create_router(name=name)
    for network in networks:
        for subnet in cloud.network.subnets(network_id=network):
            cloud.network.add_interface_to_router(router, subnet_id=subnet.id)


def _tour(directory: Directory, screen: Screen, ports: dict[str, Any], begin: float) -> Demo:
    addresses = {name: tuple(ip["ip_address"] for ip in port.fixed_ips) for name, port in ports.items()}
    paths = [path(directory, title, a, b, address) for title, a, b in _PATHS for address in addresses[b]]
    screen.paths("project-a: every path between instances (-1 is on host-1, and so on), round trip", paths)
    apart = [
        path(directory, "to project-a", _STRANGER, name, address, wanted=False)
        for name in ("red-2", "blue-1")
        for address in addresses[name]
    ]
    screen.paths("project-b: the same addresses, another world; nothing may answer", apart)
    shown = run(directory, "red-1", "traceroute", "-n", "-q", "1", "-w", "2", addresses["blue-3"][0])
    screen.text("traceroute from red-1 on host-1 to blue-3 on host-3: one hop, on the source host", shown)
    admin, project = _cloud(directory, directory.cloud), _cloud(directory, next(iter(PROJECTS)))
    ids = {name: port.id for name, port in ports.items()}
    outward = demo_north.populate(directory, screen, admin, project, ids)
    north = demo_north.tour(directory, screen, outward, addresses)
    with probing(directory, "blue-3", "red-2", addresses["red-2"][0]) as probes:
        move.move(directory, "red-2", "host-1")
    moved = Move("red-2", "host-2", "host-1", probes.result.sent, probes.result.lost)
    screen.move(moved.instance, moved.target, moved.sent, moved.lost)
    lost = demo_north.failover(directory, screen, outward, admin)
    return Demo(
        seconds=time.monotonic() - begin,
        paths=(*paths, *apart),
        route=tuple(shown.splitlines()[1:]),
        move=moved,
        north=tuple(north),
        failover=lost,
    )
