"""Rows as values of the data plane: what it depends on, and nothing else."""

import sqlalchemy as sa

from onehop.model.floating_ip import FloatingIp, Forwarding
from onehop.model.gateway import Gateway, PortBlock, RouterHost
from onehop.model.network import Network
from onehop.model.port import AddressPair, Binding, FixedIp, Port
from onehop.model.router import ExtraRoute, Router
from onehop.model.subnet import HostRoute, Subnet
from onehop.model.topology import Ref
from onehop.net.identifier import HostName, NetworkId, PortId, ProjectId, RouterId, SubnetId
from onehop.store import Row, Store, Transaction
from onehop.wire.check import check_values
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
            bindings=(Binding(HostName("h1"), active=False), Binding(HostName("h2"), since=3)),
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


def test_a_routers_gateway_is_what_the_store_gave_it(store: Store) -> None:
    host = rows.add_gateway_host(store, 1)

    def make(tx: Transaction) -> tuple[str, str, str]:
        network, external = rows.network(tx)["id"], rows.external(tx)
        router = rows.router(tx, network, enable_snat=False, snat="centralized")["id"]
        rows.gateway(tx, router, external)
        rows.port(tx, network, host="h2")
        return network, external["id"], router

    _, external, router = store.run(make)
    with store.read() as tx:
        given = tx.gateways([router])[router]
        (port,) = tx.select("port", {"id": [given["port_id"]]})
        value = tx.values([("router", router)])["router", router]
        assert value in tx.snapshot()[1]
    assert isinstance(value, Router)
    assert value.gateway == Gateway(
        port_id=given["port_id"],
        network_id=NetworkId(external),
        fixed_ips=tuple(FixedIp(ip["subnet_id"], ip["ip_address"]) for ip in port["fixed_ips"]),
        enable_snat=False,
        distributed=False,
        vni=given["vni"],
        owner=HostName(host),
        generation=given["generation"],
        candidates=(HostName(host),),
        hosts=tuple(
            RouterHost(
                host=place["host"],
                number=place["number"],
                mac_address=place["mac_address"],
                transit_ip=place["transit_ip"],
                transit_mac=place["transit_mac"],
                blocks=(PortBlock(block, 1024, port["fixed_ips"][0]["ip_address"], given["generation"]),),
            )
            for place, block in zip(given["hosts"], (1024, 2048), strict=True)
        ),
    )
    check_values([value])


def test_a_floating_ip_is_a_value_while_it_has_a_router(store: Store) -> None:
    def make(tx: Transaction) -> tuple[Row, Row, Row, Row]:
        network, external = rows.network(tx)["id"], rows.external(tx)
        subnet = rows.subnet(tx, network, "10.0.0.0/24", ("10.0.0.10", "10.0.0.20"))["id"]
        port, router = rows.port(tx, network, subnet), rows.router(tx, network)
        given = {"project_id": rows.PROJECT, "floating_network_id": external["id"]}
        led = {"port_id": port["id"], "fixed_ip_address": "10.0.0.10", "router_id": router["id"]}
        whole = tx.insert("floatingip", {**given, **led, "floating_ip_address": "172.29.0.5"})
        split = tx.insert("floatingip", {**given, "router_id": router["id"], "floating_ip_address": "172.29.0.6"})
        for first, protocol in ((90, "udp"), (80, "tcp"), (70, "udp")):
            rule = {
                "floatingip_id": split["id"],
                "protocol": protocol,
                "external_first": first,
                "external_last": first + 2,
                "internal_port_id": port["id"],
                "internal_ip_address": "10.0.0.11",
                "internal_first": 5,
            }
            tx.insert("port_forwarding", rule)
        idle = tx.insert("floatingip", {**given, "floating_ip_address": "172.29.0.7"})
        return whole, split, idle, port

    whole, split, idle, port = store.run(make)
    refs: list[Ref] = [("floatingip", row["id"]) for row in (whole, split, idle)]
    with store.read() as tx:
        found = tx.values(refs)
        assert {value.id for value in tx.snapshot()[1] if isinstance(value, FloatingIp)} == {whole["id"], split["id"]}
    common = {"network_id": whole["floating_network_id"], "router_id": whole["router_id"]}
    assert found[refs[0]] == FloatingIp(
        id=whole["id"], address="172.29.0.5", port_id=port["id"], fixed_ip="10.0.0.10", **common
    )
    rules = tuple(
        Forwarding(
            protocol=protocol,
            external_first=first,
            external_last=first + 2,
            port_id=port["id"],
            internal_ip="10.0.0.11",
            internal_first=5,
        )
        for protocol, first in (("tcp", 80), ("udp", 70), ("udp", 90))
    )
    assert found[refs[1]] == FloatingIp(id=split["id"], address="172.29.0.6", forwardings=rules, **common)
    assert found[refs[2]] is None
    before = store.revision()
    store.run(lambda tx: tx.update("port_forwarding", one_of(tx, split), {"internal_first": 6}))
    with store.read() as tx:
        assert {(c.kind, c.id) for c in tx.changes(before)} == {("floatingip", split["id"])}


def one_of(tx: Transaction, floating_ip: Row) -> str:
    """Id of a forwarding of a floating IP."""
    return str(tx.select("port_forwarding", {"floatingip_id": [floating_ip["id"]]})[0]["id"])


def test_ports_that_only_hold_floating_addresses_are_no_values(store: Store) -> None:
    external = store.run(rows.external)
    port = store.run(lambda tx: rows.port(tx, external["id"], device_owner="network:floatingip"))
    with store.read() as tx:
        assert tx.values([("port", port["id"])]) == {("port", port["id"]): None}


def test_a_description_is_nothing_to_the_data_plane(store: Store) -> None:
    network = store.run(rows.network)["id"]
    ref = ("port", store.run(lambda tx: rows.port(tx, network))["id"])
    with store.read() as tx:
        before = tx.values([ref])
    store.run(lambda tx: tx.update("port", ref[1], {"description": "new", "name": "n", "tags": ["t"]}))
    with store.read() as tx:
        assert tx.values([ref]) == before


def test_what_is_not_there_is_none(store: Store) -> None:
    refs: list[Ref] = [(kind, "x") for kind in ("network", "subnet", "port", "router", "host", "floatingip")]
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
