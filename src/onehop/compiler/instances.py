"""Instances: the host's end of what is plugged here."""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.compiler.state import Claim, Plug, Refusal
from onehop.model.port import Port
from onehop.net import naming
from onehop.objects import BridgePort, Link, Tap, Veth


def instances(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """A veth or tap for every port that is bound and plugged here."""
    for segment in context.segments.values():
        partition = naming.network_partition(segment.network.id)
        for port in segment.instances:
            if context.is_local(port):
                yield partition, _tap(context, segment, port, partition)


def _tap(context: Context, segment: Segment, port: Port, partition: str) -> Claim | Refusal:
    network = segment.network
    bridge: str | None = naming.bridge(network.id)
    behaviour = BridgePort(flood=bool(segment.roaming), learning=_roams(segment, port))
    if network.network_type == "flat":
        bridge = context.local.physical_networks.get(network.physical_network or "")
        behaviour = BridgePort(flood=True, learning=True)
    if bridge is None:
        return Refusal(
            ("port", port.id),
            f"this host has no way to the physical network {network.physical_network}: "
            "name its bridge under physical_networks in the agent's configuration",
        )
    link = Link(
        namespace=naming.HOST,
        name=naming.tap(port.id),
        spec=_spec(context.local.plugs[port.id], port),
        alias=naming.mark(partition, "port", port.id),
        mtu=network.mtu,
        up=context.view.is_up(port),
        master=bridge,
        port=behaviour,
    )
    return Claim(link, "instances", ("port", port.id))


def _spec(plug: Plug, port: Port) -> Veth | Tap:
    if plug.netns is None:
        return Tap()
    return Veth(peer_namespace=plug.netns, peer_name=plug.device, peer_mac=port.mac_address)


def _roams(segment: Segment, port: Port) -> bool:
    return not segment.roaming.isdisjoint(pair.mac_address for pair in port.allowed_address_pairs)
