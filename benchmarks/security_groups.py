"""Security groups: what they cost a packet, and what a host with a thousand ports in them pays for a change.

The way of a packet is measured between two instances of one network on one host, by turns without groups (everything
passes, nothing is tracked) and with the default group (which tracks). The host of the second part has 1,000 ports, each
in the same number of groups of 20 rules, one of which speaks of a group with 1,000 members.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path as File

from benchmarks import path as paths
from benchmarks import scenario
from benchmarks.host import Host
from benchmarks.path import Path
from benchmarks.report import Row, main, pairs, say
from onehop.compiler.security_groups import security
from onehop.compiler.state import Local, Plug
from onehop.kernel.linux import LinuxKernel
from onehop.model.network import Network
from onehop.model.port import Binding, FixedIp, Port
from onehop.model.security_group import Member, SecurityGroup, SecurityRule
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology, Value, ref
from onehop.net.identifier import NetworkId, PortId, ProjectId, SecurityGroupId, SubnetId
from onehop.reconciler.diff import diff

ROUNDS = 9
SECONDS = 2
PINGS = 2000
PORTS = 1000
NETWORKS = 10
GROUPS, RULES, EACH = 50, 20, 5
CHANGES = 11
LOAD_S, CHANGE_MS, OFFLOADED = 1.0, 20.0, 0.9
_PROJECT = ProjectId("9d2f0d5b0c9d4a0e8a0c4a4a7e5f1c22")
LEFT, RIGHT = "left", "right"


def group_id(number: int) -> SecurityGroupId:
    """Id of a group."""
    return SecurityGroupId(scenario.identifier("security group", number))


def outwards() -> list[SecurityRule]:
    """Everything out."""
    return [SecurityRule(direction="egress", version=version) for version in (4, 6)]


def group(number: int, *rules: SecurityRule) -> SecurityGroup:
    """A group."""
    return SecurityGroup(id=group_id(number), project_id=_PROJECT, rules=tuple(sorted(rules)))


def port(number: int, network: int, groups: tuple[SecurityGroupId, ...]) -> Port:
    """A port on this host."""
    return Port(
        id=PortId(scenario.identifier("port", number)),
        network_id=NetworkId(scenario.identifier("network", network)),
        project_id=_PROJECT,
        mac_address=scenario.mac(number, 0, 1),
        fixed_ips=(FixedIp(SubnetId(scenario.identifier("subnet", network)), _address(number)),),
        device_owner="compute:nova",
        bindings=(Binding(scenario.HERE),),
        security_groups=tuple(sorted(groups)),
    )


def _address(number: int) -> str:
    return f"10.0.{number >> 8}.{number & 255}"


def network(number: int) -> Iterator[Value]:
    """A network with one subnet."""
    id = NetworkId(scenario.identifier("network", number))
    yield Network(id=id, project_id=_PROJECT, vni=1000 + number)
    yield Subnet(id=SubnetId(scenario.identifier("subnet", number)), network_id=id, cidr="10.0.0.0/16", gateway_ip=None)


# ---- the way of a packet


def ways() -> Iterator[Row]:
    """By turns with and without."""
    File("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")
    File("/proc/sys/net/bridge/bridge-nf-call-ip6tables").write_text("0")
    own = SecurityRule(direction="ingress", version=4, group=group_id(0))
    anything = [SecurityRule(direction="ingress", version=version) for version in (4, 6)]
    without = group(0, *outwards(), *anything)
    instances = [port(PORTS + number, NETWORKS, (group_id(0),)) for number in (1, 2)]
    members = [Member(group_id=group_id(0), port_id=p.id, addresses=p.addresses) for p in instances]
    tracked = group(0, *outwards(), own)
    plugs = {p.id: Plug(p.id, name) for p, name in zip(instances, (LEFT, RIGHT), strict=True)}
    for name in plugs.values():
        subprocess.run(["ip", "netns", "add", str(name.netns)], check=True)
    way = Path(LEFT, RIGHT, _address(PORTS + 2))
    with Host(Local(plugs=plugs)) as host:
        view = Topology(1, [*scenario.hosts(), *network(NETWORKS), *instances, *members, without])
        host.realise(view)
        for number, name in ((1, LEFT), (2, RIGHT)):
            paths.run("ip", "-n", name, "addr", "add", f"{_address(PORTS + number)}/16", "dev", "eth0")
            paths.run("ip", "-n", name, "link", "set", "eth0", "up")

        def use(value: SecurityGroup) -> None:
            nonlocal view
            view = view.apply(view.revision + 1, [value], [])
            host.realise(view, [ref(value)])

        with paths.server(way):
            for what, unit, bound, offload, measure in (
                ("throughput with segmentation offload", "Gbit/s", OFFLOADED, True, _throughput),
                ("throughput without", "Gbit/s", None, False, _throughput),
                ("small UDP datagrams", "kpps", None, False, lambda w: paths.packet_rate(w, SECONDS)),
                ("round trip", "µs", None, False, lambda w: paths.round_trip(w, PINGS)),
            ):
                say(f"security groups: {what}")
                paths.set_offload(way, offload)
                ours, base = _by_turns(lambda: use(tracked), lambda: use(without), way, measure)
                yield pairs(f"same host, with security groups: {what}", unit, ours, base, bound)


def _throughput(way: Path) -> float:
    return paths.throughput(way, SECONDS)


def _by_turns(
    on: Callable[[], None], off: Callable[[], None], way: Path, measure: Callable[[Path], float]
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    base: list[float] = []
    for turn in range(ROUNDS):
        order = ((on, ours), (off, base)) if turn % 2 else ((off, base), (on, ours))
        for switch, results in order:
            switch()
            results.append(measure(way))
    return ours, base


# ---- a host with many ports


def many() -> Iterator[Value]:
    """1,000 ports on ten networks, each in five of fifty groups; the first group has 1,000 members elsewhere."""
    yield from scenario.hosts()
    for number in range(NETWORKS):
        yield from network(number)
    for number in range(GROUPS):
        some = [
            SecurityRule(
                direction="ingress", version=4, protocol=6, first=1000 + n, last=1000 + n, prefix=f"10.{n}.0.0/16"
            )
            for n in range(RULES - 3)
        ]
        yield group(number, *outwards(), *some, SecurityRule(direction="ingress", version=4, group=group_id(0)))
    for number in range(PORTS):
        yield port(number, number % NETWORKS, tuple(group_id((number + n) % GROUPS) for n in range(EACH)))
        yield member(number)


def member(number: int) -> Member:
    """A member of the first group, on another host."""
    id = PortId(scenario.identifier("far port", number))
    return Member(group_id=group_id(0), port_id=id, addresses=(f"10.9.{number >> 8}.{number & 255}",))


def load() -> Iterator[Row]:
    """Everything at once, then one change at a time."""
    view = Topology(1, many())
    plugs = {p.id: Plug(p.id) for p in view.bound_on(scenario.HERE)}
    local = Local(plugs=plugs)
    say("security groups: loading the rules of 1,000 ports")
    begin = time.perf_counter()
    partition = security(view, scenario.HERE, local)
    assert partition is not None
    compiled = time.perf_counter() - begin
    objects = {key: claim.object for key, claim in partition.claims.items()}
    kernel = LinuxKernel()
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        report = kernel.execute(diff({}, objects, frozenset()))
        seconds.append(time.perf_counter() - begin)
        assert not report.failed, report.failed
        kernel.execute(diff(objects, {}, frozenset()))
    kernel.close()
    yield _goal(
        f"{PORTS} ports, {EACH} of {GROUPS} groups of {RULES} rules each: ruleset load", min(seconds), "s", LOAD_S
    )
    yield Row(what="the same: compiling it", value=compiled, unit="s")
    with Host(local) as host:
        say("security groups: making a host with 1,000 taps")
        host.realise(view)

        def change(value: Value) -> float:
            nonlocal view
            begin = time.process_time()
            view = view.apply(view.revision + 1, [value], [])
            host.realise(view, [ref(value)])
            return (time.process_time() - begin) * 1e3

        say("security groups: one change at a time")
        old = view.security_groups[group_id(7)]
        extra = [
            group(7, *old.rules, SecurityRule(direction="ingress", version=4, protocol=17, first=n, last=n))
            for n in range(1, CHANGES + 1)
        ]
        yield _goal("the same: one rule more (CPU)", statistics.median(map(change, extra)), "ms", CHANGE_MS)
        fewer = [group(7, *old.rules[:-n]) for n in range(1, CHANGES + 1)]
        yield _goal("the same: one rule less (CPU)", statistics.median(map(change, fewer)), "ms", CHANGE_MS)
        more = [member(PORTS + n) for n in range(CHANGES)]
        yield _goal("the same: one member more of 1,000 (CPU)", statistics.median(map(change, more)), "ms", CHANGE_MS)


def _goal(what: str, value: float, unit: str, bound: float) -> Row:
    return Row(what=what, value=value, unit=unit, reach=f"≤ {bound:g} {unit}", met=value <= bound)


def measure() -> Iterator[Row]:
    """Both parts."""
    yield from load()
    yield from ways()


if __name__ == "__main__":
    main("benchmarks.security_groups", measure)
