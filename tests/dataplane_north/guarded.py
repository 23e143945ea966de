"""A site with instances of every kind of security group.

| host | network 1 | network 2 |
|---|---|---|
| A | web-a, mates-a, open-a, shut-a | mates2-a, open2-a |
| B | web-b, mates-b, open-b | web2-b |

web: TCP 7007 from anywhere. mates: everything from each other. shut: no group. open: everything. All may send but shut.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from onehop.compiler import Local, compile_host
from onehop.model.port import Port
from onehop.model.security_group import SecurityRule
from onehop.net import naming
from onehop.net.identifier import SecurityGroupId
from tests.dataplane_north.echo import PORT, Echo, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import BRIDGE, Site
from tests.northern import PHYSICAL, Northern
from tests.worlds import OPEN

A, B = 1, 2
WEB, MATES, SHUT = "web", "mates", "shut"
WHERE = {
    "web-a": (1, A),
    "mates-a": (1, A),
    "open-a": (1, A),
    "shut-a": (1, A),
    "mates2-a": (2, A),
    "open2-a": (2, A),
    "web-b": (1, B),
    "mates-b": (1, B),
    "open-b": (1, B),
    "web2-b": (2, B),
}
OTHER = PORT + 1
"""Served by everybody, and open nowhere but where everything is."""
ALL = {"tcp": True, "other": True, "udp": True, "ping": True}
NONE = dict.fromkeys(ALL, False)
"""What is answered between two instances."""
FLOATING = "203.0.113.120"
OUT = [SecurityRule(direction="egress", version=version) for version in (4, 6)]


def inwards(protocol: int = -1, first: int = -1, last: int = -1, group: str = "") -> list[SecurityRule]:
    """A rule towards ports, for both versions of IP."""
    return [
        SecurityRule(direction="ingress", version=v, protocol=protocol, first=first, last=last, group=group)
        for v in (4, 6)
    ]


class Guarded(Site):
    """A site with instances of every kind of group."""

    def __init__(self) -> None:
        world = Northern(hosts=2)
        world.network(1)
        world.network(2)
        world.router(1, [1, 2])
        world.gateway(1, A)
        self.groups: dict[str, SecurityGroupId] = {}
        self.group_world = world
        self.rules(WEB, [*OUT, *inwards(protocol=6, first=PORT, last=PORT)])
        self.groups[MATES] = world.group(2)
        self.rules(MATES, [*OUT, *inwards(group=self.groups[MATES])])
        self.ports: dict[str, Port] = {}
        for name, (network, host) in WHERE.items():
            kind = name.partition("-")[0].removesuffix("2")
            groups = {SHUT: [], "open": [OPEN.id]}[kind] if kind in (SHUT, "open") else [self.groups[kind]]
            self.ports[name] = world.port(network, host, groups=groups)
        world.floating_ip(120, self.ports["web-b"])
        super().__init__(world)
        echo = Echo()
        self._stack.callback(echo.close)
        for port in self.ports.values():
            self.plug(port)
        self.apply()
        for name, port in self.ports.items():
            self.boot(port)
            for ip in port.fixed_ips:
                echo.serve(self.at(name), PORT, OTHER, address=ip.ip_address)
        echo.serve(self.outside, PORT)

    def rules(self, kind: str, rules: list[SecurityRule]) -> None:
        """Give a group other rules."""
        number = {WEB: 1, MATES: 2}[kind]
        self.groups[kind] = self.group_world.group(number, *rules)

    def at(self, name: str) -> Place:
        """The namespace of an instance."""
        return self.instances[self.ports[name].id]

    def address(self, name: str, version: int = 4) -> str:
        """An instance's address."""
        return self.ports[name].fixed_ips[0 if version == 4 else 1].ip_address

    def enforce(self) -> None:
        """Apply, and cut what is not allowed any more, as the agent does."""
        self.apply()
        for name, machine in self.machines.items():
            local = Local(plugs=machine.plugs, physical_networks={PHYSICAL: BRIDGE})
            partition = compile_host(self.world.topology(), name, local)[naming.SECURITY_PARTITION]
            assert partition.admissions is not None
            machine.kernel.bar(partition.admissions)

    def dumped(self) -> str:
        """What the hosts hold, for a test that failed."""
        return "\n".join(m.place.run("nft list ruleset", "conntrack -L 2>&1") for m in self.machines.values())


def answers(site: Guarded, caller: str, called: str, version: int) -> dict[str, bool]:
    """What is answered between two instances."""
    return all_answers(site, version, (caller, called))[0]


def all_answers(site: Guarded, version: int, *pairs: tuple[str, str]) -> list[dict[str, bool]]:
    """What is answered between pairs of instances, who ask at the same time: all wait together for what never comes."""
    asks = {"tcp": tcp, "other": partial(tcp, port=OTHER), "udp": udp, "ping": ping}
    with ThreadPoolExecutor(len(asks) * len(pairs)) as pool:
        asked = [
            {what: pool.submit(ask, site.at(caller), site.address(called, version)) for what, ask in asks.items()}
            for caller, called in pairs
        ]
        return [{what: answer.result() is not None for what, answer in each.items()} for each in asked]
