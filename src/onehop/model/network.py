"""Networks: what the data plane needs to know of one."""

from typing import Literal

import msgspec

from onehop.net.identifier import NetworkId, ProjectId


class Network(msgspec.Struct, frozen=True, tag="network", kw_only=True):
    """A layer-2 segment.

    Attributes:
        id: its UUID.
        project_id: whose it is.
        type: ``vxlan`` (an overlay between hosts) or ``flat`` (a physical network, untagged).
        vni: VXLAN network identifier, 1 to 16,777,215; None for ``flat``.
        physical_network: name of the physical network; None for ``vxlan``.
        mtu: in octets, of instances' links.
        external: whether routers may have gateways and floating IPs on it.
        admin_state_up: False takes its ports down.
    """

    id: NetworkId
    project_id: ProjectId
    type: Literal["vxlan", "flat"] = "vxlan"
    vni: int | None = None
    physical_network: str | None = None
    mtu: int = 1450
    external: bool = False
    admin_state_up: bool = True
