"""The floor of a router with a gateway: the same objects, packed by hand, nothing else; see `benchmarks.floor`."""

import ctypes
import fcntl
import os
import socket
import struct

from benchmarks import floor, packing, scenario, scenario_north
from benchmarks.floor import (
    CLONE_NEWNET,
    Floor,
    Wanted,
    check,
    create,
    entries,
    free,
    load,
    mac,
    new_namespace,
    nft_context,
    write,
)
from onehop.compiler.host import compile_host
from onehop.net.naming import PROTOCOL
from onehop.objects import Bridge, Link, Route, Rule, Tap, Vxlan

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_TAP = 0x1002
_libc = ctypes.CDLL(None, use_errno=True)


class NorthFloor(Floor):
    """Builds routers with a gateway in the namespace in which it is made."""

    def realise(self, wanted: Wanted) -> None:
        """Put one router and its networks there."""
        index = self._index
        links: list[Link] = wanted.here["link"]
        for link in links:
            index[link.name] = new_tap(link.name) if isinstance(link.spec, Tap) else next(self._next)
            if link.master is not None and link.master not in index:
                index[link.master] = socket.if_nametoindex(link.master)
        bridges = [link for link in links if isinstance(link.spec, Bridge)]
        tunnels = [link for link in links if isinstance(link.spec, Vxlan)]
        self._netlink.send([create(link, index) for link in bridges + tunnels])
        self._inside(wanted)
        load(self._nft, wanted.here["ruleset"])
        self._netlink.send(
            [change(link, index) for link in links]
            + [packing.change_link(index[link.name], up=True) for link in links if link.up]
            + entries(wanted, index)
        )

    def _inside(self, wanted: Wanted) -> None:
        inside = new_namespace(wanted)
        index: dict[str, int] = {}
        links: list[Link] = wanted.inside["link"]
        batch: list[bytes] = []
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        for number, link in enumerate(links, 10):
            index[link.name] = number
            if isinstance(link.spec, Vxlan):
                # Its packets go through the host's namespace, so it is made there, right into this one.
                self._netlink.send([_transit(link, number, here)])
                continue
            far = link.spec.peer_name
            peer = packing.veth_peer(self._index[far], far, link.mtu, self._root)
            own = packing.number(4, link.mtu) + packing.attribute(1, mac(link.mac or ""))
            batch.append(packing.new_link(number, link.name, b"veth", peer, own))
        os.close(here)
        batch += [
            packing.change_link(index[link.name], packing.text(20, link.alias) + packing.no_own_addresses())
            for link in links
        ]
        context = nft_context()
        load(context, wanted.inside["ruleset"])
        free(context)
        batch += [packing.change_link(index[link.name], up=True) for link in links if link.up]
        for item in wanted.inside["address"]:
            host, _, length = item.address.partition("/")
            batch.append(packing.new_address(index[item.link], host, int(length), floor.SCOPES[item.scope]))
        batch += [packing.new_neighbour(index[n.link], n.address, mac(n.mac)) for n in wanted.inside["neighbour"]]
        batch += [packing.new_vxlan_entry(index[e.link], mac(e.mac), e.vtep, False) for e in wanted.inside["vxlan_fdb"]]
        batch += [new_route(route, index) for route in wanted.inside["route"]]
        batch += [new_rule(rule) for rule in wanted.inside["rule"] if not rule.is_born]
        batch.append(first_rule_away())
        inside.send(batch)
        write([setting for setting in wanted.inside["sysctl"] if setting.link is not None])
        inside.close()
        check(_libc.setns(self._root, CLONE_NEWNET), "setns")


def new_tap(name: str) -> int:
    """A tap device that stays; its index."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP))
    fcntl.ioctl(descriptor, _TUNSETPERSIST, 1)
    os.close(descriptor)
    return socket.if_nametoindex(name)


def change(link: Link, index: dict[str, int]) -> bytes:
    """What a link of the host's cannot be given at creation."""
    if not isinstance(link.spec, Tap):
        return floor.change(link, index)
    message = packing.change_link(index[link.name], packing.number(10, index[link.master or ""]))
    own = packing.text(20, link.alias) + packing.no_own_addresses() + packing.number(4, link.mtu)
    if link.port is not None:
        own += packing.bridge_port(link.port.learning, link.port.flood, link.port.neigh_suppress)
    return message + packing.change_link(index[link.name], own)


def _transit(link: Link, number: int, namespace: int) -> bytes:
    if not isinstance(link.spec, Vxlan):
        raise TypeError(f"{link.spec} is no VXLAN device")
    data = (
        packing.number(1, link.spec.vni)
        + packing.attribute(4, packing.octets(link.spec.local))
        + packing.attribute(7, b"\0")
        + packing.attribute(15, link.spec.port.to_bytes(2, "big"))
    )
    own = packing.number(4, link.mtu) + packing.attribute(1, mac(link.mac or "")) + packing.number(28, namespace)
    return packing.new_link(number, link.name, b"vxlan", data, own)


def new_route(route: Route, index: dict[str, int]) -> bytes:
    """A route of IPv4 with one next hop or none."""
    if not route.hops:
        return packing.new_blackhole(route.destination, route.metric, PROTOCOL)
    (hop,) = route.hops
    address, _, length = route.destination.partition("/")
    scope, flags = (0, 4 if hop.onlink else 0) if hop.gateway else (253, 0)
    header = struct.pack("=BBBBBBBBI", 2, int(length), 0, 0, 0, PROTOCOL, scope, 1, flags)
    words = packing.number(15, route.table) + packing.number(6, route.metric) + packing.number(4, index[hop.link or ""])
    words += packing.attribute(1, packing.octets(address)) if int(length) else b""
    words += packing.attribute(5, packing.octets(hop.gateway)) if hop.gateway else b""
    return packing.message(packing.NEWROUTE, packing.CREATE | packing.EXCL, header + words)


def new_rule(rule: Rule) -> bytes:
    """A policy rule of ours."""
    header = struct.pack("=BBBBBBBBI", 10 if rule.family == 6 else 2, 0, 0, 0, 0, 0, 0, 1, 0)
    words = packing.number(6, rule.priority) + packing.number(15, rule.table) + packing.attribute(21, bytes([PROTOCOL]))
    if rule.mask:
        words += packing.number(10, rule.mark) + packing.number(16, rule.mask)
    return packing.message(packing.NEWRULE, packing.CREATE | packing.EXCL, header + words)


def first_rule_away() -> bytes:
    """IPv4's ``lookup local`` at priority 0, which stands elsewhere in a router that steers."""
    header = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 255, 0, 0, 1, 0)
    return packing.message(packing.DELRULE, 0, header + packing.number(6, 0))


def wanted(routers: int) -> list[Wanted]:
    """What the compiler yields for each of a number of routers."""
    found = []
    for number in range(routers):
        state = compile_host(scenario_north.view_of(number), scenario.HERE, scenario_north.local(number))
        found.append(Wanted(claim.object for part in state.values() for claim in part.claims.values()))
    return found
