"""Short ways to put resources into a store."""

from uuid import uuid4

from onehop.store import Row, Store, Transaction

PROJECT = "00000000000000000000000000000001"


def network(tx: Transaction, **values: object) -> Row:
    """A network with a VNI of its own."""
    given = {"project_id": PROJECT, "provider:network_type": "vxlan", "mtu": 1450, **values}
    given.setdefault("provider:segmentation_id", tx.allocate_vni(1, 2**24 - 1))
    return tx.insert("network", given)


def subnet(tx: Transaction, network_id: str, cidr: str, *pools: tuple[str, str], **values: object) -> Row:
    """A subnet with allocation pools, given as pairs of first and last."""
    given = {
        "project_id": PROJECT,
        "network_id": network_id,
        "cidr": cidr,
        "ip_version": 6 if ":" in cidr else 4,
        "allocation_pools": [{"start": start, "end": end} for start, end in pools],
    }
    return tx.insert("subnet", {**given, **values})


def port(tx: Transaction, network_id: str, *subnet_ids: str, host: str = "", **values: object) -> Row:
    """A port with an allocated address of each subnet, bound to `host` if there is one."""
    id = str(uuid4())
    ips = [tx.allocate_ip(id, [subnet_id]) for subnet_id in subnet_ids]
    given = {"id": id, "project_id": PROJECT, "network_id": network_id, "fixed_ips": ips, **values}
    given.setdefault("mac_address", tx.allocate_mac(network_id))
    row = tx.insert("port", given)
    if host:
        tx.insert("binding", {"port_id": id, "host": host, "status": "ACTIVE"})
        row = known(tx, "port", id)
    return row


def external(tx: Transaction, cidr: str = "172.29.0.0/24", physical: str = "external") -> Row:
    """An external network with a subnet."""
    made = network(
        tx,
        **{
            "provider:network_type": "flat",
            "provider:physical_network": physical,
            "provider:segmentation_id": None,
            "router:external": True,
        },
    )
    base = cidr.rpartition(".")[0]
    subnet(tx, made["id"], cidr, (f"{base}.10", f"{base}.250"))
    return made


def router(tx: Transaction, *network_ids: str, **values: object) -> Row:
    """A router with a leg (without addresses) on each network."""
    made = tx.insert("router", {"project_id": PROJECT, "enable_snat": True, "snat": "distributed", **values})
    for network_id in network_ids:
        leg(tx, made["id"], network_id)
    return made


def leg(tx: Transaction, router_id: str, network_id: str) -> Row:
    """A router's leg on a network."""
    return port(tx, network_id, device_owner="network:router_interface_distributed", device_id=router_id)


def gateway(tx: Transaction, router_id: str, network: Row, vnis: tuple[int, int] = (1, 2**24 - 1)) -> Row:
    """Give a router a gateway; what the store gave it."""
    (outside,) = tx.select("subnet", {"network_id": [network["id"]]})
    held = port(tx, network["id"], outside["id"], device_owner="network:router_gateway", device_id=router_id)
    tx.put_gateway(router_id, held["id"], network["id"], vnis)
    return tx.gateways([router_id])[router_id]


def say_hello(
    store: Store, name: str, number: int, *physical: str, gateway_host: bool = True, reached: bool = True
) -> int:
    """A host's hello, for which it is approved; the session's number."""

    def hello(tx: Transaction) -> int:
        networks = physical or ("external",)
        tx.approve_host(name, gateway_host=True, physical_networks=networks)
        return tx.open_session(
            name,
            vtep=f"192.0.2.{number}",
            underlay_mtu=1500,
            physical_networks=networks if reached else (),
            details={"gateway_host": gateway_host},
        )

    return store.run(hello)


def add_gateway_host(store: Store, number: int, *physical: str) -> str:
    """A gateway host, ``gw-<number>``, that reaches physical networks: "external" if none is named."""
    name = store.run(lambda tx: tx.add_host(f"gw-{number}")).name
    say_hello(store, name, number, *physical)
    return name


def known(tx: Transaction, resource: str, id: str) -> Row:
    """A resource that has to be there."""
    row = tx.get(resource, id)
    assert row is not None
    return row
