"""Hosts, an underlay, an external network with an upstream router, and an outside: compiled, executed, announced.

Every host is a namespace with a LinuxKernel of its own. `Site.apply` makes all of them as a world says, by nothing but
``compile_host``, ``diff`` and ``execute``; then it announces what became published, as the agent does.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType

from onehop.agent.ways import ways
from onehop.compiler import Local, Plug, compile_host
from onehop.kernel.linux import LinuxKernel
from onehop.kernel.shortcut.cut import Shortcut
from onehop.model.port import Port
from onehop.net import naming
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from onehop.net.identifier import HostName
from onehop.objects import Address
from onehop.objects.conntrack import Translations
from tests.dataplane.site import until
from tests.dataplane_north.places import Place, Shelf
from tests.northern import PHYSICAL, UPSTREAM, UPSTREAM_V6, Northern, router_of
from tests.property.laws import assert_done, assert_holds, reconcile
from tests.property.states import State

OUTSIDE, FAR, FAR_NETWORK = "198.51.100.2", "198.51.100.1", "198.51.100.0/24"
OUTSIDE_V6, FAR_V6 = "2001:db8:51::2", "2001:db8:51::1"
BRIDGE = "br-ex"

_QUIET = (
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv4/icmp_ratelimit", "0"),
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
    ("netfilter/nf_conntrack_tcp_be_liberal", "1"),
)
_STRICT = (("ipv4/conf/all/rp_filter", "1"), ("ipv4/conf/default/rp_filter", "1"))
_ROUTES = (("ipv4/conf/all/forwarding", "1"), ("ipv6/conf/all/forwarding", "1"))


class Machine:
    """A host: its namespace, its named namespaces, its kernel."""

    def __init__(self, name: HostName, reaches: bool, short: bool) -> None:
        self.name = name
        self.reaches = reaches
        self.shelf = Shelf()
        self.place = Place.new()
        self.place.write((*_QUIET, *_STRICT))
        shortcut = Shortcut() if short else None
        self.kernel = LinuxKernel(self.place.path, str(self.shelf.path), shortcut=shortcut, quiet=0)
        if short:
            self.kernel.watch(lambda _namespace, _link: None)
        self.plugs: dict[str, Plug] = {}
        self.state: State = {}

    def close(self) -> None:
        """Leave nothing behind."""
        self.kernel.close()
        self.shelf.close()
        self.place.close()


class Site:
    """A world made real.

    Attributes:
        world: change it and `apply`.
        instances: namespaces of instances, by port id.

    Args:
        short: established flows take the short cut, as under an agent, and what anybody changes is heard of.
    """

    def __init__(self, world: Northern, short: bool = True) -> None:
        self.world = world
        self._short = short
        self.machines: dict[HostName, Machine] = {}
        self.instances: dict[str, Place] = {}
        self._stack = ExitStack()
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _place(self) -> Place:
        place = Place.new()
        self._stack.callback(place.close)
        place.write(_QUIET)
        return place

    def _build(self) -> None:
        self.fabric, self.upstream, self.outside = self._place(), self._place(), self._place()
        self.upstream.write(_ROUTES)
        bridge = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        self.fabric.run(
            f"ip link add underlay {bridge}",
            f"ip link add external {bridge}",
            "ip link set underlay up",
            "ip link set external up",
        )
        self._cable("upstream", "external", self.upstream, "ext0")
        self.upstream.run(
            f"ip link add out0 type veth peer name eth0 netns {self.outside.path}",
            f"ip addr add {UPSTREAM}/24 dev ext0",
            f"ip -6 addr add {UPSTREAM_V6}/64 dev ext0 nodad",
            f"ip addr add {FAR}/24 dev out0",
            f"ip -6 addr add {FAR_V6}/64 dev out0 nodad",
            "ip link set out0 up",
        )
        self.outside.run(
            f"ip addr add {OUTSIDE}/24 dev eth0",
            f"ip -6 addr add {OUTSIDE_V6}/64 dev eth0 nodad",
            "ip link set eth0 up",
            f"ip route add default via {FAR}",
            f"ip -6 route add default via {FAR_V6}",
        )
        for host in self.world.topology().hosts.values():
            self._machine(host.id, host.vtep, PHYSICAL in host.physical_networks)

    def _cable(self, near: str, switch: str, place: Place, far: str) -> None:
        self.fabric.run(
            f"ip link add {near} type veth peer name {far} netns {place.path}",
            f"ip link set {near} master {switch} up",
        )
        place.run(f"ip link set {far} up")

    def _machine(self, name: HostName, vtep: str, reaches: bool) -> None:
        machine = Machine(name, reaches, self._short)
        self._stack.callback(machine.close)
        self.machines[name] = machine
        self._cable(f"u-{name}", "underlay", machine.place, "eth0")
        machine.place.run(f"ip addr add {vtep}/24 dev eth0")
        if reaches:
            self._cable(f"e-{name}", "external", machine.place, "eth1")
            machine.place.run(
                f"ip link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"ip link set eth1 master {BRIDGE}",
                f"ip link set {BRIDGE} up",
            )

    @contextmanager
    def narrow(self, place: Place, mtu: int = 1300) -> Iterator[None]:
        """The way from upstream to the outside is narrow while the block runs; `place` forgets it before and after.

        Only in that direction, by the route: a veth with a smaller MTU drops what is larger coming in, without a word.
        """
        way = f"ip route replace {FAR_NETWORK} dev out0 proto kernel scope link src {FAR}"
        self.upstream.run(f"{way} mtu lock {mtu}")
        place.run("ip route flush cache")
        try:
            yield
        finally:
            self.upstream.run(way)
            place.run("ip route flush cache")

    # ---- instances

    def plug(self, port: Port) -> Place:
        """Attach an instance on the host of the port's binding; `apply` makes its link, `boot` its addresses."""
        machine = self.machines[HostName(str(port.host))]
        if port.id not in self.instances:
            place = machine.shelf.new(f"vm-{port.id}")
            self._stack.callback(place.close)
            place.write(_QUIET)
            self.instances[port.id] = place
        machine.plugs[port.id] = Plug(port.id, f"vm-{port.id}")
        return self.instances[port.id]

    def boot(self, port: Port, extra: Iterable[str] = ()) -> None:
        """Give an instance its addresses and its gateway, as its own configuration would."""
        view = self.world.topology()
        lines = ["ip link set eth0 up"]
        routes = []
        for ip in port.fixed_ips:
            subnet = view.subnets[ip.subnet_id]
            six = " nodad" if ":" in ip.ip_address else ""
            lines.append(f"ip addr add {ip.ip_address}/{subnet.cidr.partition('/')[2]} dev eth0{six}")
            routes.append(f"ip route add default via {subnet.gateway_ip}")
        lines += [f"ip addr add {address} dev eth0" for address in extra]
        self.instances[port.id].run(*lines, *routes)
        assert until(self._forwards, 10), "a bridge does not forward what comes by one of its ports"

    def start(self, ports: Iterable[Port]) -> None:
        """Plug instances, make every host as the world says, and boot them."""
        known = list(ports)
        for port in known:
            self.plug(port)
        self.apply()
        for port in known:
            self.boot(port)

    def _forwards(self) -> bool:
        """Whether every bridge passes on what comes by each of its ports that has a carrier.

        A bridge is told of a carrier by a queue that Linux may leave for a second (net/core/link_watch.c).
        """
        shown = "".join(machine.place.run("bridge link show") for machine in self.machines.values())
        return all(" state forwarding " in line for line in shown.splitlines() if "LOWER_UP" in line)

    # ---- the product's part

    def apply(self, *only: HostName) -> None:
        """Make every host (or some) as the world says, and announce what became published."""
        view = self.world.topology()
        for name in only or sorted(self.machines):
            machine = self.machines[name]
            local = Local(plugs=machine.plugs, physical_networks={PHYSICAL: BRIDGE} if machine.reaches else {})
            state: State = {}
            partitions = compile_host(view, name, local)
            for partition in partitions.values():
                assert not partition.refused, partition.refused
                state.update((key, claim.object) for key, claim in partition.claims.items())
            plan, report = reconcile(machine.kernel, state, machine.state)
            assert_done(plan, report)
            before, machine.state = machine.state, state
            machine.kernel.shorten({link: way for part in partitions for link, way in ways(part, partitions, view)})
            self._announce(machine, before)

    def settled(self) -> None:
        """Every host holds what was compiled for it, and nothing else."""
        for machine in self.machines.values():
            assert_holds(machine.kernel, machine.state)

    def _announce(self, machine: Machine, before: State) -> None:
        for key, found in machine.state.items():
            if not isinstance(found, Address) or not found.link.startswith("qg-") or key in before:
                continue
            if found.scope == "global":
                self.announce(machine.name, found.namespace, found.link, found.address.partition("/")[0])

    def announce(self, name: HostName, namespace: str, link: str, ip: str) -> None:
        """Send one announcement out of a router's external leg."""
        place = self.machines[name].shelf.open(namespace)

        def work() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind((link, 0))
                mac = sock.getsockname()[4].hex(":")
                sock.send((unsolicited_advertisement if ":" in ip else gratuitous_arp)(mac, ip))

        try:
            place.inside(work)
        finally:
            place.close()

    def router(self, name: HostName, r: int = 1) -> Place:
        """The namespace of a router on a host; closed with the site."""
        place = self.machines[name].shelf.open(naming.router_namespace(router_of(self.world, r).id))
        self._stack.callback(_closed, place)
        return place

    def lose(self, name: HostName, r: int = 1) -> None:
        """A router on a host loses its connections, and so does what remembers their way (else within a second)."""
        self.router(name, r).run("conntrack -F 2>/dev/null")
        self.machines[name].kernel.cut(naming.router_namespace(router_of(self.world, r).id), Translations())

    def dump(self, r: int = 1) -> str:
        """Counters and tables of every host's router, for a test that failed."""
        text = []
        for name in sorted(self.machines):
            with suppress(FileNotFoundError):
                place = self.router(name, r)
                text.append(
                    f"==== {name}\n{place.run('ip -s addr', 'ip rule', 'nft list ruleset', 'conntrack -L 2>&1')}"
                )
        return "\n".join(text)


def _closed(place: Place) -> None:
    place.close()
