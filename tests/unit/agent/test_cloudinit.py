"""The network-config of a guest."""

import msgspec
import pytest
import yaml

from onehop.agent.cloudinit import network_config, text
from onehop.errors import NotFoundError
from onehop.model.subnet import HostRoute, Subnet
from onehop.model.topology import Topology
from tests.advertising import advertise
from tests.worlds import World


def world() -> World:
    built = World(1)
    built.network(1, mtu=1390)
    index = next(i for i, value in enumerate(built.values) if isinstance(value, Subnet))
    built.values[index] = msgspec.structs.replace(
        built.values[index],
        dns_nameservers=("9.9.9.9", "fd00::53"),
        host_routes=(HostRoute("10.9.0.0/16", "10.0.1.9"),),
    )
    return built


def test_a_guest_is_told_addresses_routes_nameservers_and_mtu() -> None:
    built = world()
    port = built.port(1, 1)
    document = yaml.safe_load(text(network_config(built.topology(), port)))
    interface = document["ethernets"]["eth0"]
    assert document["version"] == 2
    assert interface["match"] == {"macaddress": port.mac_address}
    assert interface["addresses"] == ["10.0.1.10/24", "fd00:1::a/64"]
    assert interface["mtu"] == 1390
    assert {"to": "0.0.0.0/0", "via": "10.0.1.1"} in interface["routes"]
    assert {"to": "::/0", "via": "fd00:1::1"} in interface["routes"]
    assert {"to": "10.9.0.0/16", "via": "10.0.1.9"} in interface["routes"]
    assert interface["nameservers"] == {"addresses": ["9.9.9.9", "fd00::53"]}


def test_a_default_route_in_the_host_routes_replaces_the_gateways() -> None:
    built = world()
    index = next(i for i, value in enumerate(built.values) if isinstance(value, Subnet))
    route = (HostRoute("0.0.0.0/0", "10.0.1.77"),)
    built.values[index] = msgspec.structs.replace(built.values[index], host_routes=route)
    config = network_config(built.topology(), built.port(1, 1))
    defaults = [r for r in config["ethernets"]["eth0"]["routes"] if r["to"] == "0.0.0.0/0"]
    assert defaults == [{"to": "0.0.0.0/0", "via": "10.0.1.77"}]


def test_a_port_whose_network_is_not_known_yet_is_said() -> None:
    port = world().port(1, 1)
    with pytest.raises(NotFoundError, match="not known"):
        network_config(Topology(), port)


def test_a_guest_finds_out_by_itself_what_its_router_advertises() -> None:
    built = world()
    advertise(built, 1, "slaac")
    interface = network_config(built.topology(), built.port(1, 1))["ethernets"]["eth0"]
    assert interface["accept-ra"] is True
    assert interface["addresses"] == ["10.0.1.10/24"]
    assert "::/0" not in {route["to"] for route in interface["routes"]}


def test_a_guest_listens_to_no_router_where_none_advertises() -> None:
    built = world()
    advertise(built, 1, "dhcpv6-stateful")
    interface = network_config(built.topology(), built.port(1, 1))["ethernets"]["eth0"]
    assert interface["accept-ra"] is False
    assert "fd00:1::a/64" in interface["addresses"]
