"""Networks: the bridge, the VXLAN port and where broadcast goes.

The host's own IP stack has no part in a tenant's network: whatever the bridge would deliver to the host, or the host
would send into it, is dropped on the bridge device (ingress and egress), from before it comes up.
"""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.compiler.security_profile import tracks
from onehop.compiler.state import Claim, Refusal
from onehop.net import naming
from onehop.objects import ALL_ZERO, Bridge, BridgePort, Link, Vxlan, VxlanFdb


def networks(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Bridge, VXLAN device and head-end replication of every overlay network held here."""
    for segment in context.segments.values():
        network = segment.network
        if network.network_type != "vxlan":
            continue
        partition, resource = naming.network_partition(network.id), ("network", network.id)
        for item in _segment(context, segment, partition):
            yield partition, Claim(item, "networks", resource)


def _segment(context: Context, segment: Segment, partition: str) -> Iterator[Link | VxlanFdb]:
    network = segment.network
    assert network.vni is not None  # noqa: S101  # the model refuses an overlay network without a VNI
    assert context.me is not None  # noqa: S101  # a host without a value of its own holds no segments
    alias = naming.mark(partition, "network", network.id)
    bridge, vxlan = naming.bridge(network.id), naming.vxlan(network.vni)
    mac = naming.bridge_mac(network.id)
    spec = Bridge(tracked=any(tracks(context.view, p) for p in segment.instances if context.is_local(p)))
    yield Link(namespace=naming.HOST, name=bridge, spec=spec, alias=alias, mac=mac, mtu=network.mtu)
    yield Link(
        namespace=naming.HOST,
        name=vxlan,
        spec=Vxlan(vni=network.vni, local=context.me.vtep, port=context.local.vxlan_port),
        alias=alias,
        mtu=network.mtu,
        master=bridge,
        port=BridgePort(neigh_suppress=True, flood=bool(segment.roaming), learning=bool(segment.roaming)),
    )
    for vtep in segment.others:
        yield VxlanFdb(namespace=naming.HOST, link=vxlan, mac=ALL_ZERO, vtep=vtep)
