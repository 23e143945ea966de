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
from onehop.store import allocation, component, pool
from onehop.store.session import Session
from onehop.store.table import GATEWAY, PLACE, PORT_BLOCK, TABLES

DEFAULT_BLOCK = 1024
_BLOCK = PORT_BLOCK.c


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


def add_block(session: Session, router_id: str, host: str) -> PortBlock | None:
    """Give a host one more port block; None where all are taken or in quarantine.

    What the host itself gave back comes first: nobody else's connections are in it.
    """
    expired = session.time - session.rules.quarantine_seconds
    session.write(sa.delete(PORT_BLOCK).where(_BLOCK.router_id == router_id, _BLOCK.freed_at <= expired))
    taken = _taken(session, router_id)
    mine = next((row for row in taken if row.host == host and row.freed_at is not None), None)
    if mine is not None:
        session.write(
            sa.update(PORT_BLOCK)
            .where(_BLOCK.router_id == router_id, _BLOCK.first == mine.first)
            .values(host=host, freed_at=None)
        )
        return PortBlock(mine.first, mine.size)
    size = _block_size(session, router_id)
    first = _free_block(size, [(row.first, row.first + row.size - 1) for row in taken])
    if first is None and _reclaim(session, router_id, keep=[host]):
        return add_block(session, router_id, host)
    if first is None:
        return None
    session.write(sa.insert(PORT_BLOCK), {"router_id": router_id, "first": first, "size": size, "host": host})
    return PortBlock(first, size)


def refill(session: Session) -> set[str]:
    """Try again to give a block to every host that has a place without one; the routers that changed."""
    held = sa.select(_BLOCK.first).where(
        _BLOCK.router_id == PLACE.c.router_id, _BLOCK.host == PLACE.c.host, _BLOCK.freed_at.is_(None)
    )
    without = sa.select(PLACE.c.router_id, PLACE.c.host).where(~held.exists()).order_by(PLACE.c.router_id, PLACE.c.host)
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


def room(session: Session, router_id: str, host: str) -> int:
    """How many source ports a host has of a router."""
    mine = (_BLOCK.router_id == router_id, _BLOCK.host == host, _BLOCK.freed_at.is_(None))
    return int(session.read(sa.select(sa.func.coalesce(sa.func.sum(_BLOCK.size), 0)).where(*mine)).scalar_one())


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
            .where(_BLOCK.router_id == router_id, _BLOCK.host == host, _BLOCK.freed_at.is_(None))
            .values(freed_at=session.time)
        )


def _reclaim(session: Session, router_id: str, keep: Collection[str]) -> set[int]:
    """Take away the places of hosts that hold nothing of the router any more; the numbers that came free."""
    networks, _ = component.component(session, component.networks_of(session, router_id))
    candidates = session.read(sa.select(GATEWAY.c.candidates).where(GATEWAY.c.router_id == router_id)).scalar_one()
    needed = {*component.hosts_on(session, networks), *candidates, *keep}
    rows = session.read(sa.select(PLACE.c.host, PLACE.c.number).where(PLACE.c.router_id == router_id)).all()
    idle = {host: number for host, number in rows if host not in needed}
    for host in idle:
        remove(session, host, [router_id])
    return set(idle.values())


def _taken(session: Session, router_id: str) -> Sequence[Any]:
    return session.read(sa.select(PORT_BLOCK).where(_BLOCK.router_id == router_id).order_by(_BLOCK.first)).all()


def _free_block(size: int, taken: Sequence[pool.Range]) -> int | None:
    """The lowest multiple of `size` at which a block fits between what is taken."""
    for first in _bases(size):
        if all(first > last or first + size - 1 < begin for begin, last in taken):
            return first
    return None


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
