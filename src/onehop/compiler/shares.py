"""Shares: which host translates which external address, port or range of ports of a router."""

from collections.abc import Iterable, Sequence

import msgspec

from onehop.compiler.context import Context
from onehop.model.floating_ip import FloatingIp, Forwarding
from onehop.model.gateway import RouterHost
from onehop.model.network import Network
from onehop.model.port import Port
from onehop.net.identifier import HostName


class Forward(msgspec.Struct, frozen=True):
    """A port forwarding: external address with the forwarding itself."""

    address: str
    rule: Forwarding


class Span(msgspec.Struct, frozen=True):
    """Ports of a gateway address, from the first to the last."""

    address: str
    ports: tuple[int, int]


class Sorter:
    """Sorts floating IPs by who translates them."""

    def __init__(
        self,
        context: Context,
        external: Network,
        places: dict[HostName, RouterHost],
        me: RouterHost,
        owner: RouterHost | None,
    ) -> None:
        self._context = context
        self._external = external
        self._places = places
        self._me = me
        self._owner = owner
        self.translated: dict[str, str] = {}
        self.here: set[str] = set()
        self.virtual: dict[str, str] = {}
        self.steered: dict[str, int] = {}
        self.elsewhere: dict[str, int] = {}
        self.forwards: list[Forward] = []
        self.steered_forwards: list[tuple[Forward, int]] = []
        self.forwarded: set[str] = set()
        self.all: set[str] = set()

    def add(self, floating_ip: FloatingIp) -> None:
        """Sort one in."""
        self.all.add(floating_ip.address)
        if floating_ip.forwardings:
            self.forwarded.add(floating_ip.address)
        for rule in floating_ip.forwardings:
            self._forward(Forward(floating_ip.address, rule))
        port = self._context.view.ports.get(floating_ip.port_id) if floating_ip.port_id is not None else None
        if port is not None and floating_ip.fixed_ip is not None:
            self._whole(floating_ip.address, floating_ip.fixed_ip, port)

    def _whole(self, external: str, fixed: str, port: Port) -> None:
        if port.host is None or all(ip.ip_address != fixed for ip in port.fixed_ips):
            self.virtual[external] = fixed
            if self._owner == self._me:
                self.translated[external] = fixed
            elif self._owner is not None:
                # Also what upstream still sends to an owner of yesterday.
                self.steered[external] = self._owner.number
            return
        if not self._context.view.is_up(port):
            # Nothing answers there: then the address is nobody's, rather than a way that ends.
            return
        if self._context.is_local(port):
            self.translated[external] = fixed
            if port.host == self._me.host:
                self.here.add(external)
        if port.host != self._me.host and port.host in self._places:
            self.elsewhere[fixed] = self._places[port.host].number
            if not self._has_leg(port.host):
                self.steered[external] = self._places[port.host].number

    def _forward(self, forward: Forward) -> None:
        port = self._context.view.ports.get(forward.rule.port_id)
        if port is None:
            return
        if self._context.is_local(port):
            self.forwards.append(forward)
        if port.host in self._places and port.host != self._me.host:
            self.steered_forwards.append((forward, self._places[port.host].number))

    def _has_leg(self, host: HostName) -> bool:
        known = self._context.view.hosts.get(host)
        return known is not None and self._external.physical_network in known.physical_networks


def blocks_of(host: RouterHost, gateways: Sequence[str]) -> list[Span]:
    """A host's blocks of the gateway addresses that there are, neighbouring ones put together."""
    return [
        Span(ip, ports)
        for ip in gateways
        for ports in joined((b.first, b.last) for b in host.blocks if (b.address or gateways[0]) == ip)
    ]


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, those that overlap or touch put together."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
