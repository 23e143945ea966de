"""Worlds that are proved and broken: small, and together with all that the API knows of."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from onehop.compiler import Local, compile_host
from onehop.model.gateway import PortBlock
from onehop.model.port import Port
from onehop.model.security_group import SecurityRule
from onehop.model.topology import Topology
from onehop.net.identifier import HostName, ProjectId
from onehop.objects import KernelObject
from onehop.verify.mutation.judge import Judge
from onehop.verify.mutation.mutant import States
from onehop.verify.proof.external import virtual
from onehop.verify.world import World
from tests.golden.scenarios import Scenario, flat_network, reaching
from tests.northern import Northern, forward, gateway_ip
from tests.worlds import World as Values


class Made(NamedTuple):
    """A world, compiled.

    Attributes:
        view: what was compiled.
        states: what every host holds.
        physical: by host: physical network → bridge.
    """

    view: Topology
    states: dict[HostName, list[KernelObject]]
    physical: dict[HostName, dict[str, str]]


def made(scenario: Scenario) -> Made:
    """Compile a scenario for every host."""
    view, locals_ = scenario
    return Made(
        view,
        {host: _state(view, host, locals_[host]) for host in view.hosts},
        {host: dict(locals_[host].physical_networks) for host in view.hosts},
    )


def _state(view: Topology, host: HostName, local: Local) -> list[KernelObject]:
    return [claim.object for part in compile_host(view, host, local).values() for claim in part.claims.values()]


def world_of(one: Made, states: States) -> World:
    """The world of some states, in which virtual addresses have a holder."""
    return World(one.view, states, one.physical, virtual(one.view))


def judge_of(scenario: Callable[[], Scenario]) -> Judge:
    """Who judges mutants of a scenario."""
    one = made(scenario())
    return Judge(one.view, one.states, lambda states: world_of(one, states))


def project(number: int) -> ProjectId:
    """A project's id."""
    return ProjectId(f"{number:032x}")


def own(world: Values, port: Port, **changes: object) -> None:
    """Change a port that was made."""
    at = next(n for n, value in enumerate(world.values) if isinstance(value, Port) and value.id == port.id)
    world.values[at] = msgspec.structs.replace(world.values[at], **changes)


def groups() -> Scenario:
    """Security groups on a network that two projects share, with who serves it, and on one behind its router."""
    world = Northern(2, six=True)
    world.network(1)
    world.network(2, project=project(2))
    world.router(1, [1, 2])
    everything = [SecurityRule(direction="egress", version=version) for version in (4, 6)]
    http = SecurityRule(direction="ingress", version=4, protocol=6, first=80, last=89, prefix="10.0.2.0/24")
    ping = SecurityRule(direction="ingress", version=4, protocol=1, first=8, last=0)
    mates = world.group(2)
    world.group(2, *everything, *(SecurityRule(direction="ingress", version=v, group=mates) for v in (4, 6)))
    names = [SecurityRule(direction="ingress", version=v, protocol=17, first=53, last=53) for v in (4, 6)]
    web = world.group(1, http, ping, *names)
    narrow = world.group(
        3,
        SecurityRule(direction="egress", version=4, protocol=17, prefix="10.0.1.0/24"),
        SecurityRule(direction="ingress", version=4, group=mates),
        stateful=False,
    )
    own(world, world.port(1, 1, groups=[mates]), project_id=project(2))
    world.port(1, 2, groups=[mates, web])
    world.port(1, 2, groups=[])
    world.port(1, 1, groups=[web])
    world.port(1, 1, groups=[narrow])
    world.port(2, 2)
    own(world, world.port(1, 1), port_security_enabled=False)
    return reaching(world)


_WIDE = ("fa:16:3e:01:00:02", "fd00:1::/120")


