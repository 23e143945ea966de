"""The only authority on names, marks, tables and priorities that onehop puts into a kernel.

Link names keep the first eleven characters of an id, because that is what operators, libvirt and Nova know
(``tap<11>``, ``qr-<11>``, ``brq<11>``). Eleven characters are 40 bits: two ids can share them. The alias of a link
carries the whole id, so a clash is seen by the compiler and refused there, never merged.

Ownership: a link of ours has an alias that begins with ``MARK``; a namespace of ours has it on its ``lo``, set before
the namespace gets its name; routes and rules carry protocol number ``PROTOCOL``; nftables tables begin with ``onehop``.
"""

from hashlib import sha256

from onehop.net.identifier import HostName, NetworkId, PortId, RouterId

MARK = "onehop "
"""Begin of the alias of every link that is ours."""

PROTOCOL = 111
"""``rtm_protocol`` of our routes and ``FRA_PROTOCOL`` of our rules (unused in iproute2's rt_protos)."""

TABLE = "onehop"
"""Name, or begin of the name, of every nftables table that is ours."""

NORTH_TABLE = "onehop-north"
"""Name of the tables of a router with a gateway, in each family that has one."""

HOST = ""
"""The host's own network namespace, as the `namespace` of a kernel object."""

VXLAN_PORT = 4789
"""IANA's UDP port of VXLAN (RFC 7348)."""

VXLAN_OVERHEAD = {4: 50, 6: 70}
"""Octets that VXLAN adds inside an underlay's MTU, by the underlay's IP version (RFC 7348 section 5)."""

ROUTER_PREFIX = "qrouter-"
TRANSIT_PREFIX = "qt-"
LEG_PREFIX = "qr-"


def router_namespace(router: RouterId) -> str:
    """``qrouter-<router id>``, the name operators know."""
    return ROUTER_PREFIX + router


def bridge(network: NetworkId) -> str:
    """The bridge of a network: ``brq<first 11 of its id>``."""
    return "brq" + network[:11]


def bridge_mac(network: NetworkId) -> str:
    """The MAC of a network's bridge: ``fe:…``, from a hash of the network's id.

    It has to be declared: a bridge that chooses its own takes another when a port joins, and the kernel then drops
    every neighbour of the bridge (NETDEV_CHANGEADDR in net/ipv4/arp.c and net/ipv6/ndisc.c), with which it answers ARP
    and ND. No frame carries it.
    """
    return "fe:" + sha256(network.encode()).digest()[:5].hex(":")


def vxlan(vni: int) -> str:
    """The VXLAN device of a network: ``vxlan-<vni>`` (at most 14 characters)."""
    return f"vxlan-{vni}"


def tap(port: PortId) -> str:
    """The host's end of an instance's port: ``tap<first 11 of the port id>``."""
    return "tap" + port[:11]


def leg(port: PortId) -> str:
    """The router's end of a router interface: ``qr-<first 11 of the port id>``."""
    return LEG_PREFIX + port[:11]


def leg_peer(port: PortId) -> str:
    """The bridge's end of a router interface: ``hr-<first 11 of the port id>``."""
    return "hr-" + port[:11]


def external_leg(gateway: PortId) -> str:
    """The router's end on the external network: ``qg-<first 11 of the gateway port's id>``."""
    return "qg-" + gateway[:11]


def external_peer(gateway: PortId) -> str:
    """The provider bridge's end of an external leg: ``hg-<first 11 of the gateway port's id>``."""
    return "hg-" + gateway[:11]


def transit_leg(gateway: PortId) -> str:
    """The router's VXLAN device towards its other hosts: ``qt-<first 11 of the gateway port's id>``."""
    return TRANSIT_PREFIX + gateway[:11]


def probe_mac(host: HostName, leg: PortId) -> str:
    """The MAC under which a host's router leg asks across the underlay, where its own is every host's: ``0e:…``."""
    return "0e:" + sha256(f"{host} {leg}".encode()).digest()[:5].hex(":")


