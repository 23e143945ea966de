"""The board: what became of every resource on this host, and what of it the controller has not heard yet. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.agent.desire import Desire, network_of_partition, router_of
from onehop.compiler.security_profile import profile_of
from onehop.compiler.state import Claim
from onehop.model.floating_ip import FloatingIp
from onehop.model.port import Binding, Port
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.identifier import NetworkId, RouterId
from onehop.objects import Key
from onehop.wire import MAX_VALUES, ResourceStatus, State, Status

RANK: dict[State, int] = {"ERROR": 0, "DOWN": 1, "ACTIVE": 2, "GONE": 3}
REPORTED = frozenset({"network", "subnet", "port", "router", "floatingip"})
REASON_LENGTH = 1000
CONNECTIONS = "connections"
"""Kind, in keys of what fails, of connections that are to be cut: no object, but somebody's harm all the same."""

UNTRIED = "it was not tried, because something that it needs failed"
"""The reason of what is only another failure's victim: who failed is ERROR, not who waits for it."""


class Entry(msgspec.Struct, frozen=True):
    """State of a resource.

    Attributes:
        state: ACTIVE, DOWN or ERROR.
        reason: why not ACTIVE.
        bindings: of a port: whoever it was bound to when this was said. Said again when they change, because the
            controller forgets a port's state then.
        leads: of a floating IP: what decides where it leads and who publishes it, for the same reason.
    """

    state: State
    reason: str = ""
    bindings: tuple[Binding, ...] = ()
    leads: tuple[object, ...] = ()


class Board:
    """States by resource. Several partitions may speak of one resource; the worst state counts."""

    def __init__(self) -> None:
        self._said: dict[Ref, dict[str, Entry]] = {}
        self._of: dict[str, set[Ref]] = {}
        self.entries: dict[Ref, Entry] = {}

    def put(self, partition: str, said: Mapping[Ref, Entry]) -> dict[Ref, Entry | None]:
        """Take all that a partition has to say; returns what is different now (None: nothing is said any more)."""
        refs = self._of.pop(partition, set()) | said.keys()
        if said:
            self._of[partition] = set(said)
        changed: dict[Ref, Entry | None] = {}
        for ref in refs:
            sources = self._said.setdefault(ref, {})
            if ref in said:
                sources[partition] = said[ref]
            else:
                sources.pop(partition, None)
            new = min(sources.values(), key=lambda entry: (RANK[entry.state], entry.reason), default=None)
            if new == self.entries.get(ref):
                continue
            changed[ref] = new
            if new is None:
                del self.entries[ref], self._said[ref]
            else:
                self.entries[ref] = new
        return changed


def status_of(ref: Ref, entry: Entry | None) -> ResourceStatus | None:
    """As it is told to the controller; None for what it does not want to hear."""
    kind, identifier = ref
    if kind not in REPORTED:
        return None
    if entry is None:
        return ResourceStatus(kind=kind, id=identifier, state="GONE")  # type: ignore[arg-type]  # one of REPORTED
    return ResourceStatus(kind=kind, id=identifier, state=entry.state, reason=entry.reason[:REASON_LENGTH])  # type: ignore[arg-type]  # one of REPORTED


def statuses_of(revision: int, entries: Mapping[Ref, Entry | None], full: bool) -> list[Status]:
    """What is told to the controller, as messages: of a full list at least one."""
    said = [s for s in (status_of(ref, entry) for ref, entry in entries.items()) if s is not None]
    return [
        Status(revision=revision, full=full, statuses=tuple(said[start : start + MAX_VALUES]))
        for start in range(0, len(said) or int(full), MAX_VALUES)
    ]


Failing = Mapping[str, Mapping[Key, str]]
"""Partition → keys of what is not as it should be, with the reason."""