def pairs() -> Scenario:
    """Virtual addresses, wide pairs, and a port without protection, on a network that two projects share."""
    world = Northern(2, six=True)
    world.network(1)
    world.router(1, [1], routes=[("0.0.0.0/0", "10.0.1.12")])
    world.port(1, 1, pairs=[("00:00:5e:00:01:07", "10.0.1.200"), ("fa:16:3e:01:00:01", "fd00:1::200")])
    world.port(1, 2, pairs=[("00:00:5e:00:01:07", "10.0.1.200"), ("fa:16:3e:01:00:02", "10.0.1.0/28"), _WIDE])
    own(world, world.port(1, 2), project_id=project(2), port_security_enabled=False)
    return reaching(world)


def gateways() -> Scenario:
    """Two projects' routers: floating IPs and forwardings here and elsewhere, a virtual one, a host without a leg."""
    world = Northern(3, six=False)
    for n in (1, 2):
        world.network(n, six=False, project=project(n))
        world.router(n, [n])
    world.gateway(1, 1)
    world.gateway(2, 2, candidates=(2, 1))
    one, two, three = (world.port(1, host) for host in (1, 2, 3))
    other = world.port(2, 1)
    own(world, other, project_id=project(2))
    world.floating_ip(101, one)
    world.floating_ip(103, three)
    world.floating_ip(102, other, r=2)
    world.floating_ip(150, None, forwards=[forward("tcp", 8000, two, 80), forward("udp", 53, three, 53)])
    world.floating_ip(151, None, r=2, forwards=[forward("tcp", 8000, other, 8000, 4)])
    return reaching(world)


def roving() -> Scenario:
    """A floating IP for a virtual address, whose owner is elsewhere, and one for an instance's own."""
    world = Northern(2)
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 2)
    vip = world.port(1, None)
    address = vip.fixed_ips[0].ip_address
    for host in (1, 2):
        world.port(1, host, pairs=[(f"fa:16:3e:01:00:{host + 1:02x}", address)])
    world.floating_ip(110, vip)
    world.floating_ip(111, world.port(1, 1))
    return reaching(world)


def loose() -> Scenario:
    """An instance without protection behind a router with a gateway, whose owner is elsewhere."""
    world = Northern(2, six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, 2, six=True)
    own(world, world.port(1, 1), port_security_enabled=False)
    world.floating_ip(101, world.port(1, 1))
    return reaching(world)


def untranslated() -> Scenario:
    """IPv6 and prefixes without translation, through a host without a leg as well."""
    world = Northern(3, six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, 1, six=True, enable_snat=False)
    ports = [world.port(1, host) for host in (2, 3)]
    world.floating_ip(102, ports[0])
    return reaching(world)


def several_addresses() -> Scenario:
    """A gateway with two addresses, whose blocks hosts share; and what the owner translates alone."""
    world = Northern(3)
    world.network(1, six=False)
    world.router(1, [1])
    second = "203.0.113.20"
    blocks = {
        1: [PortBlock(1024, 1024, gateway_ip(1), 3), PortBlock(1024, 1024, second, 9)],
        2: [PortBlock(2048, 1024, second, 4)],
        3: [],
    }
    world.gateway(1, 2, further=[second], blocks=blocks)
    *_, third = [world.port(1, host) for host in (1, 2, 3)]
    world.floating_ip(150, None, forwards=[forward("udp", 53, third, 53)])
    return reaching(world)


def meeting() -> Scenario:
    """Two routers that meet on a network with instances, and lead to each other; one of them leads out."""
    world = Northern(2, reaching=(1,), six=True)
    for n in (1, 2, 3):
        world.network(n, project=project(n))
    one = [("10.0.2.0/24", "10.0.3.2"), ("fd00:2::/64", "fd00:3::2")]
    world.router(1, [1, 3], routes=one)
    world.router(2, [2], routes=[("10.0.1.0/24", "10.0.3.1"), ("fd00:1::/64", "fd00:3::1")])
    world.leg(2, 3, suffix=2)
    world.gateway(1, 1, candidates=(1,), six=True)
    for n, host in ((1, 1), (2, 2), (3, 1), (3, 2)):
        own(world, world.port(n, host), project_id=project(n))
    return reaching(world)


WORLDS: tuple[Callable[[], Scenario], ...] = (
    groups,
    pairs,
    meeting,
    gateways,
    roving,
    untranslated,
    loose,
    several_addresses,
    flat_network,
)