def steering_mark(number: int) -> int:
    """The packet mark that sends to a router's host: its number in the highest octet."""
    return number << 24


STEERING_MASK = 0xFF00_0000
"""The part of the packet mark that is ours, inside router namespaces; cleared before a packet leaves."""

UNSTEERED_PRIORITY, STEERING_PRIORITY, LOCAL_PRIORITY = 40, 50, 100
"""Policy rules of a router with a gateway: steering comes before ``lookup local``, because steered addresses are local
on the owner. Packets without a mark are looked up before that, by two rules, however many hosts may be steered to."""

LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE = 255, 254, 253
"""The kernel's own routing tables (linux/rtnetlink.h)."""

SOLICITATIONS = 4861
"""Group of the kernel's packet log (NFLOG) by which a network's guard hands router solicitations to the agent."""

ANCHOR = "169.254.255.254/32"
"""Always on an external leg: a link that loses its last IPv4 address loses its routes, silently."""


def steering_table(number: int) -> int:
    """The routing table whose default leads to a router's host."""
    return 1000 + number


def gate_partition(router: RouterId) -> str:
    """The partition that holds a router's part of the provider bridge: ``gate/<router id>``."""
    return "gate/" + router


def network_partition(network: NetworkId) -> str:
    """The partition that holds a network's part of the host: ``net/<id>``."""
    return "net/" + network


def router_partition(router: RouterId) -> str:
    """The partition that holds a router's namespace: ``router/<id>``."""
    return "router/" + router


def mark(partition: str, kind: str, identifier: str) -> str:
    """The alias of a link: ``onehop <partition> <resource kind>/<id>``."""
    return f"{MARK}{partition} {kind}/{identifier}"


def partition_of_mark(alias: str) -> str | None:
    """The partition written in an alias, or None where the link is foreign."""
    if not alias.startswith(MARK):
        return None
    return alias[len(MARK) :].partition(" ")[0]


def network_table(network: NetworkId) -> str:
    """The netdev table that guards a network's VXLAN port and bridge: ``onehop-net-<id>``."""
    return f"{TABLE}-net-{network}"


def tap_table(network: NetworkId, port: PortId) -> str:
    """The netdev table that checks what an instance sends: ``onehop-net-<id>-tap<first 11 of the port id>``."""
    return f"{network_table(network)}-{tap(port)}"


SECURITY_PARTITION = "host/security"
"""The partition that holds what security groups let pass on a host."""

SECURITY_TABLE = f"{TABLE}-security"
"""The tables of that partition, in the families ``bridge`` (the rules) and ``inet`` (connection tracking)."""

ESTABLISHED_MARK, REFUSED_MARK = 0x6F6E_0001, 0x6F6E_0002
"""Packet marks between the two, on bridged packets of networks that are tracked; none leaves the bridge."""

BARRED_MARK = 0x6F6E_6563
"""Connection mark of what was allowed once and is not any more."""

ZONES = 65_535
"""Connection tracking zones, from 1 on; 0 is the host's own (linux/netfilter/nf_conntrack_zones_common.h)."""


def zone(network: NetworkId) -> int:
    """The zone that a network would like to have: two may want the same one, see `onehop.compiler.security_zone`."""
    return 1 + int.from_bytes(sha256(network.encode()).digest()[:4], "big") % ZONES


def gate_table(router: RouterId) -> str:
    """The netdev table that keeps a provider bridge's questions from a router: ``onehop-gate-<id>``."""
    return f"{TABLE}-gate-{router}"


def is_interface(name: str) -> bool:
    """Whether Linux would take it as the name of an interface (``dev_valid_name`` in ``net/core/dev.c``)."""
    octets = name.encode(errors="replace")
    wrong = any(letter in "/:\0" or letter.isspace() for letter in name)
    return 0 < len(octets) <= 15 and name not in (".", "..") and not wrong
