"""Addresses, MACs and VNIs: given out by constraint, so that no two ports or networks ever share one.

Choosing a free value reads what is taken; taking it is an INSERT that a primary key or unique constraint decides. The
two agree because there is one writer at a time; were that ever broken, the constraint would still refuse.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from onehop.errors import NotFoundError, PoolFullError, TakenError
from onehop.net import address
from onehop.store import pool
from onehop.store.prepared import Prepared
from onehop.store.session import Session
from onehop.store.table import ALLOCATION, PLACE, TABLES, VNI

_MAC_TRIES = 128

_SUBNET, _PORT = TABLES["subnet"].c, TABLES["port"].c
_THIS_SUBNET = ALLOCATION.c.subnet_id == sa.bindparam("subnet")
_RANGE = ALLOCATION.c.octets.between(sa.bindparam("low"), sa.bindparam("high"))
_POOLS = Prepared(sa.select(_SUBNET.ip_version, _SUBNET.allocation_pools).where(_SUBNET.id == sa.bindparam("subnet")))
_COUNT = Prepared(sa.select(sa.func.count()).select_from(ALLOCATION).where(_THIS_SUBNET, _RANGE))
_TAKEN = Prepared(
    sa.select(ALLOCATION.c.octets)
    .where(_THIS_SUBNET, _RANGE)
    .order_by(ALLOCATION.c.octets)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)
_HOLDER = Prepared(sa.select(ALLOCATION.c.port_id).where(_THIS_SUBNET, ALLOCATION.c.octets == sa.bindparam("number")))
_HELD = Prepared(
    sa.select(ALLOCATION.c.subnet_id, ALLOCATION.c.ip_address).where(ALLOCATION.c.port_id == sa.bindparam("port"))
)
_RELEASE = Prepared(
    sa.delete(ALLOCATION).where(
        _THIS_SUBNET, ALLOCATION.c.octets == sa.bindparam("number"), ALLOCATION.c.port_id == sa.bindparam("port")
    )
)
_PORT_MAC = sa.select(_PORT.mac_address).where(
    _PORT.network_id == sa.bindparam("network"), _PORT.mac_address == sa.bindparam("mac")
)
_LEG_MAC = sa.select(PLACE.c.mac_address).where(
    PLACE.c.network_id == sa.bindparam("network"), PLACE.c.mac_address == sa.bindparam("mac")
)
_PLACE_MAC = Prepared(_LEG_MAC)
_MAC = Prepared(sa.union_all(_PORT_MAC, _LEG_MAC))
_NO_VNI = Prepared(sa.delete(VNI).where(VNI.c.kind == sa.bindparam("of"), VNI.c.id == sa.bindparam("which")))
_CLAIM_VNI = Prepared(sa.insert(VNI))
_CLAIM = Prepared(
    {
        "sqlite": sqlite.insert(ALLOCATION).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(ALLOCATION).on_conflict_do_nothing(),
    }
)


def allocate_ip(session: Session, port_id: str, subnet_ids: Sequence[str]) -> dict[str, str]:
    """Take a free address of the first subnet that has one; see `Transaction.allocate_ip`."""
    for subnet_id in subnet_ids:
        ip_version, ranges = _pools(session, subnet_id)
        octets = 4 if ip_version == 4 else 16
        number = pool.free(ranges, _TakenAddresses(session, subnet_id, octets), secrets.randbelow)
        if number is not None:
            return claim_ip(session, port_id, subnet_id, address.unpack(number.to_bytes(octets, "big")))
    raise PoolFullError(f"no more addresses are free in the allocation pools of {', '.join(subnet_ids) or 'no subnet'}")


def claim_ip(session: Session, port_id: str, subnet_id: str, ip_address: str) -> dict[str, str]:
    """Take one address; see `Transaction.claim_ip`."""
    row = {"subnet_id": subnet_id, "octets": address.pack(ip_address), "ip_address": ip_address, "port_id": port_id}
    if not session.change(_CLAIM, row).rowcount:
        holder = holder_of_ip(session, subnet_id, ip_address)
        if holder != port_id:
            message = f"{ip_address} of subnet {subnet_id} belongs to port {holder} already"
            raise TakenError(message, "allocation", ("subnet_id", "ip_address"))
    session.claimed.setdefault(port_id, set()).add((subnet_id, ip_address))
    return {"subnet_id": subnet_id, "ip_address": ip_address}


def release_ips(session: Session, port_id: str, addresses: Iterable[tuple[str, str]]) -> None:
    """Give back what the port took; see `Transaction.release_ips`."""
    for subnet_id, ip_address in addresses:
        where = {"subnet": subnet_id, "number": address.pack(ip_address), "port": port_id}
        session.change(_RELEASE, where)
        session.claimed.get(port_id, set()).discard((subnet_id, ip_address))


def holder_of_ip(session: Session, subnet_id: str, ip_address: str) -> str | None:
    """Id of the port that has the address, or None."""
    found = session.ask(_HOLDER, {"subnet": subnet_id, "number": address.pack(ip_address)}).first()
    return None if found is None else str(found[0])


def sync(session: Session, port_id: str, fixed_ips: Sequence[Mapping[str, str]], *, fresh: bool = False) -> None:
    """Make the port's allocations those of its `fixed_ips`; a `fresh` port has only those of this transaction."""
    wanted = {(ip["subnet_id"], ip["ip_address"]) for ip in fixed_ips}
    if fresh:
        held = set(session.claimed.get(port_id, ()))
    else:
        held = {(s, ip) for s, ip in session.ask(_HELD, {"port": port_id}).all()}
    release_ips(session, port_id, sorted(held - wanted))
    for subnet_id, ip_address in sorted(wanted - held):
        claim_ip(session, port_id, subnet_id, ip_address)


