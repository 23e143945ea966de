"""Rows to the data plane's values: the few columns it depends on, in a few statements whatever the number of rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa

from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import AddressPair, Binding, FixedIp, Port
from onehop.model.router import ExtraRoute, Router
from onehop.model.subnet import HostRoute, Subnet
from onehop.model.topology import Ref, Value
from onehop.model.topology import ref as ref_of
from onehop.store import change
from onehop.store.session import Result, Session
from onehop.store.table import TABLES

_CHUNK = 500


def values(session: Session, refs: Iterable[Ref]) -> dict[Ref, Value | None]:
    """The value of each ref; see `Transaction.values`."""
    found: dict[Ref, Value | None] = dict.fromkeys(refs)
    by_kind: dict[str, list[str]] = {}
    for kind, id in found:
        by_kind.setdefault(kind, []).append(id)
    for kind, ids in by_kind.items():
        for start in range(0, len(ids), _CHUNK):
            for value in _READERS[kind](session, ids[start : start + _CHUNK]):
                found[ref_of(value)] = value
    return found


def snapshot(session: Session) -> tuple[int, list[Value]]:
    """The revision, and every value; see `Transaction.snapshot`."""
    revision = change.revision(session)
    return revision, [value for read in _READERS.values() for value in read(session, None)]


Ids = Sequence[str] | None


def _rows(session: Session, kind: str, ids: Ids, key: str, *names: str) -> Result:
    columns = TABLES[kind].c
    statement = sa.select(*(columns[name] for name in names)).order_by(columns[key])
    return session.read(statement if ids is None else statement.where(columns[key].in_(ids)))


def _networks(session: Session, ids: Ids) -> Iterator[Value]:
    names = ("id", "project_id", "provider_network_type", "provider_segmentation_id", "provider_physical_network")
    rows = _rows(session, "network", ids, "id", *names, "mtu", "router_external", "admin_state_up")
    for id, project, kind, segment, physical, mtu, external, up in rows:
        yield Network(
            id=id,
            project_id=project,
            network_type=kind,
            vni=segment if kind == "vxlan" else None,
            physical_network=physical,
            mtu=mtu,
            external=external,
            admin_state_up=up,
        )


def _subnets(session: Session, ids: Ids) -> Iterator[Value]:
    names = ("id", "network_id", "cidr", "gateway_ip", "dns_nameservers", "host_routes")
    for id, network, cidr, gateway, servers, routes, mode, address_mode in _rows(
        session, "subnet", ids, "id", *names, "ipv6_ra_mode", "ipv6_address_mode"
    ):
        yield Subnet(
            id=id,
            network_id=network,
            cidr=cidr,
            gateway_ip=gateway,
            dns_nameservers=tuple(servers),
            host_routes=tuple(HostRoute(r["destination"], r["nexthop"]) for r in routes),
            ipv6_ra_mode=mode,
            ipv6_address_mode=address_mode,
        )


def _ports(session: Session, ids: Ids) -> Iterator[Value]:
    bindings: dict[str, list[Binding]] = {}
    for port, host, status in _rows(session, "binding", ids, "port_id", "port_id", "host", "status"):
        bindings.setdefault(port, []).append(Binding(host, status == "ACTIVE"))
    names = ("id", "network_id", "project_id", "mac_address", "fixed_ips", "device_owner", "device_id")
    for id, network, project, mac, ips, owner, device, up, secure, pairs in _rows(
        session, "port", ids, "id", *names, "admin_state_up", "port_security_enabled", "allowed_address_pairs"
    ):
        yield Port(
            id=id,
            network_id=network,
            project_id=project,
            mac_address=mac,
            fixed_ips=tuple(FixedIp(ip["subnet_id"], ip["ip_address"]) for ip in ips),
            device_owner=owner,
            device_id=device,
            admin_state_up=up,
            port_security_enabled=secure,
            allowed_address_pairs=tuple(AddressPair(p.get("mac_address", mac), p["ip_address"]) for p in pairs),
            bindings=tuple(sorted(bindings.get(id, ()), key=lambda b: b.host)),
        )


def _routers(session: Session, ids: Ids) -> Iterator[Value]:
    for id, project, up, routes in _rows(session, "router", ids, "id", "id", "project_id", "admin_state_up", "routes"):
        pairs = sorted((r["destination"], r["nexthop"]) for r in routes)
        yield Router(id=id, project_id=project, admin_state_up=up, routes=tuple(ExtraRoute(*p) for p in pairs))


def _hosts(session: Session, ids: Ids) -> Iterator[Value]:
    for name, said in _rows(session, "agent", ids, "host", "host", "configurations"):
        if said.get("vtep"):
            physical = tuple(sorted(said.get("physical_networks", ())))
            yield Host(name=name, vtep=said["vtep"], physical_networks=physical)


_READERS: Mapping[str, Callable[[Session, Ids], Iterator[Value]]] = MappingProxyType(
    {"network": _networks, "subnet": _subnets, "port": _ports, "router": _routers, "host": _hosts}
)
