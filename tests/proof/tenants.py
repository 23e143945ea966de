"""Random tenants: projects with networks, routers, pairs, floating IPs, forwardings; and what is compiled of them."""

import random

import msgspec

from onehop.compiler import Local, Plug, compile_host
from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net.identifier import HostName, ProjectId
from onehop.objects import KernelObject
from onehop.verify.world import World
from tests.northern import PHYSICAL, Northern, forward

BRIDGE = "br-ex"
States = dict[HostName, list[KernelObject]]


def project(number: int) -> ProjectId:
    return ProjectId(f"{number:032x}")


class Tenants(Northern):
    """Three projects: two with a network and a router each, one whose port is on the second's network."""

    def __init__(self, seed: int, *, ports: int = 4, six: bool = True) -> None:
        pick = random.Random(seed)
        super().__init__(2, reaching=pick.choice(((1,), (1, 2))), six=six)
        for n in (1, 2):
            self.network(n, six=six and pick.random() < 0.6, project=project(n))
        meet = pick.random() < 0.3
        routes = {1: [("10.0.2.0/24", "10.0.3.2")], 2: [("10.0.1.0/24", "10.0.3.1")]} if meet else {}
        if meet:
            self.network(3, six=False, project=project(1))
        for r in (1, 2):
            self.router(r, [r, 3] if meet and r == 1 else [r], routes=routes.get(r, ()))
        if meet:
            self.leg(2, 3, suffix=2)
        gated = [r for r in (1, 2) if pick.random() < 0.8]
        for r in gated:
            self.gateway(r, 1, six=six, enable_snat=pick.random() < 0.7, distributed=pick.random() < 0.7)
        for number in range(ports):
            n = 1 + number % 2
            pairs = [("00:00:5e:00:01:07", f"10.0.{n}.200")] if number == 0 and pick.random() < 0.5 else []
            made = self.port(n, pick.choice((1, 2)), pairs=pairs)
            shares = n == 2 and number > 2 and pick.random() < 0.5
            self._own(made, project(3 if shares else n))
        for last, port in enumerate([v for v in self.values if isinstance(v, Port) and v.router_id is None], 101):
            r = int(port.network_id[:8], 16)
            draw = pick.random()
            if r in gated and draw < 0.4:
                self.floating_ip(last, port, r=r)
            elif r in gated and draw < 0.7:
                self.floating_ip(last, None, r=r, forwards=[forward("tcp", 8000, port, 80)])

    def _own(self, port: Port, owner: ProjectId) -> None:
        at = self.values.index(port)
        self.values[at] = msgspec.structs.replace(port, project_id=owner)


def states_of(view: Topology) -> States:
    """What every host holds."""
    found: States = {}
    for host in view.hosts.values():
        plugs = {p.id: Plug(p.id) for p in view.bound_on(host.name)}
        state = compile_host(view, host.name, Local(plugs=plugs, physical_networks=_physical(view, host.name)))
        found[host.name] = [claim.object for part in state.values() for claim in part.claims.values()]
    return found


def world_of(view: Topology, states: States) -> World:
    return World(view, states, {host: _physical(view, host) for host in view.hosts})


def _physical(view: Topology, host: HostName) -> dict[str, str]:
    return {PHYSICAL: BRIDGE} if PHYSICAL in view.hosts[host].physical_networks else {}
