"""Short ways to put resources into a store."""

from uuid import uuid4

from onehop.store import Row, Transaction

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


def known(tx: Transaction, resource: str, id: str) -> Row:
    """A resource that has to be there."""
    row = tx.get(resource, id)
    assert row is not None
    return row
