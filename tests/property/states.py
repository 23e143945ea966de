"""Strategies for what a host's kernel may hold: some of it as onehop compiles it, some of it nasty.

Names, MACs, VNIs and addresses come from small pools, so that two states clash: one name with two kinds of link, one
address on two links, one VNI in two devices, a port on another bridge, a MAC, an MTU or a link's state that changed.
Every state can exist: what Linux would refuse in itself is not drawn.
"""

from hypothesis import strategies as st

from onehop.net.naming import MARK
from onehop.objects import (
    ALL_ZERO,
    MAIN,
    Address,
    Bridge,
    BridgeFdb,
    BridgePort,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    NextHop,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Veth,
    Vxlan,
    VxlanFdb,
    born_rules,
)

INSTANCES = "instances"
"""A namespace of somebody else, in which instances have their ends."""

State = dict[Key, KernelObject]

_TAPE = 340
"""Choices a state is made from, one octet each; further ones are 0. One draw is an order of magnitude faster than one
for each choice, and hypothesis still shrinks it towards the empty state."""


class _Build:
    """A state in the making."""

    def __init__(self, tape: bytes) -> None:
        self.tape = iter(tape)
        self.state: State = {}

    def put(self, wanted: KernelObject) -> None:
        self.state.setdefault(wanted.key, wanted)

    def chance(self, of: int = 2) -> bool:
        return self.number(of) != 0

    def number(self, below: int) -> int:
        return next(self.tape, 0) % below

    def some(self, pool: list) -> list:
        mask = self.number(2 ** len(pool))
        return [item for at, item in enumerate(pool) if mask >> at & 1]

    def pick(self, pool: list):
        return pool[self.number(len(pool))]

    def link(self, namespace: str, name: str, spec, **fields) -> Link:
        if (found := self.state.get(("link", namespace, name))) is not None:
            return found
        wanted = Link(
            namespace=namespace,
            name=name,
            spec=spec,
            alias=f"{MARK}net/{self.pick(['a', 'b'])} port/1",
            mac=self.pick([f"02:00:00:00:{len(name):02x}:{ord(name[-1]):02x}", "02:00:00:00:ff:01"]),
            mtu=self.pick([1450, 1500, 8950]),
            up=self.chance(4),
            **fields,
        )
        self.put(wanted)
        return wanted

    def master(self, bridge: str | None) -> dict:
        return {} if bridge is None else {"master": bridge, "port": BridgePort(*(self.chance() for _ in range(3)))}

    def tunnels(self) -> set[tuple[int, int]]:
        links = [o for o in self.state.values() if isinstance(o, Link)]
        return {(link.spec.vni, link.spec.port) for link in links if isinstance(link.spec, Vxlan)}

    # ---- the host's own namespace

    def network(self, number: int) -> str:
        bridge = f"brq{number}"
        self.link("", bridge, Bridge())
        vni = self.pick([100, 101, 100 + number])
        vxlan = f"vxlan-{number}"
        guarded = []
        if (vni, 4789) not in self.tunnels():
            local = self.pick(["192.0.2.1", "192.0.2.2"])
            self.link("", vxlan, Vxlan(vni, local, 4789), **self.master(bridge if self.chance(4) else None))
            guarded.append(vxlan)
            for end in self.some([1, 2, 3]):
                self.put(VxlanFdb(namespace="", link=vxlan, mac=ALL_ZERO, vtep=f"192.0.2.{10 + end}"))
                vtep = self.pick(["192.0.2.11", "192.0.2.12"])
                self.put(VxlanFdb(namespace="", link=vxlan, mac=f"02:00:00:00:02:{end:02x}", vtep=vtep))
        for tap in self.some(["tap1", "tap2", "tap3"]):
            if ("link", "", tap) in self.state:
                continue
            peer_mac = self.pick([None, "02:00:00:00:03:01"])
            spec = Veth(INSTANCES, "e" + self.pick([tap, tap + "b"]), peer_mac)
            self.link("", tap, spec, **self.master(bridge))
            guarded.append(tap)
        ports = [o.name for o in self.state.values() if isinstance(o, Link) and o.master == bridge]
        for end in self.some([1, 2, 3, 4]) if ports else []:
            mac = f"02:00:00:00:04:{end:02x}"
            self.put(BridgeFdb(namespace="", bridge=bridge, mac=mac, port=self.pick(ports)))
            self.put(Neighbour(namespace="", link=bridge, address=f"10.0.{number}.{end}", mac=mac))
            self.put(Neighbour(namespace="", link=bridge, address=f"fd00:0:0:{number}::{end}", mac=mac))
        devices = tuple(self.some(guarded))
        if devices:
            self.put(self.netdev(f"onehop-net-{number}", devices))
        return bridge

    def netdev(self, table: str, devices: tuple[str, ...]) -> Ruleset:
        policy = self.pick(["accept", "drop"])
        chains = [
            f"\tchain in-{name} {{\n"
            f'\t\ttype filter hook ingress device "{name}" priority filter; policy {policy};\n'
            "\t}\n"
            for name in devices
        ]
        return Ruleset(namespace="", family="netdev", table=table, body="\n".join(chains), devices=devices)

    # ---- a router

    def router(self, number: int, bridges: list[str]) -> None:
        namespace = f"qrouter-{number}"
        for rule in born_rules(namespace):
            # Routes of other tables need one that finds the main table.
            if rule.table == MAIN or self.chance(4):
                self.put(rule)
        if self.chance():
            self.put(Rule(namespace=namespace, family=4, priority=100, table=255))
        self.put(Sysctl(namespace=namespace, path="net/ipv4/ip_forward", value=self.pick(["0", "1"])))
        keep = "net/ipv6/conf/all/keep_addr_on_down"
        promote = "net/ipv4/conf/all/promote_secondaries"
        for path in self.some([keep, promote]):
            self.put(Sysctl(namespace=namespace, path=path, value=self.pick(["0", "1"])))
        for leg in self.some([1, 2, 3]):
            near, far = f"qr-{leg}", f"hr-{leg}"
            if ("link", "", far) in self.state:
                continue
            self.link(namespace, near, Veth("", far))
            self.link("", far, Veth(namespace, near), **self.master(self.pick([None, *bridges])))
            self.leg(namespace, near)
        self.routing(namespace)
        if self.chance():
            body = f"\tchain a {{\n\t\ttype filter hook forward priority {self.pick([10, 20])}; policy accept;\n\t}}\n"
            self.put(Ruleset(namespace=namespace, family="ip", table="onehop", body=body))

    def leg(self, namespace: str, link: str) -> None:
        pool = [
            "10.0.1.1/24",
            "10.0.1.2/24",
            "10.0.2.1/24",
            "10.0.2.1/32",
            "fd00:1::1/64",
            "fd00:2::1/64",
            "fe80::1/64",
        ]
        for address in self.some(pool):
            scope = "link" if address.startswith("fe80") else "global"
            if address == "10.0.2.1/32":
                scope = self.pick(["link", "global"])
            self.put(Address(namespace=namespace, link=link, address=address, scope=scope))
        if self.chance(3):
            path = f"net/ipv4/conf/{link}/rp_filter"
            self.put(Sysctl(namespace=namespace, path=path, value=self.pick(["0", "1"]), link=link))
        for end in self.some([1, 2, 3]):
            mac = self.pick(["02:00:00:00:05:01", "02:00:00:00:05:02"])
            self.put(Neighbour(namespace=namespace, link=link, address=f"10.0.1.{10 + end}", mac=mac))
            self.put(Neighbour(namespace=namespace, link=link, address=f"fd00:1::{10 + end}", mac=mac))

    def routing(self, namespace: str) -> None:
        up = [o.name for o in self.state.values() if isinstance(o, Link) and o.namespace == namespace and o.up]
        ways: dict[int, list[NextHop]] = {4: [], 6: []}
        sources: dict[int, list[str | None]] = {4: [None], 6: [None]}
        for found in list(self.state.values()):
            if not isinstance(found, Address) or found.namespace != namespace:
                continue
            ip, _, length = found.address.partition("/")
            family = 6 if ":" in ip else 4
            if ip != "fe80::1":
                sources[family].append(ip)
            if found.link in up and length in ("24", "64") and ip != "fe80::1":
                gateway = ip.rpartition(".")[0] + ".254" if family == 4 else ip[:-1] + "fe"
                ways[family].append(NextHop(gateway=gateway, link=found.link))
        for name in up:
            ways[4].append(NextHop(link=name))
            ways[6].append(NextHop(link=name))
            ways[4].append(NextHop(gateway="198.51.100.1", link=name, onlink=True))
        pools = {4: ["0.0.0.0/0", "10.8.0.0/16", "10.9.0.0/16"], 6: ["::/0", "fd08::/64", "fd09::/64"]}
        for family in (4, 6):
            for destination in self.some(pools[family]):
                table = self.pick([254, 7])
                blackhole = Route(namespace=namespace, destination=destination, table=table, type="blackhole")
                if not ways[family] or not self.chance(4):
                    self.put(blackhole)
                    continue
                first, second = self.pick(ways[family]), self.pick(ways[family])
                hops = (first,)
                if first.gateway and second.gateway and first.gateway < second.gateway and first.link != second.link:
                    hops = (first, second)
                source = self.pick(sources[family])
                self.put(Route(namespace=namespace, destination=destination, table=table, hops=hops, source=source))
        for priority in self.some([1000, 1001, 1002]):
            mark = self.pick([0, 1])
            incoming = self.pick([None, "qr-1"])
            self.put(
                Rule(
                    namespace=namespace,
                    family=self.pick([4, 6]),
                    priority=priority,
                    table=self.pick([7, 8]),
                    mark=mark,
                    mask=0xFF if mark else 0,
                    incoming=incoming,
                )
            )

    # ---- anything

    def soup(self) -> None:
        """Links of any kind under a few names."""
        places = [("", "x1"), ("", "x2"), ("qrouter-1", "x1"), ("qrouter-1", "x2"), ("qrouter-2", "x1")]
        places = [place for place in places if not place[0] or ("namespace", place[0]) in self.state]
        free = self.some(places)
        while free:
            namespace, name = free.pop(0)
            kind = self.pick(["bridge", "vxlan", "veth"])
            if kind == "veth" and free:
                peer = free.pop(self.number(len(free)))
                self.link(namespace, name, Veth(*peer))
                self.link(*peer, Veth(namespace, name))
            elif kind == "vxlan":
                spec = Vxlan(200, self.pick(["192.0.2.1", "2001:db8::1"]), self.pick([4789, 8472]))
                if (200, spec.port) not in self.tunnels():
                    self.link(namespace, name, spec)
            else:
                self.link(namespace, name, Bridge())


