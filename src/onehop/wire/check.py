"""What values from outside must look like before anybody uses them: identifiers, addresses and MACs in canonical form.

An identifier ends up in the names of namespaces and files, addresses and MACs in netlink attributes and rulesets. The
form of what carries them is checked by decoding (`onehop.wire.codec`, the agent's local copy).
"""

from collections.abc import Callable, Iterable
from typing import Any

from onehop.errors import AddressError, IdentifierError
from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import FIRST_PORT, LAST_PORT, MAXIMUM_PLACES, Gateway, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.security_group import Member, SecurityGroup, SecurityRule
from onehop.model.security_rule import ICMP, ICMPV6, PORTED
from onehop.model.subnet import Subnet
from onehop.model.topology import VALUES, Value
from onehop.net import address
from onehop.net.identifier import parse_host, parse_member, parse_uuid


def check_ref(kind: str, identifier: str) -> None:
    """Check the name of a value that came from outside.

    Raises:
        IdentifierError: there is no such kind, or the id is not canonical.
    """
    if kind not in VALUES:
        raise IdentifierError(f"{kind[:64]!r} is not a kind of value")
    if kind == "host":
        parse_host(identifier)
    elif kind == "member":
        parse_member(identifier)
    else:
        parse_uuid(identifier, kind)


def check_values(values: Iterable[Value]) -> None:
    """Check every identifier, address and MAC in values that came from outside.

    Raises:
        IdentifierError, AddressError: the first one that is not canonical.
    """
    for value in values:
        _CHECKS[type(value)](value)


def check_canonical(parse: Callable[[object], str], text: str) -> None:
    """Refuse text that is not as `parse` would write it.

    Raises:
        AddressError: it is not.
    """
    if parse(text) != text:
        raise AddressError(f"{text[:64]!r} is not in canonical form")


def _prefix(text: str) -> None:
    check_canonical(address.parse_prefix, text)


def _ip(text: str) -> None:
    check_canonical(address.parse_ip, text)


def _ip_or_prefix(text: str) -> None:
    _prefix(text) if "/" in text else _ip(text)


def _ip4(text: str) -> None:
    _ip(text)
    if address.version(text) != 4:
        raise AddressError(f"{text} is not an IPv4 address")


def _mac(text: str) -> None:
    check_canonical(address.parse_mac, text)


def _check_vni(vni: int) -> None:
    if not 1 <= vni <= 16_777_215:
        raise AddressError(f"{vni} is not a VNI: 1 to 16777215")


def _check_network(value: Network) -> None:
    parse_uuid(value.id, "network")
    if value.vni is not None:
        _check_vni(value.vni)
    if (value.vni is None) == (value.network_type == "vxlan"):
        raise AddressError(f"a network of type {value.network_type} with VNI {value.vni}")
    if not 68 <= value.mtu <= 65_535:
        raise AddressError(f"{value.mtu} is not an MTU: 68 to 65535")


def _check_subnet(value: Subnet) -> None:
    parse_uuid(value.id, "subnet")
    parse_uuid(value.network_id, "network")
    _prefix(value.cidr)
    if value.gateway_ip is not None:
        _ip(value.gateway_ip)
    for server in value.dns_nameservers:
        _ip(server)
    for route in value.host_routes:
        _prefix(route.destination)
        _ip(route.nexthop)


def _check_port(value: Port) -> None:
    parse_uuid(value.id, "port")
    parse_uuid(value.network_id, "network")
    _mac(value.mac_address)
    if value.router_id is not None:
        parse_uuid(value.router_id, "router")
    for fixed in value.fixed_ips:
        parse_uuid(fixed.subnet_id, "subnet")
        _ip(fixed.ip_address)
    for pair in value.allowed_address_pairs:
        _mac(pair.mac_address)
        _ip_or_prefix(pair.ip_address)
    for binding in value.bindings:
        parse_host(binding.host)
    for group in value.security_groups:
        parse_uuid(group, "security group")


def _check_router(value: Router) -> None:
    parse_uuid(value.id, "router")
    for route in value.routes:
        _prefix(route.destination)
        _ip(route.nexthop)
    if value.gateway is not None:
        _check_gateway(value.gateway)


