"""Bytes to messages and back. What comes in is checked whole before anybody sees a part of it.

An identifier ends up in the names of namespaces and files, so no message leaves here with one that is not canonical;
the same holds for addresses and MACs, which end up in netlink attributes and rulesets.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from onehop.errors import AddressError, IdentifierError, WireError
from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import FIRST_PORT, LAST_PORT, MAXIMUM_PLACES, Gateway, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.model.topology import VALUES, Value
from onehop.net import address
from onehop.net.identifier import parse_host, parse_uuid
from onehop.wire.message import (
    MAX_FRAME,
    Delta,
    FromAgent,
    FromController,
    Heartbeat,
    Hello,
    Joined,
    JoinRequest,
    Refused,
    Snapshot,
    Status,
    Usage,
)

M = TypeVar("M")

_ENCODER = msgspec.msgpack.Encoder()
_FROM_AGENT: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)
_FROM_CONTROLLER: msgspec.msgpack.Decoder[FromController] = msgspec.msgpack.Decoder(FromController)
_JOIN = msgspec.msgpack.Decoder(JoinRequest)
_JOINED: msgspec.msgpack.Decoder[Joined | Refused] = msgspec.msgpack.Decoder(Joined | Refused)


def encode(message: FromAgent | FromController | JoinRequest | Joined) -> bytes:
    """One frame.

    Raises:
        WireError: it would be longer than `MAX_FRAME`.
    """
    frame = _ENCODER.encode(message)
    if len(frame) > MAX_FRAME:
        raise WireError(f"a {type(message).__name__} of {len(frame)} octets does not fit into one frame")
    return frame


def decode_from_agent(frame: bytes | str) -> FromAgent:
    """What an agent sent.

    Raises:
        WireError: not a message of the protocol, or an identifier or address in it is not one.
    """
    message = _decode(_FROM_AGENT, frame)
    try:
        if isinstance(message, Hello):
            parse_host(message.host)
            _canonical(address.parse_ip, message.vtep)
        elif isinstance(message, Heartbeat):
            for name in (*message.answering, *message.silent):
                parse_host(name)
            for acting in message.acting:
                parse_uuid(acting.router, "router")
                parse_host(acting.owner)
        elif isinstance(message, Status):
            for status in message.statuses:
                parse_uuid(status.id, status.kind)
        elif isinstance(message, Usage):
            for use in message.routers:
                parse_uuid(use.router, "router")
    except (IdentifierError, AddressError) as error:
        raise WireError(f"in a {type(message).__name__}: {error}") from None
    return message


def decode_from_controller(frame: bytes | str) -> FromController:
    """What the controller sent.

    Raises:
        WireError: not a message of the protocol, or an identifier or address in it is not one.
    """
    message = _decode(_FROM_CONTROLLER, frame)
    try:
        if isinstance(message, Snapshot):
            check_values(message.values)
        elif isinstance(message, Delta):
            check_values(message.upserts)
            for kind, identifier in message.removes:
                if kind not in VALUES:
                    raise WireError(f"in a Delta: {kind[:64]!r} is not a kind of value")
                parse_host(identifier) if kind == "host" else parse_uuid(identifier, kind)
    except (IdentifierError, AddressError) as error:
        raise WireError(f"in a {type(message).__name__}: {error}") from None
    return message


def decode_join(frame: bytes | str) -> JoinRequest:
    """What somebody sent who has no certificate.

    Raises:
        WireError: it is no JoinRequest.
    """
    return _decode(_JOIN, frame)


def decode_joined(frame: bytes | str) -> Joined | Refused:
    """The controller's answer to a JoinRequest.

    Raises:
        WireError: it is none.
    """
    message = _decode(_JOINED, frame)
    if isinstance(message, Joined):
        try:
            parse_host(message.host)
        except IdentifierError as error:
            raise WireError(f"in a Joined: {error}") from None
    return message


def check_values(values: Iterable[Value]) -> None:
    """Check every identifier, address and MAC in values that came from outside.

    Raises:
        IdentifierError, AddressError: the first one that is not canonical.
    """
    for value in values:
        _CHECKS[type(value)](value)


def _decode(decoder: msgspec.msgpack.Decoder[M], frame: bytes | str) -> M:
    if isinstance(frame, str):
        raise WireError("a text frame came where only binary ones are used")
    if len(frame) > MAX_FRAME:
        raise WireError(f"a frame of {len(frame)} octets is longer than {MAX_FRAME}")
    try:
        return decoder.decode(frame)
    except msgspec.DecodeError as error:
        raise WireError(f"not a message of the protocol: {error}") from None
    except (RecursionError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise WireError(f"not a message of the protocol: {type(error).__name__}") from None


def _canonical(parse: Callable[[object], str], text: str) -> None:
    if parse(text) != text:
        raise AddressError(f"{text[:64]!r} is not in canonical form")


def _prefix(text: str) -> None:
    _canonical(address.parse_prefix, text)


def _ip(text: str) -> None:
    _canonical(address.parse_ip, text)


def _ip4(text: str) -> None:
    _ip(text)
    if address.version(text) != 4:
        raise AddressError(f"{text} is not an IPv4 address")


def _mac(text: str) -> None:
    _canonical(address.parse_mac, text)


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
        _prefix(pair.ip_address) if "/" in pair.ip_address else _ip(pair.ip_address)
    for binding in value.bindings:
        parse_host(binding.host)


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
    if not address.contains("169.254.0.0/16", value.transit_ip):
        raise AddressError(f"{value.transit_ip} is no transit address: it must lie in 169.254.0.0/16")
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
}