def build_state(tape: bytes) -> State:
    """The state that some choices make; one that a host's kernel can hold."""
    build = _Build(tape)
    routers = build.some([1, 2])
    bridges = [build.network(number) for number in build.some([1, 2])]
    for number in routers:
        mark = f"{MARK}router/{build.pick([1, 2])} router/{number}"
        build.put(Namespace(namespace=f"qrouter-{number}", mark=mark))
    for number in routers:
        build.router(number, bridges)
    build.soup()
    return build.state


def states() -> st.SearchStrategy[State]:
    """States of a host."""
    return st.binary(min_size=_TAPE, max_size=_TAPE).map(build_state)


def pairs() -> st.SearchStrategy[tuple[State, State]]:
    """Two states: any two, or one and what a few other choices make of it."""
    tapes = st.binary(min_size=_TAPE, max_size=_TAPE)
    edits = st.lists(st.tuples(st.integers(0, _TAPE - 1), st.integers(0, 255)), max_size=4)
    near = st.tuples(tapes, edits).map(lambda drawn: (drawn[0], edited(*drawn)))
    return st.one_of(near, st.tuples(tapes, tapes)).map(lambda both: (build_state(both[0]), build_state(both[1])))


def edited(tape: bytes, edits: list[tuple[int, int]]) -> bytes:
    """A tape with some of its octets changed."""
    octets = bytearray(tape)
    for at, value in edits:
        octets[at] = value
    return bytes(octets)