def allocate_mac(session: Session, network_id: str, prefix: str, lasting: str = "") -> str:
    """A MAC that no port of the network has; see `Transaction.allocate_mac`."""
    for turn in range(_MAC_TRIES):
        tail = sha256(lasting.encode()).digest()[:3] if lasting and not turn else secrets.token_bytes(3)
        mac = f"{prefix}:{tail.hex(':')}"
        if session.ask(_MAC, {"network": network_id, "mac": mac}).first() is None:
            return mac
    raise PoolFullError(f"no free MAC address was found below {prefix} on network {network_id}")


def is_leg_mac(session: Session, network_id: str, mac: str) -> bool:
    """Whether a router's external leg on the network has the MAC on some host."""
    return session.ask(_PLACE_MAC, {"network": network_id, "mac": mac}).first() is not None


def claim_vni(session: Session, vni: int | None, kind: str, id: str) -> None:
    """Make this the one VNI of a network or router; None gives back what it had.

    Raises:
        TakenError: something else has it (``resource`` = ``"vni"``).
    """
    session.change(_NO_VNI, {"of": kind, "which": id})
    if vni is not None:
        session.change(_CLAIM_VNI, {"vni": vni, "kind": kind, "id": id})


def allocate_vni(session: Session, first: int, last: int) -> int:
    """A VNI that nothing has; see `Transaction.allocate_vni`."""
    number = pool.free([(first, last)], _TakenVnis(session), secrets.randbelow)
    if number is None:
        raise PoolFullError(f"every VNI from {first} to {last} is in use: delete a network or widen vni_range")
    return number


class _TakenAddresses:
    """Taken addresses of one subnet, as numbers."""

    def __init__(self, session: Session, subnet_id: str, octets: int) -> None:
        self._session, self._subnet_id, self._octets = session, subnet_id, octets

    def _within(self, within: pool.Range) -> dict[str, Any]:
        low, high = (number.to_bytes(self._octets, "big") for number in within)
        return {"subnet": self._subnet_id, "low": low, "high": high}

    def count(self, within: pool.Range) -> int:
        return int(self._session.ask(_COUNT, self._within(within)).one()[0])

    def first(self, within: pool.Range, limit: int) -> Sequence[int]:
        rows = self._session.ask(_TAKEN, {**self._within(within), "most": limit}).all()
        return [int.from_bytes(octets, "big") for (octets,) in rows]


class _TakenVnis:
    """Taken VNIs."""

    def __init__(self, session: Session) -> None:
        self._session, self._vni = session, VNI.c.vni

    def count(self, within: pool.Range) -> int:
        return int(
            self._session.read(sa.select(sa.func.count(self._vni)).where(self._vni.between(*within))).scalar_one()
        )

    def first(self, within: pool.Range, limit: int) -> Sequence[int]:
        statement = sa.select(self._vni).where(self._vni.between(*within)).order_by(self._vni).limit(limit)
        return self._session.read(statement).scalars().all()


def _pools(session: Session, subnet_id: str) -> tuple[int, list[pool.Range]]:
    """The subnet's IP version, and its allocation pools as numbers."""
    known = session.pools.get(subnet_id)
    if known is None:
        found = session.ask(_POOLS, {"subnet": subnet_id}).first()
        if found is None:
            raise NotFoundError(f"there is no subnet {subnet_id}")
        known = found[0], [(_number(one["start"]), _number(one["end"])) for one in found[1]]
        session.pools[subnet_id] = known
    return known


def _number(ip_address: str) -> int:
    return int.from_bytes(address.pack(ip_address), "big")
