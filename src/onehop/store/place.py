"""Places: what each host of a router with a gateway is given. Number, MACs, transit address, port blocks.

What is free is chosen by reading what is taken; constraints decide (see `onehop.store.allocation`). A host that finds
no block is given a place all the same: it sends through the owner.
"""

import ipaddress
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from onehop.model.gateway import FIRST_PORT, LAST_PORT, MAXIMUM_PLACES, PortBlock
from onehop.net import address
from onehop.store import allocation, component, pool
from onehop.store.session import Session
from onehop.store.table import GATEWAY, PLACE, PORT_BLOCK, REVISION, TABLES

DEFAULT_BLOCK = 1024
NOBODY = ""
"""Who had a block of which that is not known."""

_BLOCK = PORT_BLOCK.c
_LIVE = _BLOCK.freed_at.is_(None)


def _transit(first: str, last: str) -> pool.Range:
    return int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last))


# RFC 3927 reserves the first and last 256 addresses; instances know 169.254.169.254; external legs anchor on
# 169.254.255.254 (`onehop.net.naming.ANCHOR`), which lies in the reserved end.
_TRANSIT = (_transit("169.254.1.1", "169.254.169.253"), _transit("169.254.169.255", "169.254.254.254"))


class _Numbers:
    """Taken numbers, sorted, as `pool.free` asks for them."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = sorted(numbers)

    def count(self, within: pool.Range) -> int:
        return sum(within[0] <= number <= within[1] for number in self._numbers)

    def first(self, within: pool.Range, limit: int) -> Sequence[int]:
        return [number for number in self._numbers if within[0] <= number <= within[1]][:limit]


def add(session: Session, router_id: str, hosts: Iterable[str]) -> bool:
    """Give a place to each of these hosts that has none; whether anything changed."""
    rows = list(session.read(sa.select(PLACE).where(PLACE.c.router_id == router_id)))
    missing = sorted(set(hosts) - {row.host for row in rows})
    if not missing:
        return False
    numbers, ips = {row.number for row in rows}, {int(ipaddress.IPv4Address(row.transit_ip)) for row in rows}
    macs = {row.transit_mac for row in rows}
    if len(rows) + len(missing) > MAXIMUM_PLACES:
        numbers -= _reclaim(session, router_id, keep=missing)
    network_id = _network_of(session, router_id)
    added = False
    for host in missing:
        number = pool.free([(1, MAXIMUM_PLACES)], _Numbers(numbers), secrets.randbelow)
        ip = pool.free(_TRANSIT, _Numbers(ips), secrets.randbelow)
        if number is None or ip is None:
            break
        mac = _fresh_mac(session.rules.mac_prefix, macs)
        numbers.add(number)
        ips.add(ip)
        macs.add(mac)
        place = {
            "router_id": router_id,
            "host": host,
            "network_id": network_id,
            "number": number,
            "mac_address": allocation.allocate_mac(session, network_id, session.rules.mac_prefix),
            "transit_ip": str(ipaddress.IPv4Address(ip)),
            "transit_mac": mac,
        }
        session.write(sa.insert(PLACE), place)
        add_block(session, router_id, host)
        added = True
    return added


def add_block(session: Session, router_id: str, host: str, near: str = "") -> PortBlock | None:
    """Give a host one more port block; None where all are taken or in quarantine.

    What the host itself gave back comes first: nobody else's connections are in it. A first block is of the gateway
    address of which the fewest ports are taken. A further one is of the address where the host's newest is, and of
    another only when that is full: instances keep their address.

    Args:
        session, router_id, host: where.
        near: the address of which more ports are needed; empty is the one of the host's newest block.
    """
    expired = session.time - session.rules.quarantine_seconds
    session.write(sa.delete(PORT_BLOCK).where(_BLOCK.router_id == router_id, _BLOCK.freed_at <= expired))
    taken = _taken(session, router_id)
    for wanted in _wanted(addresses_of(session, router_id), taken, host, near):
        found = _take(session, router_id, host, wanted, [row for row in taken if row.address == wanted])
        if found is not None:
            return found
    if _reclaim(session, router_id, keep=[host]):
        return add_block(session, router_id, host, near)
    return None


def _wanted(addresses: Sequence[str], taken: Sequence[Any], host: str, near: str) -> list[str]:
    """Addresses of which a host may be given ports, the best one first."""
    load = {ip: sum(row.size for row in taken if row.address == ip) for ip in addresses}
    free = sorted(addresses, key=load.__getitem__)
    mine = [row for row in taken if row.host == host and row.address in load]
    held = [row for row in mine if row.freed_at is None]
    if not held:
        return sorted(free, key=lambda ip: all(row.address != ip for row in mine))
    newest = max(held, key=lambda row: row.since).address
    near = near or newest
    if near != newest:
        # Its instances stay there; new ones are on the newest already.
        return [near] if near in load else []
    return [near, *(ip for ip in free if ip != near)]


def _take(session: Session, router_id: str, host: str, ip: str, taken: Sequence[Any]) -> PortBlock | None:
    """Give a host a block of one address; `taken` are those of that address."""
    since = int(session.read(sa.select(REVISION.c.value)).scalar_one()) + 1
    mine = next((row for row in taken if row.host == host and row.freed_at is not None), None)
    if mine is not None:
        session.write(
            sa.update(PORT_BLOCK)
            .where(_BLOCK.router_id == router_id, _BLOCK.address == ip, _BLOCK.first == mine.first)
            .values(freed_at=None, since=since)
        )
        return PortBlock(mine.first, mine.size, ip, since)
    size = _block_size(session, router_id)
    first = _free_block(size, [(row.first, row.first + row.size - 1) for row in taken])
    if first is None:
        return None
    block = {"router_id": router_id, "address": ip, "first": first, "size": size, "host": host, "since": since}
    session.write(sa.insert(PORT_BLOCK), block)
    return PortBlock(first, size, ip, since)


def quarantine_rest(session: Session, router_id: str, since: int) -> None:
    """Keep every block of a router that nobody holds from being given out for a while: somebody may have had it."""
    size, taken = _block_size(session, router_id), _taken(session, router_id)
    rest = []
    for ip in addresses_of(session, router_id):
        held = [(row.first, row.first + row.size - 1) for row in taken if row.address == ip]
        rest += [
            {
                "router_id": router_id,
                "address": ip,
                "first": first,
                "size": size,
                "host": NOBODY,
                "since": since,
                "freed_at": session.time,
            }
            for first in _bases(size)
            if _fits(first, size, held)
        ]
    if rest:
        session.write(sa.insert(PORT_BLOCK), rest)


def readdress(session: Session, router_id: str) -> None:
    """A gateway has other addresses now: blocks of those that went are freed, hosts without a block are given one."""
    gone = sa.update(PORT_BLOCK).where(_BLOCK.router_id == router_id, _LIVE)
    gone = gone.where(_BLOCK.address.not_in(addresses_of(session, router_id)))
    session.write(gone.values(freed_at=session.time))
    _refill(session, _without().where(PLACE.c.router_id == router_id))


def addresses_of(session: Session, router_id: str) -> list[str]:
    """A gateway's IPv4 addresses, in the port's order."""
    ports = TABLES["port"].c
    held = sa.select(ports.fixed_ips).join(GATEWAY, GATEWAY.c.port_id == ports.id)
    found = session.read(held.where(GATEWAY.c.router_id == router_id)).scalar_one_or_none() or []
    return [ip["ip_address"] for ip in found if address.version(ip["ip_address"]) == 4]


def refill(session: Session) -> set[str]:
    """Try again to give a block to every host that has a place without one; the routers that changed."""
    return _refill(session, _without())


def _without() -> sa.Select[str, str]:
    """Router and host of places without a block."""
    held = sa.select(_BLOCK.first).where(_BLOCK.router_id == PLACE.c.router_id, _BLOCK.host == PLACE.c.host, _LIVE)
    return sa.select(PLACE.c.router_id, PLACE.c.host).where(~held.exists()).order_by(PLACE.c.router_id, PLACE.c.host)


def _refill(session: Session, without: sa.Select[str, str]) -> set[str]:
    changed: set[str] = set()
    full: set[str] = set()
    for router_id, host in session.read(without).all():
        if router_id in full or not has(session, router_id, host):
            continue
        if add_block(session, router_id, host) is None:
            full.add(router_id)
        else:
            changed.add(router_id)
    return changed


def room(session: Session, router_id: str, host: str, ip: str = "") -> int:
    """How many source ports a host has of a router, of one address or of all."""
    mine = [_BLOCK.router_id == router_id, _BLOCK.host == host, _LIVE]
    if ip:
        mine.append(_BLOCK.address == ip)
    return int(session.read(sa.select(sa.func.coalesce(sa.func.sum(_BLOCK.size), 0)).where(*mine)).scalar_one())


def may_grow(session: Session, router_id: str, host: str) -> bool:
    """Whether a host that asks for it is given a further block: it needs the router, and has not had its part yet."""
    if host not in _needing(session, router_id):
        return False
    total = len(addresses_of(session, router_id)) * (LAST_PORT + 1 - FIRST_PORT)
    return room(session, router_id, host) + _block_size(session, router_id) <= total * session.rules.port_share


def has(session: Session, router_id: str, host: str) -> bool:
    """Whether the host has a place in the router."""
    mine = sa.select(PLACE.c.number).where(PLACE.c.router_id == router_id, PLACE.c.host == host)
    return session.read(mine).first() is not None


def remove(session: Session, host: str, router_ids: Collection[str]) -> None:
    """Take a host's places in these routers away; its blocks go into quarantine."""
    for router_id in router_ids:
        session.mark("router", router_id)
        session.write(sa.delete(PLACE).where(PLACE.c.router_id == router_id, PLACE.c.host == host))
        session.write(
            sa.update(PORT_BLOCK)
            .where(_BLOCK.router_id == router_id, _BLOCK.host == host, _LIVE)
            .values(freed_at=session.time)
        )


