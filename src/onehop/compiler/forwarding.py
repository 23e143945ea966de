"""Forwarding on a network: which MAC is behind which port or host, and which address has which MAC.

Every entry comes from the controller. A bridge answers ARP and ND for addresses that it knows (`neigh_suppress` on the
VXLAN port looks them up in the neighbour table of the bridge device), so that the question never crosses the underlay.
"""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.model.topology import Ref
from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.objects import BridgeFdb, KernelObject, Neighbour, VxlanFdb


def forwarding(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """FDB entries and neighbours of every overlay network held here."""
    for segment in context.segments.values():
        if segment.network.network_type != "vxlan":
            continue
        partition = naming.network_partition(segment.network.id)
        for resource, item in _segment(context, segment):
            yield partition, Claim(item, "forwarding", resource)


def _segment(context: Context, segment: Segment) -> Iterator[tuple[Ref, KernelObject]]:
    bridge = naming.bridge(segment.network.id)
    # One ref a port, shared by its claims: a host with 500 routers has some 90,000 claims.
    refs: dict[PortId, Ref] = {port.id: ("port", port.id) for port in (*segment.legs, *segment.instances)}
    for leg in segment.legs:
        peer = naming.leg_peer(leg.id)
        yield refs[leg.id], BridgeFdb(namespace=naming.HOST, bridge=bridge, mac=leg.mac_address, port=peer)
        for item in _probes(segment, leg, bridge):
            yield refs[leg.id], item
    for port in segment.instances:
        for item in _instance(context, segment, port, bridge):
            yield refs[port.id], item
    for known in segment.known:
        mac = known.port.mac_address
        yield refs[known.port.id], Neighbour(namespace=naming.HOST, link=bridge, address=known.address, mac=mac)


def _instance(context: Context, segment: Segment, port: Port, bridge: str) -> Iterator[KernelObject]:
    macs = context.macs_of(segment, port)
    if context.is_local(port):
        for mac in macs:
            yield BridgeFdb(namespace=naming.HOST, bridge=bridge, mac=mac, port=naming.tap(port.id))
        return
    vtep = context.vtep_of(port)
    if vtep is None or segment.network.vni is None:
        return
    vxlan = naming.vxlan(segment.network.vni)
    for mac in macs:
        yield BridgeFdb(namespace=naming.HOST, bridge=bridge, mac=mac, port=vxlan)
        yield VxlanFdb(namespace=naming.HOST, link=vxlan, mac=mac, vtep=vtep)


def _probes(segment: Segment, leg: Port, bridge: str) -> Iterator[KernelObject]:
    """Where the answers to other hosts' questions for roving addresses go; see `onehop.compiler.question`."""
    if not (segment.roving or segment.roving6) or segment.network.vni is None:
        return
    vxlan = naming.vxlan(segment.network.vni)
    for asker in segment.askers:
        mac = naming.probe_mac(asker.name, leg.id)
        yield BridgeFdb(namespace=naming.HOST, bridge=bridge, mac=mac, port=vxlan)
        yield VxlanFdb(namespace=naming.HOST, link=vxlan, mac=mac, vtep=asker.vtep)