def _check_gateway(value: Gateway) -> None:
    parse_uuid(value.port_id, "port")
    parse_uuid(value.network_id, "network")
    _check_vni(value.vni)
    for fixed in value.fixed_ips:
        parse_uuid(fixed.subnet_id, "subnet")
        _ip(fixed.ip_address)
    for host in value.candidates if value.owner is None else (value.owner, *value.candidates):
        parse_host(host)
    for place in value.hosts:
        _check_place(place)
    for what in ("host", "number", "transit_ip", "transit_mac"):
        if len({getattr(place, what) for place in value.hosts}) < len(value.hosts):
            raise AddressError(f"two hosts of a router have the same {what}")


def _check_place(value: RouterHost) -> None:
    parse_host(value.host)
    if not 1 <= value.number <= MAXIMUM_PLACES:
        raise AddressError(f"{value.number} is not the number of a router's host: 1 to {MAXIMUM_PLACES}")
    for mac in (value.mac_address, value.transit_mac):
        _mac(mac)
    _ip(value.transit_ip)
    if not address.contains(address.LINK_LOCAL, value.transit_ip):
        raise AddressError(f"{value.transit_ip} is no transit address: it must lie in {address.LINK_LOCAL}")
    for block in value.blocks:
        if block.address:
            _ip4(block.address)
        power = block.size > 0 and block.size & (block.size - 1) == 0
        if not power or block.first % block.size or block.first < FIRST_PORT or block.last > LAST_PORT:
            raise AddressError(f"{block.size} ports from {block.first} on are no port block")


def _check_floating_ip(value: FloatingIp) -> None:
    parse_uuid(value.id, "floating IP")
    parse_uuid(value.network_id, "network")
    parse_uuid(value.router_id, "router")
    if value.port_id is not None:
        parse_uuid(value.port_id, "port")
    _ip4(value.address)
    if value.fixed_ip is not None:
        _ip4(value.fixed_ip)
    for rule in value.forwardings:
        parse_uuid(rule.port_id, "port")
        _ip4(rule.internal_ip)
        if rule.protocol not in ("tcp", "udp"):
            raise AddressError(f"{rule.protocol[:16]!r} has no ports that could be forwarded: tcp or udp")
        last = rule.internal_first + rule.external_last - rule.external_first
        first, end = min(rule.external_first, rule.internal_first), rule.external_last
        if first < 1 or rule.external_first > end or end > LAST_PORT:
            raise AddressError(f"{rule.external_first} to {rule.external_last} is no range of ports")
        if last > LAST_PORT:
            raise AddressError(f"{rule.internal_first} to {last} is no range of ports")


def _check_security_group(value: SecurityGroup) -> None:
    parse_uuid(value.id, "security group")
    if list(value.rules) != sorted(set(value.rules)):
        raise IdentifierError("the rules of a security group are not in order")
    for rule in value.rules:
        _check_security_rule(rule)


def _check_security_rule(rule: SecurityRule) -> None:
    if rule.group:
        parse_uuid(rule.group, "security group")
    if rule.version not in (4, 6) or (rule.group and rule.prefix):
        raise AddressError("a security group rule is for IPv4 or IPv6, and for a prefix or a group")
    if rule.prefix:
        _prefix(rule.prefix)
        if address.version(rule.prefix) != rule.version:
            raise AddressError(f"{rule.prefix} in a rule for IPv{rule.version}")
    if not -1 <= rule.protocol <= 255:
        raise AddressError(f"{rule.protocol} is no IP protocol")
    bounds = (rule.first, rule.last)
    if bounds == (-1, -1):
        return
    if rule.protocol in (ICMP, ICMPV6):
        sound = 0 <= rule.first <= 255 and -1 <= rule.last <= 255
    else:
        sound = rule.protocol in PORTED and 1 <= rule.first <= rule.last <= LAST_PORT
    if not sound:
        raise AddressError(f"{rule.first} to {rule.last} cannot be matched in protocol {rule.protocol}")


def _check_member(value: Member) -> None:
    parse_uuid(value.group_id, "security group")
    parse_uuid(value.port_id, "port")
    for found in value.addresses:
        _ip_or_prefix(found)


def _check_host(value: Host) -> None:
    parse_host(value.name)
    _ip(value.vtep)


_CHECKS: dict[type[Any], Callable[[Any], None]] = {
    Network: _check_network,
    Subnet: _check_subnet,
    Port: _check_port,
    Router: _check_router,
    Host: _check_host,
    FloatingIp: _check_floating_ip,
    SecurityGroup: _check_security_group,
    Member: _check_member,
}
