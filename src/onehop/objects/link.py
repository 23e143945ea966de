"""Links: veth, bridge, VXLAN and tap devices."""

from typing import ClassVar

import msgspec

from onehop.objects.base import KernelObject, Key


class Veth(msgspec.Struct, frozen=True, tag="veth"):
    """One end of a pair. Creating either end creates both; deleting either deletes both.

    Attributes:
        peer_namespace: namespace of the other end.
        peer_name: name of the other end.
        peer_mac: MAC to give the other end at creation where that end is not declared as a Link of its own
            (an instance's ``eth0``); None where it is.
    """

    peer_namespace: str
    peer_name: str
    peer_mac: str | None = None


class Bridge(msgspec.Struct, frozen=True, tag="bridge"):
    """A bridge, as a rule without spanning tree, multicast snooping and VLAN filtering.

    Attributes:
        stp, mcast_snooping, vlan_filtering: whether somebody turned it on. Each stops or delays frames; none is wanted.
        tracked: IP packets on it go through the hooks of iptables and ip6tables (``nf_call_iptables``), and so through
            connection tracking, whatever the host's setting for all bridges is.
    """

    stp: bool = False
    mcast_snooping: bool = False
    vlan_filtering: bool = False
    tracked: bool = False


class Vxlan(msgspec.Struct, frozen=True, tag="vxlan"):
    """A VXLAN device with ``nolearning``; its FDB comes from the controller (linux/drivers/net/vxlan).

    Attributes:
        vni: 1 to 16,777,215.
        local: this host's VTEP address.
        port: UDP destination port.
        learning: whether somebody turned learning on.
    """

    vni: int
    local: str
    port: int
    learning: bool = False


class Tap(msgspec.Struct, frozen=True, tag="tap"):
    """A persistent tap device for a virtual machine (``IFF_TAP | IFF_NO_PI | IFF_VNET_HDR``, TUNSETPERSIST)."""


class BridgePort(msgspec.Struct, frozen=True):
    """How a link behaves as a bridge's port (IFLA_BRPORT_*).

    Attributes:
        learning: learn source MACs here.
        flood: send unicast to unknown MACs out here.
        neigh_suppress: answer ARP and ND for known neighbours instead of sending the question out here.
        restrained: whether somebody isolated or locked the port, or stopped broadcast or multicast; never wanted.
    """

    learning: bool = False
    flood: bool = False
    neigh_suppress: bool = False
    restrained: bool = False


class Link(KernelObject, frozen=True, kw_only=True):
    """A network device.

    Attributes:
        name: at most 15 octets.
        spec: what it is. The two ends of a veth pair that is wholly ours are two Links that name each other.
        alias: the mark of ownership, `onehop.net.naming.mark`.
        mac: MAC, or None where any will do.
        mtu: in octets.
        up: administratively up.
        master: the bridge it is a port of, in the same namespace, or None.
        port: behaviour as a bridge port; None where `master` is None.

    IPv6 on a link never makes addresses of its own (``addr_gen_mode none``).
    """

    kind: ClassVar[str] = "link"
    name: str
    spec: Veth | Bridge | Vxlan | Tap
    alias: str
    mac: str | None = None
    mtu: int
    up: bool = True
    master: str | None = None
    port: BridgePort | None = None

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.name)

    @property
    def far_end(self) -> "Link | None":
        """The other end of a veth pair as it is born when this end is created; None for other links.

        It is down, has no master and no alias, and this end's MTU. It is ours by the mark of this end until it bears
        one of its own, so that whoever dies between the two finds it again.
        """
        spec = self.spec
        if not isinstance(spec, Veth):
            return None
        return Link(
            namespace=spec.peer_namespace,
            name=spec.peer_name,
            spec=Veth(self.namespace, self.name),
            alias="",
            mac=spec.peer_mac,
            mtu=self.mtu,
            up=False,
        )