def judge(partition: str, desire: Desire, failing: Failing) -> dict[Ref, Entry]:
    """What a partition has to say of its resources.

    A floating IP is ACTIVE when this host publishes it, or translates it for whoever does, and nothing of its router
    fails here; a router's interface when this host holds the router.
    A port is ACTIVE when its own claims and all that carries it (its network, its network's router legs here) are in
    the kernel and an instance is plugged.
    """
    said = _errors(partition, desire, failing)
    router = router_of(partition)
    if router is not None:
        wanted = desire.partitions.get(partition)
        if wanted is not None:
            whole = said.setdefault(("router", router), Entry("ACTIVE"))
            answering = {c.resource for c in wanted.claims.values() if c.resource[0] == "floatingip"}
            answering |= _translated(RouterId(router), desire)
            follows = whole if whole.state == "ACTIVE" else Entry("DOWN", whole.reason)
            legs = {("port", str(leg.id)) for leg in desire.view.interfaces_of(RouterId(router))}
            for carried in answering | legs:
                said.setdefault(carried, follows)
            for found in desire.view.floating_ips_of(RouterId(router)):
                entry = said.get(("floatingip", found.id))
                if entry is not None:
                    leads = _leads(found, desire.view)
                    said["floatingip", found.id] = msgspec.structs.replace(entry, leads=leads)
            lacking = desire.short.get(RouterId(router))
            if lacking and whole.state == "ACTIVE":
                said["router", router] = Entry("ACTIVE", lacking)
            for flawed, reason in wanted.flawed.items():
                if said.get(flawed, whole).state == "ACTIVE":
                    said[flawed] = Entry("ERROR", reason)
        return said
    network = network_of_partition(partition)
    if network is None:
        return said
    obstacle = _obstacle(network, desire, failing)
    unguarded = _unguarded(failing)
    for port in desire.view.ports_of(network):
        if any(binding.host == desire.host for binding in port.bindings):
            ref = ("port", port.id)
            why = obstacle or (unguarded if unguarded and _is_filtered(port, desire) else _waits(port, desire, failing))
            entry = said.get(ref) or _state(port, desire, why)
            said[ref] = msgspec.structs.replace(entry, bindings=port.bindings)
    return said


def _translated(router: RouterId, desire: Desire) -> set[Ref]:
    """Floating IPs of instances here that another host publishes, because this one has no external leg."""
    known = desire.view.routers.get(router)
    network = desire.view.networks.get(known.gateway.network_id) if known is not None and known.gateway else None
    if network is None or network.physical_network in desire.local.physical_networks:
        return set()
    return {
        ("floatingip", found.id)
        for found in desire.view.floating_ips_of(router)
        if found.port_id is not None
        and found.port_id in desire.local.plugs
        and found.port_id in desire.view.ports
        and desire.view.ports[found.port_id].host == desire.host
        and desire.view.is_up(desire.view.ports[found.port_id])
    }


def _leads(floating_ip: FloatingIp, view: Topology) -> tuple[object, ...]:
    """What the controller goes by when it forgets a floating IP's state; see `onehop.store.presence`."""
    router = view.routers.get(floating_ip.router_id)
    owned = (router.gateway.owner, router.gateway.generation) if router is not None and router.gateway else ()
    ids = {floating_ip.port_id, *(rule.port_id for rule in floating_ip.forwardings)} - {None}
    ports = [view.ports[id] for id in sorted(filter(None, ids)) if id in view.ports]
    return (floating_ip, owned, *(port.bindings for port in ports))


def _errors(partition: str, desire: Desire, failing: Failing) -> dict[Ref, Entry]:
    said: dict[Ref, Entry] = {}
    wanted = desire.partitions.get(partition)
    if wanted is not None:
        said.update({ref: Entry("ERROR", reason) for ref, reason in wanted.refused.items()})
        for key, reason in sorted(failing.get(partition, {}).items(), key=str):
            if key in wanted.claims and reason != UNTRIED:
                said.setdefault(wanted.claims[key].resource, Entry("ERROR", reason))
    router = router_of(partition)
    for key, reason in failing.get(partition, {}).items():
        if key[0] == CONNECTIONS and router is not None and wanted is not None:
            said.setdefault(("router", router), Entry("ERROR", reason))
    if partition in desire.broken:
        kind, _, identifier = partition.partition("/")
        ref = ({"net": "network", "gate": "router"}.get(kind, kind), identifier)
        said[ref] = Entry("ERROR", f"this version of onehop cannot work it out: {desire.broken[partition]}")
    return said


