"""A router's way to the outside: what the data plane needs to know of it."""

import msgspec

from onehop.model.port import FixedIp
from onehop.net.identifier import HostName, NetworkId, PortId

FIRST_PORT, LAST_PORT = 1024, 65_535
"""Source ports that are divided into blocks."""

SMALLEST_BLOCK, LARGEST_BLOCK = 64, 16_384

MAXIMUM_PLACES = 255
"""Hosts of one router: a packet mark has one octet for the number."""

GATEWAY_OWNER = "network:router_gateway"
"""`device_owner` of a gateway port."""


class PortBlock(msgspec.Struct, frozen=True):
    """Source ports (and ICMP ids) of one gateway address, which one host uses when it translates.

    Attributes:
        first: lowest, a multiple of `size`, from 1024 up.
        size: how many, a power of two.
        address: of the gateway's IPv4 addresses; empty is the first.
        since: the revision at which the host was given it. Instances bound later may use an address that the host had
            no block of before; see `onehop.compiler.exits`.
    """

    first: int
    size: int
    address: str = ""
    since: int = 0

    @property
    def last(self) -> int:
        """Highest port of the block."""
        return self.first + self.size - 1


class RouterHost(msgspec.Struct, frozen=True, kw_only=True):
    """A router on one host, as the others see it.

    Attributes:
        host: its name.
        number: 1 to 255, unique among the router's hosts: the mark of packets that are steered there.
        mac_address: of its external leg.
        transit_ip: its address on the transit network, inside 169.254.0.0/16.
        transit_mac: of its transit leg.
        blocks: its port blocks; none makes it send through the owner.
    """

    host: HostName
    number: int
    mac_address: str
    transit_ip: str
    transit_mac: str
    blocks: tuple[PortBlock, ...] = ()


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """The external side of a router.

    Attributes:
        port_id: the gateway port.
        network_id: the external network.
        fixed_ips: the router's external addresses; IPv4 addresses are translated to, each by its own blocks.
        enable_snat: translate what has no floating IP.
        distributed: translate on the instance's host; False sends it through the owner.
        vni: of the transit network between the router's hosts.
        owner: the host that answers for the external addresses; None while there is none.
        generation: raised with each change of the owner; a report about an older one is late.
        candidates: the gateway hosts that may become owner, in order; they hold the router whatever else they hold.
        hosts: every host that may hold the router, sorted by name.
    """

    port_id: PortId
    network_id: NetworkId
    fixed_ips: tuple[FixedIp, ...]
    enable_snat: bool = True
    distributed: bool = True
    vni: int
    owner: HostName | None = None
    generation: int = 0
    candidates: tuple[HostName, ...] = ()
    hosts: tuple[RouterHost, ...] = ()
