"""Rows to the data plane's values: the few columns it depends on, in a few statements whatever the number of rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa
from msgspec.structs import replace

from onehop.model.floating_ip import FLOATING_OWNER, FloatingIp, Forwarding
from onehop.model.gateway import GATEWAY_OWNER, Gateway, PortBlock, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import AddressPair, Binding, FixedIp, Port
from onehop.model.router import ExtraRoute, Router
from onehop.model.security_group import SecurityGroup, SecurityRule
from onehop.model.security_rule import VERSIONS, number_of
from onehop.model.subnet import HostRoute, Subnet
from onehop.model.topology import Ref, Value
from onehop.model.topology import ref as ref_of
from onehop.net.identifier import HostName
from onehop.store import change
from onehop.store.session import Result, Session
from onehop.store.table import GATEWAY, PLACE, PORT_BLOCK, TABLES

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
    bound: dict[str, list[tuple[str, bool]]] = {}
    for port, host, status in _rows(session, "binding", ids, "port_id", "port_id", "host", "status"):
        bound.setdefault(port, []).append((host, status == "ACTIVE"))
    names = ("id", "network_id", "project_id", "mac_address", "fixed_ips", "device_owner", "device_id", "bound_at")
    more = ("admin_state_up", "port_security_enabled", "allowed_address_pairs", "security_groups")
    for id, network, project, mac, ips, owner, device, since, up, secure, pairs, groups in _rows(
        session, "port", ids, "id", *names, *more
    ):
        if owner == FLOATING_OWNER:
            continue
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
            bindings=tuple(
                Binding(HostName(host), active, since if active else 0) for host, active in sorted(bound.get(id, ()))
            ),
            security_groups=tuple(groups),
        )


def _security_groups(session: Session, ids: Ids) -> Iterator[Value]:
    rules: dict[str, list[SecurityRule]] = {}
    names = ("security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max")
    for group, direction, ethertype, protocol, first, last, prefix, remote in _rows(
        session, "security_group_rule", ids, "security_group_id", *names, "remote_ip_prefix", "remote_group_id"
    ):
        rule = SecurityRule(
            direction=direction,
            version=VERSIONS[ethertype],
            protocol=number_of(protocol),
            first=-1 if first is None else first,
            last=-1 if last is None else last,
            prefix=prefix or "",
            group=remote or "",
        )
        rules.setdefault(group, []).append(rule)
    for id, project, stateful in _rows(session, "security_group", ids, "id", "id", "project_id", "stateful"):
        found = tuple(sorted(set(rules.get(id, ()))))
        yield SecurityGroup(id=id, project_id=project, stateful=stateful, rules=found)


def _routers(session: Session, ids: Ids) -> Iterator[Value]:
    gateways = _gateways(session, ids)
    names = ("id", "project_id", "admin_state_up", "routes", "enable_snat", "snat")
    for id, project, up, routes, enable_snat, snat in _rows(session, "router", ids, "id", *names):
        pairs = sorted((r["destination"], r["nexthop"]) for r in routes)
        gateway = gateways.get(id)
        if gateway is not None:
            gateway = replace(gateway, enable_snat=enable_snat, distributed=snat != "centralized")
        yield Router(
            id=id,
            project_id=project,
            admin_state_up=up,
            routes=tuple(ExtraRoute(*p) for p in pairs),
            gateway=gateway,
        )


def _gateways(session: Session, ids: Ids) -> dict[str, Gateway]:
    """Gateways by router id, but for what the router's own row says."""
    rows = _own(session, GATEWAY, ids).all()
    if not rows:
        return {}
    ports = TABLES["port"].c
    held = sa.select(ports.id, ports.fixed_ips).where(ports.device_owner == GATEWAY_OWNER)
    if ids is not None:
        held = held.where(ports.device_id.in_(ids))
    ips = {id: tuple(FixedIp(ip["subnet_id"], ip["ip_address"]) for ip in found) for id, found in session.read(held)}
    blocks: dict[tuple[str, str], list[PortBlock]] = {}
    for row in _own(session, PORT_BLOCK, ids):
        if row.freed_at is None:
            block = PortBlock(row.first, row.size, row.address, row.since)
            blocks.setdefault((row.router_id, row.host), []).append(block)
    hosts: dict[str, list[RouterHost]] = {}
    for row in _own(session, PLACE, ids):
        place = RouterHost(
            host=row.host,
            number=row.number,
            mac_address=row.mac_address,
            transit_ip=row.transit_ip,
            transit_mac=row.transit_mac,
            blocks=tuple(
                sorted(blocks.get((row.router_id, row.host), ()), key=lambda block: (block.address, block.first))
            ),
        )
        hosts.setdefault(row.router_id, []).append(place)
    return {
        row.router_id: Gateway(
            port_id=row.port_id,
            network_id=row.network_id,
            fixed_ips=ips.get(row.port_id, ()),
            vni=row.vni,
            owner=row.owner,
            generation=row.generation,
            candidates=tuple(row.candidates),
            hosts=tuple(sorted(hosts.get(row.router_id, ()), key=lambda place: place.host)),
        )
        for row in rows
    }


def _own(session: Session, table: sa.Table, ids: Ids) -> Result:
    statement = sa.select(table)
    return session.read(statement if ids is None else statement.where(table.c.router_id.in_(ids)))


def _floating_ips(session: Session, ids: Ids) -> Iterator[Value]:
    forwardings: dict[str, list[Forwarding]] = {}
    names = ("floatingip_id", "protocol", "external_first", "external_last", "internal_port_id", "internal_ip_address")
    for id, protocol, first, last, port, ip, internal in _rows(
        session, "port_forwarding", ids, "floatingip_id", *names, "internal_first"
    ):
        rule = Forwarding(
            protocol=protocol,
            external_first=first,
            external_last=last,
            port_id=port,
            internal_ip=ip,
            internal_first=internal,
        )
        forwardings.setdefault(id, []).append(rule)
    names = ("id", "floating_ip_address", "floating_network_id", "router_id", "port_id", "fixed_ip_address")
    for id, ip, network, router, port, fixed in _rows(session, "floatingip", ids, "id", *names):
        if router is None:
            continue
        yield FloatingIp(
            id=id,
            address=ip,
            network_id=network,
            router_id=router,
            port_id=port,
            fixed_ip=fixed,
            forwardings=tuple(sorted(forwardings.get(id, ()), key=lambda rule: (rule.protocol, rule.external_first))),
        )


def _hosts(session: Session, ids: Ids) -> Iterator[Value]:
    for name, said in _rows(session, "agent", ids, "host", "host", "configurations"):
        if said.get("vtep"):
            physical = tuple(sorted(said.get("physical_networks", ())))
            yield Host(name=name, vtep=said["vtep"], physical_networks=physical)


_READERS: Mapping[str, Callable[[Session, Ids], Iterator[Value]]] = MappingProxyType(
    {
        "network": _networks,
        "subnet": _subnets,
        "port": _ports,
        "router": _routers,
        "host": _hosts,
        "floatingip": _floating_ips,
        "security_group": _security_groups,
    }
)
