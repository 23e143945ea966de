"""The demo's second half: the way outside and back, and the owner of the way that loses its power."""

from typing import Any

import msgspec

from onehop.errors import StateError
from onehop.lab import plan, power, streaming, wait
from onehop.lab.demo_show import Screen
from onehop.lab.measure import Path, path, run
from onehop.lab.prober import probing
from onehop.lab.state import OUTSIDE, UPSTREAM, Directory

MOST_SECONDS = 4.0
"""How long packets may be lost when an owner dies: 3.3 s, and what a busy machine adds."""

_FLOATING = ("red-1", "blue-3")
"""Instances with a floating IP of their own."""
_PLAIN = {"red-1b": "host-1", "red-2": "host-2", "red-3": "host-3"}
"""Instances without one, and their hosts."""
_OUT = "SNAT (IPv6: routed), out of "
_FORWARDED = "red-2"
_FORWARDED_PORT = 8080
_TAKEN_OVER_SECONDS = 15


class Failover(msgspec.Struct, frozen=True):
    """What the loss of an owner cost.

    Attributes:
        owner, heir: hosts: whose power was taken, and who owns the gateway address since.
        instance: whose connections were watched; it is on neither of the two.
        sent, back: records of its TCP stream, which went on.
        stream_seconds: for how long nothing of the stream came back.
        packet_seconds: for how long probes of a millisecond were lost.
        error: why the stream broke, or empty.
    """

    owner: str
    heir: str
    instance: str
    sent: int
    back: int
    stream_seconds: float
    packet_seconds: float
    error: str

    @property
    def good(self) -> bool:
        """Whether the stream went on in time."""
        return not self.error and self.owner != self.heir and self.packet_seconds <= MOST_SECONDS


class North(msgspec.Struct, frozen=True):
    """What leads outside.

    Attributes:
        router: id of the router with the gateway.
        gateway: its external addresses, IPv4 and IPv6.
        floating: instance → its floating IP.
        forwarded: the floating IP of which one port is forwarded.
    """

    router: str
    gateway: dict[int, str]
    floating: dict[str, str]
    forwarded: str


def populate(directory: Directory, screen: Screen, admin: Any, project: Any, ports: dict[str, str]) -> North:
    """Make the external network, a gateway for the project's router, floating IPs and a port forwarding.

    Args:
        directory: the lab.
        screen: where it is said.
        admin, project: connections of openstacksdk.
        ports: instance → id of its port.
    """
    external = admin.network.create_network(
        name="external",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=plan.PHYSICAL_NETWORK,
    ).id
    for name, cidr in (("external-v4", plan.EXTERNAL), ("external-v6", plan.EXTERNAL_V6)):
        admin.network.create_subnet(network_id=external, name=name, ip_version=cidr.version, cidr=str(cidr))
    router = next(iter(project.network.routers(name="colours"))).id
    project.network.update_router(router, external_gateway_info={"network_id": external})
    info = admin.network.get_router(router).external_gateway_info
    gateway = {6 if ":" in ip["ip_address"] else 4: ip["ip_address"] for ip in info["external_fixed_ips"]}
    floating = {
        name: project.network.create_ip(floating_network_id=external, port_id=ports[name]).floating_ip_address
        for name in _FLOATING
    }
    forwarded = project.network.create_ip(floating_network_id=external)
    internal = project.network.get_port(ports[_FORWARDED]).fixed_ips
    project.network.create_port_forwarding(
        floatingip_id=forwarded.id,
        internal_port_id=ports[_FORWARDED],
        internal_ip_address=next(ip["ip_address"] for ip in internal if "." in ip["ip_address"]),
        internal_port=streaming.PORT,
        external_port=_FORWARDED_PORT,
        protocol="tcp",
    )
    # Upstream's part, as it would be in any network: the project's IPv6 prefixes are routed to its router.
    for prefix in ("fd00:1::/64", "fd00:2::/64"):
        run(directory, UPSTREAM, "ip", "-6", "route", "add", prefix, "via", gateway[6])
    screen.line(f"project-a: gateway {gateway[4]}, {gateway[6]}; upstream routes its IPv6 prefixes there")
    for name, address in floating.items():
        screen.line(f"project-a: floating IP {address} for {name}")
    named = f"{forwarded.floating_ip_address}:{_FORWARDED_PORT}"
    screen.line(f"project-a: {named} is forwarded to port {streaming.PORT} of {_FORWARDED}")
    wait.wait(directory, _TAKEN_OVER_SECONDS)
    return North(router, gateway, floating, forwarded.floating_ip_address)


def tour(directory: Directory, screen: Screen, north: North, addresses: dict[str, tuple[str, ...]]) -> list[Path]:
    """Go every way outside and back."""
    far, far6 = plan.OUTSIDE, plan.OUTSIDE_V6
    paths = [
        *(path(directory, f"floating IP of {n}, in", OUTSIDE, n, a) for n, a in north.floating.items()),
        *(path(directory, "floating IP, out", n, OUTSIDE, far) for n in north.floating),
        *(path(directory, _OUT + host, n, OUTSIDE, a) for n, host in _PLAIN.items() for a in (far, far6)),
        *(
            path(directory, f"inside to the floating IP of {n}", caller, n, north.floating[n])
            for caller, n in (("red-2", "red-1"), ("blue-3", "blue-3"), ("red-1", "blue-3"))
        ),
        _forwarded(directory, north),
    ]
    paths += [path(directory, f"IPv6, in to {host}", OUTSIDE, n, addresses[n][1]) for n, host in _PLAIN.items()]
    paths.append(path(directory, "no way in to a private address", OUTSIDE, "red-1", addresses["red-1"][0], False))
    screen.paths("project-a: outside and back (answers to the gateway address pass its owner, a hop)", paths)
    return paths


def _forwarded(directory: Directory, north: North) -> Path:
    """A connection to the forwarded port."""
    title = f"port forwarding, {_FORWARDED_PORT} to {streaming.PORT}"
    try:
        with (
            streaming.serving(directory, _FORWARDED),
            streaming.streaming(directory, OUTSIDE, north.forwarded, _FORWARDED_PORT) as stream,
        ):
            result = stream.end()
        arrived = not result.error
    except StateError:
        arrived = False
    return Path(title=title, source=OUTSIDE, sink=_FORWARDED, version=4, wanted=True, arrived=arrived)


def failover(directory: Directory, screen: Screen, north: North, admin: Any) -> Failover:
    """Take the power of the gateway's owner away under a TCP stream of an instance elsewhere."""

    def owner() -> str:
        hosts = admin.network.get(f"/routers/{north.router}").json()["router"]["gateway_hosts"]
        return next((str(host["host"]) for host in hosts if host["owner"]), "")

    before, caller = owner(), "red-3"
    screen.line(f"{before} owns {north.gateway[4]}; a TCP stream of {caller} on host-3 runs; {before} loses its power")
    with (
        streaming.serving(directory, OUTSIDE),
        streaming.streaming(directory, caller, plan.OUTSIDE) as stream,
        probing(directory, caller, OUTSIDE, plan.OUTSIDE) as probes,
    ):
        power.stop_host(directory, before)
        probes.settle()
        result = stream.end()
    seen = Failover(
        owner=before,
        heir=owner(),
        instance=caller,
        sent=result.sent,
        back=result.back,
        stream_seconds=round(result.gap, 2),
        packet_seconds=round(probes.result.gap / 1000, 2),
        error=result.error,
    )
    screen.failover(seen.heir, seen.packet_seconds, seen.stream_seconds, seen.error)
    return seen
