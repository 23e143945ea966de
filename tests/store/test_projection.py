"""Rows as values of the data plane: what it depends on, and nothing else."""

import sqlalchemy as sa

from onehop.model.network import Network
from onehop.model.port import AddressPair, Binding, FixedIp, Port
from onehop.model.router import ExtraRoute, Router
from onehop.model.subnet import HostRoute, Subnet
from onehop.model.topology import Ref
from onehop.net.identifier import HostName, NetworkId, PortId, ProjectId, RouterId, SubnetId
from onehop.store import Store, Transaction
from tests.store import rows

PROJECT = ProjectId(rows.PROJECT)


def test_a_network_is_its_segment_and_mtu(store: Store) -> None:
    made = store.run(lambda tx: rows.network(tx, mtu=8950, **{"provider:segmentation_id": 77}))
    flat = {"provider:network_type": "flat", "provider:physical_network": "p", "provider:segmentation_id": None}
    outside = store.run(lambda tx: rows.network(tx, **flat, **{"router:external": True}, admin_state_up=False))
    with store.read() as tx:
        found = tx.values([("network", made["id"]), ("network", outside["id"])])
    assert list(found.values()) == [
        Network(id=NetworkId(made["id"]), project_id=PROJECT, vni=77, mtu=8950),
        Network(
            id=NetworkId(outside["id"]),
            project_id=PROJECT,
            network_type="flat",
            physical_network="p",
            external=True,
            admin_state_up=False,
        ),
    ]


def test_a_subnet_is_its_prefix_and_what_instances_are_told(store: Store) -> None:
    network = store.run(rows.network)["id"]
    told = {
        "gateway_ip": "fd00::1",
        "dns_nameservers": ["fd00::2", "fd00::1"],
        "host_routes": [{"destination": "fd01::/64", "nexthop": "fd00::9"}],
        "ipv6_ra_mode": "slaac",
        "ipv6_address_mode": "slaac",
    }
    id = store.run(lambda tx: rows.subnet(tx, network, "fd00::/64", **told))["id"]
    with store.read() as tx:
        assert tx.values([("subnet", id)])["subnet", id] == Subnet(
            id=SubnetId(id),
            network_id=NetworkId(network),
            cidr="fd00::/64",
            gateway_ip="fd00::1",
            dns_nameservers=("fd00::2", "fd00::1"),
            host_routes=(HostRoute("fd01::/64", "fd00::9"),),
            ipv6_ra_mode="slaac",
            ipv6_address_mode="slaac",
        )


def test_a_port_has_its_addresses_in_order_and_its_bindings_by_host(store: Store) -> None:
    network = store.run(rows.network)["id"]
    subnet = store.run(lambda tx: rows.subnet(tx, network, "10.0.0.0/24"))["id"]
    ips = [{"subnet_id": subnet, "ip_address": f"10.0.0.{n}"} for n in (9, 5)]
    mac = "02:00:00:00:00:01"
    pairs = [{"ip_address": "10.0.0.0/28"}, {"mac_address": "02:00:00:00:00:99", "ip_address": "10.0.0.7"}]
    with store.write() as tx:
        id = rows.port(
            tx,
            network,
            host="h2",
            mac_address=mac,
            fixed_ips=ips,
            allowed_address_pairs=pairs,
            device_id="vm",
            port_security_enabled=True,
        )["id"]
        tx.insert("binding", {"port_id": id, "host": "h1", "status": "INACTIVE"})
    with store.read() as tx:
        assert tx.values([("port", id)])["port", id] == Port(
            id=PortId(id),
            network_id=NetworkId(network),
            project_id=PROJECT,
            mac_address=mac,
            fixed_ips=tuple(FixedIp(SubnetId(subnet), f"10.0.0.{n}") for n in (9, 5)),
            device_id="vm",
            allowed_address_pairs=(AddressPair(mac, "10.0.0.0/28"), AddressPair("02:00:00:00:00:99", "10.0.0.7")),
            bindings=(Binding(HostName("h1"), active=False), Binding(HostName("h2"))),
        )


def test_a_routers_routes_are_in_canonical_order(store: Store) -> None:
    routes = [{"destination": d, "nexthop": n} for d, n in (("10.9.0.0/16", "10.0.0.3"), ("10.1.0.0/16", "10.0.0.9"))]
    id = store.run(lambda tx: tx.insert("router", {"project_id": rows.PROJECT, "routes": routes}))["id"]
    value = Router(
        id=RouterId(id),
        project_id=PROJECT,
        routes=(ExtraRoute("10.1.0.0/16", "10.0.0.9"), ExtraRoute("10.9.0.0/16", "10.0.0.3")),
    )
    with store.read() as tx:
        assert tx.values([("router", id)]) == {("router", id): value}


def test_a_description_is_nothing_to_the_data_plane(store: Store) -> None:
    network = store.run(rows.network)["id"]
    ref = ("port", store.run(lambda tx: rows.port(tx, network))["id"])
    with store.read() as tx:
        before = tx.values([ref])
    store.run(lambda tx: tx.update("port", ref[1], {"description": "new", "name": "n", "tags": ["t"]}))
    with store.read() as tx:
        assert tx.values([ref]) == before


def test_what_is_not_there_is_none(store: Store) -> None:
    refs: list[Ref] = [(kind, "x") for kind in ("network", "subnet", "port", "router", "host")]
    with store.read() as tx:
        assert tx.values(refs) == dict.fromkeys(refs)
        assert tx.snapshot() == (0, [])


def fill(tx: Transaction, ports: int) -> None:
    """A network with so many bound ports."""
    network = rows.network(tx)["id"]
    subnet = rows.subnet(tx, network, "10.0.0.0/16", ("10.0.0.1", "10.0.255.254"))["id"]
    for _ in range(ports):
        rows.port(tx, network, subnet, host="h1")


def test_a_snapshot_is_every_value_in_a_number_of_statements_that_does_not_grow(store: Store) -> None:
    store.run(lambda tx: fill(tx, 30))
    counts = []
    for ports in (30, 60):
        with store.read() as tx:
            statements: list[str] = []
            sa.event.listen(tx.connection, "before_cursor_execute", lambda *a, s=statements: s.append(a[2]))
            revision, values = tx.snapshot()
            counts.append(len(statements))
            by_ref = tx.values([("port", p["id"]) for p in tx.select("port")])
        assert len([v for v in values if isinstance(v, Port)]) == ports
        assert set(by_ref.values()) == {v for v in values if isinstance(v, Port)}
        assert revision == store.revision()
        store.run(lambda tx: fill(tx, 30))
    assert counts[0] == counts[1] <= 14


def test_more_values_than_fit_in_one_statement_are_all_found(store: Store) -> None:
    network = store.run(rows.network)["id"]

    def many(tx: Transaction) -> list[Ref]:
        return [("port", rows.port(tx, network)["id"]) for _ in range(1100)]

    refs = store.run(many)
    with store.read() as tx:
        found = tx.values([*refs, ("port", "x")])
    assert [ref for ref, value in found.items() if value is None] == [("port", "x")]