def _state(port: Port, desire: Desire, obstacle: str) -> Entry:
    network = desire.view.networks.get(port.network_id)
    if network is None:
        return Entry("DOWN", "its network is not known here")
    if port.id not in desire.local.plugs:
        return Entry("DOWN", f"no instance is plugged into it on {desire.host}")
    if not desire.view.is_up(port):
        return Entry("DOWN", "it or its network is administratively down")
    wanted = desire.partitions.get(naming.network_partition(port.network_id))
    if wanted is None or ("link", naming.HOST, naming.tap(port.id)) not in wanted.claims:
        return Entry("DOWN", f"{desire.host} holds nothing of its network yet")
    return Entry("DOWN", obstacle) if obstacle else Entry("ACTIVE")


def _unguarded(failing: Failing) -> str:
    """Why no port that security groups filter can be ACTIVE here, or ""."""
    for reason in failing.get(naming.SECURITY_PARTITION, {}).values():
        return f"its security groups are not in force here: {reason}"
    return ""


def _is_filtered(port: Port, desire: Desire) -> bool:
    profile = profile_of(desire.view, port)
    return profile is not None and profile.filters


def _waits(port: Port, desire: Desire, failing: Failing) -> str:
    """Why nothing was tried for the port itself, or ""."""
    name = naming.network_partition(port.network_id)
    wanted = desire.partitions.get(name)
    if wanted is None:
        return ""
    mine = (wanted.claims[key].resource for key in failing.get(name, {}) if key in wanted.claims)
    return UNTRIED if ("port", port.id) in mine else ""


def _obstacle(network: NetworkId, desire: Desire, failing: Failing) -> str:
    """Why no port of a network can be ACTIVE here, or ""."""
    name = naming.network_partition(network)
    if name in desire.broken:
        return "its network cannot be worked out"
    legs = {leg.id: leg.router_id for leg in desire.view.legs_on(network)}
    carriers = {("network", network)} | {("port", str(leg)) for leg in legs}
    carriers |= {("subnet", subnet.id) for subnet in desire.view.subnets_of(network)}
    partitions = [name]
    for router in sorted({r for r in legs.values() if r is not None}):
        partitions.append(naming.router_partition(RouterId(router)))
        carriers.add(("router", router))
    for partition in partitions:
        wanted = desire.partitions.get(partition)
        claims: Mapping[Key, Claim] = wanted.claims if wanted is not None else {}
        for key, reason in failing.get(partition, {}).items():
            claim = claims.get(key)
            if claim is not None and claim.resource in carriers and reason != UNTRIED:
                return f"{' '.join(claim.resource)} is not ready here: {reason}"
        for ref, reason in (wanted.refused if wanted is not None else {}).items():
            if ref in carriers:
                return f"{' '.join(ref)} is not ready here: {reason}"
    return ""


def neighbours(partition: str, desire: Desire) -> set[str]:
    """The partitions whose judgement depends on this one: itself, and a router's networks."""
    router = router_of(partition)
    if router is None:
        return {partition}
    legs = desire.view.interfaces_of(RouterId(router))
    return {partition, *(naming.network_partition(leg.network_id) for leg in legs)}


def concerned(dirty: Iterable[str], desire: Desire, insecure: bool) -> set[str]:
    """The partitions that are to be judged anew, after these were taken up.

    Args:
        dirty: what was taken up.
        desire: what is wanted.
        insecure: what security groups let pass did not stand, or does not: that concerns every port.
    """
    found = {name for partition in dirty for name in neighbours(partition, desire)}
    return found | {name for name in desire.partitions if name.startswith("net/")} if insecure else found
