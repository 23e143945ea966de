"""What MemoryKernel holds: namespaces and devices with all that hangs on them."""

from dataclasses import dataclass, field

import msgspec

from onehop.net.address import parse_prefix, version
from onehop.objects import Address, BridgeFdb, Key, Link, Neighbour, Route, Rule, Ruleset, VxlanFdb


@dataclass
class Device:
    """A link and what hangs on it.

    `addresses` keeps the kernel's order: of the IPv4 addresses of one subnet the first is the primary.
    """

    link: Link
    addresses: list[Address] = field(default_factory=list)
    neighbours: dict[Key, Neighbour] = field(default_factory=dict)
    vxlan_fdb: dict[Key, VxlanFdb] = field(default_factory=dict)
    bridge_fdb: dict[Key, BridgeFdb] = field(default_factory=dict)

    def change(self, **fields: object) -> None:
        """Change some of the link's fields."""
        self.link = msgspec.structs.replace(self.link, **fields)

    def has_ipv4(self) -> bool:
        """Whether any IPv4 address is left."""
        return any(version(address.address) == 4 for address in self.addresses)


@dataclass
class Space:
    """A network namespace.

    Attributes:
        mark: alias of its ``lo``.
        alien: keys of routes and rules that bear another protocol number than ours.
    """

    mark: str
    devices: dict[str, Device] = field(default_factory=dict)
    routes: dict[Key, Route] = field(default_factory=dict)
    rules: dict[Key, Rule] = field(default_factory=dict)
    rulesets: dict[Key, Ruleset] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    alien: set[Key] = field(default_factory=set)

    def setting(self, path: str) -> bool:
        """Whether a setting is on; off where nobody ever wrote it."""
        return self.sysctls.get(path, "0") != "0"

    def is_local(self, ip: str) -> bool:
        """Whether an address is on any of its links."""
        return any(a.address.partition("/")[0] == ip for device in self.devices.values() for a in device.addresses)

    def drop_sources(self) -> None:
        """After an address went: IPv4 drops the main table's routes from it, IPv6 their preference only.

        fib_sync_down_addr in net/ipv4/fib_semantics.c, fib6_remove_prefsrc in net/ipv6/route.c.
        """
        for key, route in list(self.routes.items()):
            if route.source is None or self.is_local(route.source):
                continue
            if version(route.destination) == 6:
                self.routes[key] = msgspec.structs.replace(route, source=None)
            elif route.table == 254:
                del self.routes[key]


def subnet(address: str) -> str:
    """The prefix in which an address lies."""
    return parse_prefix(address, strict=False)
