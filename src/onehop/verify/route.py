"""Where a packet goes: policy rules, routing tables, and the source that the kernel would choose."""

from collections.abc import Iterator

import msgspec

from onehop.net import address, naming
from onehop.objects import Address, NextHop, Route, Rule
from onehop.verify.space import Space, bare, prefix
from onehop.verify.watch import SILENT, Watch

_TABLES = {naming.LOCAL_TABLE: "local", naming.MAIN_TABLE: "main", naming.DEFAULT_TABLE: "default"}
LINK_LOCALS = "fe80::/10"
OF_LINK = (LINK_LOCALS, "ff00::/8")
_KERNEL_METRIC = {4: 0, 6: 256}


class Way(msgspec.Struct, frozen=True):
    """What the routing tables say of a destination.

    Attributes:
        type: ``unicast``, ``local``, ``broadcast``, ``blackhole``, ``unreachable`` or ``prohibit``.
        text: as ``ip route get`` would say it, with table and rule.
        link: where it leaves.
        gateway: the next hop; None where the destination is on the link.
    """

    type: str
    text: str
    link: str = ""
    gateway: str | None = None


def lookup(
    space: Space,
    destination: str,
    *,
    mark: int = 0,
    source: str,
    incoming: str = "",
    way: int = 0,
    watch: Watch = SILENT,
) -> Way:
    """Ask the rules in their order for a destination.

    Args:
        space: the namespace.
        destination, source: canonical addresses.
        mark: of the packet.
        incoming: link it came by, empty where it starts here.
        way: which one of equal-cost next hops; the kernel would choose by a hash of the addresses.
        watch: is told which tables were asked.
    """
    version = address.version(destination)
    for rule in space.rules:
        if rule.family != version or not _selects(rule, destination, source, mark, incoming):
            continue
        watch.used("routes", space.host, space.name, rule.table)
        found = _best(space, rule.table, destination, incoming)
        if found is not None:
            return _way(found, rule, way)
    return Way("none", "no route")


def _selects(rule: Rule, destination: str, source: str, mark: int, incoming: str) -> bool:
    if rule.mask and mark & rule.mask != rule.mark & rule.mask:
        return False
    if rule.incoming is not None and rule.incoming != incoming:
        return False
    if rule.source is not None and not address.contains(rule.source, source):
        return False
    return rule.destination is None or address.contains(rule.destination, destination)


NOBODYS = {4: ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"), 6: ("::/128", "::1/128", "ff00::/8")}
"""By IP version: what is nobody's source. Nothing from there is routed (ip_route_input_slow, ip6_forward)."""


def is_nobodys(ip: str) -> bool:
    """Whether an address is nobody's, a loopback's or a group's."""
    return any(address.contains(prefix, ip) for prefix in NOBODYS[address.version(ip)])


def is_linked(ip: str) -> bool:
    """Whether an address is good for one link only (RFC 4291, 2.5.6): no router forwards from it or to it."""
    return ip.startswith("fe") and address.contains(LINK_LOCALS, ip)


def is_of_link(ip: str) -> bool:
    """Whether an IPv6 destination is on the link for sure: link-local, or a group."""
    return any(address.contains(prefix, ip) for prefix in OF_LINK)


def _best(space: Space, table: int, destination: str, incoming: str) -> Route | None:
    strict = incoming if is_linked(destination) else ""  # rt6_need_strict in net/ipv6/route.c
    version = address.version(destination)
    known = routes_of(space, table)
    fitting = [
        route
        for route in known
        if address.version(route.destination) == version
        and address.contains(route.destination, destination)
        and (not strict or all(hop.link == strict for hop in route.hops))
        and all(hop.link is None or _up(space, hop.link) for hop in route.hops)
    ]
    return min(fitting, key=lambda r: (-address.prefix_length(r.destination), r.metric), default=None)


def routes_of(space: Space, table: int) -> list[Route]:
    """What is in a table, with what the kernel puts there for addresses."""
    if table not in space.known_routes:
        space.known_routes[table] = [*space.routes.get(table, ()), *_of_addresses(space, table)]
    return space.known_routes[table]


def _up(space: Space, link: str) -> bool:
    return link not in space.links or space.links[link].up


def _of_addresses(space: Space, table: int) -> Iterator[Route]:
    """Routes that the kernel makes for addresses."""
    for link, addresses in space.addresses.items():
        hops = (NextHop(link=link),)
        for one in addresses:
            version = address.version(one.address)
            whole, length = (32, 128)[version == 6], address.prefix_length(one.address)
            if table == naming.LOCAL_TABLE:
                yield _made(space, f"{bare(one)}/{whole}", table, hops, "local")
                if version == 4 and length < 31:
                    last = address.network_of(prefix(one)).broadcast_address
                    yield _made(space, f"{last}/32", table, hops, "broadcast")
            elif table == naming.MAIN_TABLE and length < whole:
                yield _made(space, prefix(one), table, hops, "unicast")


def _made(space: Space, destination: str, table: int, hops: tuple[NextHop, ...], type: str) -> Route:
    metric = _KERNEL_METRIC[address.version(destination)]
    return Route(namespace=space.name, destination=destination, table=table, metric=metric, hops=hops, type=type)


def _way(route: Route, rule: Rule, number: int) -> Way:
    table = _TABLES.get(rule.table, str(rule.table))
    chosen = f" (rule {rule.priority}: fwmark {rule.mark:#x}/{rule.mask:#x})" if rule.mark else ""
    where = f"table {table}{chosen}"
    if route.type != "unicast" or not route.hops:
        link = route.hops[0].link or "" if route.hops else ""
        dev = f" dev {link}" if link else ""
        return Way(route.type, f"{route.type} {route.destination}{dev}, {where}", link)
    hop = route.hops[number % len(route.hops)]
    via = f" via {hop.gateway}" if hop.gateway else ""
    several = f", one of {len(route.hops)} equal ways" if len(route.hops) > 1 else ""
    text = f"{route.destination}{via} dev {hop.link}, {where}{several}"
    return Way("unicast", text, hop.link or "", hop.gateway)


def source_for(space: Space, way: Way, destination: str) -> str | None:
    """The address from which a namespace speaks to a destination by a way (inet_select_addr in net/ipv4/devinet.c)."""
    version = address.version(destination)
    if way.type == "local":
        # The primary address of the prefix (fib_add_ifaddr in net/ipv4/fib_frontend.c).
        return next((bare(one) for one in space.addresses.get(way.link, ()) if _beside(one, destination)), destination)
    mine = [one for one in space.addresses.get(way.link, ()) if address.version(one.address) == version]
    nearest = way.gateway or destination
    near = [one for one in mine if address.contains(prefix(one), nearest)]
    linked = address.contains("fe80::/10", nearest)
    usable = near or [one for one in mine if (one.scope == "link") == linked] or mine
    return bare(usable[0]) if usable else None


def _beside(one: Address, ip: str) -> bool:
    return address.version(ip) == 4 and address.contains(prefix(one), ip)