def _reclaim(session: Session, router_id: str, keep: Collection[str]) -> set[int]:
    """Take away the places of hosts that hold nothing of the router any more; the numbers that came free."""
    needed = {*_needing(session, router_id), *keep}
    rows = session.read(sa.select(PLACE.c.host, PLACE.c.number).where(PLACE.c.router_id == router_id)).all()
    idle = {host: number for host, number in rows if host not in needed}
    for host in idle:
        remove(session, host, [router_id])
    return set(idle.values())


def _needing(session: Session, router_id: str) -> set[str]:
    """Hosts that a router is needed on: candidates, and those with an instance in its component."""
    networks, _ = component.component(session, component.networks_of(session, router_id))
    candidates = session.read(sa.select(GATEWAY.c.candidates).where(GATEWAY.c.router_id == router_id)).scalar_one()
    return {*component.hosts_on(session, networks), *candidates}


def _taken(session: Session, router_id: str) -> Sequence[Any]:
    return session.read(
        sa.select(PORT_BLOCK).where(_BLOCK.router_id == router_id).order_by(_BLOCK.address, _BLOCK.first)
    ).all()


def _free_block(size: int, taken: Sequence[pool.Range]) -> int | None:
    """The lowest multiple of `size` at which a block fits between what is taken."""
    return next((first for first in _bases(size) if _fits(first, size, taken)), None)


def _fits(first: int, size: int, taken: Sequence[pool.Range]) -> bool:
    return all(first > last or first + size - 1 < begin for begin, last in taken)


def _bases(size: int) -> Iterator[int]:
    begin = -(-FIRST_PORT // size) * size
    return iter(range(begin, LAST_PORT + 2 - size, size))


def _block_size(session: Session, router_id: str) -> int:
    router = TABLES["router"].c
    size = session.read(sa.select(router.port_block_size).where(router.id == router_id)).scalar_one()
    return int(size) or DEFAULT_BLOCK


def _network_of(session: Session, router_id: str) -> str:
    return str(session.read(sa.select(GATEWAY.c.network_id).where(GATEWAY.c.router_id == router_id)).scalar_one())


def _fresh_mac(prefix: str, taken: Collection[str]) -> str:
    while (mac := f"{prefix}:{secrets.token_bytes(3).hex(':')}") in taken:
        continue
    return mac
