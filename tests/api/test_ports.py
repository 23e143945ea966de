"""Ports: MAC, addresses, device, protection, deletion."""

import logging
from typing import Any

import pytest

from onehop.store import prepared
from tests.api.client import PROJECT_A, Api, Row

MAC = "fa:16:3e:00:00:01"
EUI = "fd00::f816:3eff:fe00:1"


def addresses(port: Row) -> list[str]:
    return [ip["ip_address"] for ip in port["fixed_ips"]]


def test_a_port_gets_a_mac_of_our_own_and_one_address_of_each_family(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network, "10.0.0.0/24"), api.subnet(network, "fd00::/64")
    api.subnet(network, "10.0.1.0/24")
    port = api.port(network)
    assert port["mac_address"].startswith("fa:16:3e:")
    assert [ip["subnet_id"] for ip in port["fixed_ips"]] == [v4["id"], v6["id"]]
    assert port["status"] == "DOWN"
    assert port["binding:vif_type"] == "unbound"
    assert port["binding:host_id"] == ""


def test_the_answer_has_every_attribute_of_the_reference(api: Api) -> None:
    expected = (
        "id name network_id project_id mac_address admin_state_up status device_id device_owner fixed_ips "
        "allowed_address_pairs extra_dhcp_opts security_groups description binding:vnic_type binding:profile "
        "binding:host_id binding:vif_type binding:vif_details port_security_enabled qos_policy_id "
        "qos_network_policy_id dns_name dns_assignment dns_domain propagate_uplink_status data_plane_status "
        "ip_allocation resource_request tags created_at updated_at revision_number tenant_id"
    )
    port = api.port(api.network())
    assert set(port) == {*expected.split(), "status_reason"}


def test_a_network_without_subnets_has_ports_without_addresses(api: Api) -> None:
    assert api.port(api.network())["fixed_ips"] == []


def test_slaac_addresses_follow_from_the_mac_and_always_come_along(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network), api.slaac(network)
    chosen = api.port(network, fixed_ips=[{"subnet_id": v4["id"], "ip_address": "10.0.0.9"}])
    assert addresses(api.port(network, mac_address=MAC))[1:] == [EUI]
    assert addresses(api.port(network, fixed_ips=[]))[0].startswith("fd00::f816:3eff:fe")
    assert [ip["subnet_id"] for ip in chosen["fixed_ips"]] == [v4["id"], v6["id"]]


def test_slaac_addresses_cannot_be_chosen(api: Api) -> None:
    network = api.network()
    subnet = api.slaac(network)
    wrong = [{"subnet_id": subnet["id"], "ip_address": "fd00::5"}]
    assert api.refused("port", network_id=network["id"], fixed_ips=wrong) == (400, "InvalidInput")
    right = [{"subnet_id": subnet["id"], "ip_address": EUI}]
    assert addresses(api.port(network, mac_address=MAC, fixed_ips=right)) == [EUI]


def test_slaac_addresses_follow_a_changed_mac(api: Api) -> None:
    network = api.network()
    v4 = api.subnet(network)
    api.slaac(network)
    port = api.port(network, mac_address=MAC, fixed_ips=[{"subnet_id": v4["id"], "ip_address": "10.0.0.9"}])
    changed = api.update("port", port["id"], mac_address="fa:16:3e:00:00:02")
    assert addresses(changed) == ["10.0.0.9", "fd00::f816:3eff:fe00:2"]


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ([{"ip_address": "10.0.0.9"}], ["10.0.0.9"]),
        ([{"ip_address": "fd00:0:0::9"}], ["fd00::9"]),
        ([{"ip_address": "fd00::9"}, {"ip_address": "10.0.0.9"}], ["fd00::9", "10.0.0.9"]),
        ([{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.10"}], ["10.0.0.9", "10.0.0.10"]),
        ([{"ip_address": "10.0.0.1"}], ["10.0.0.1"]),
    ],
)
def test_addresses_can_be_chosen(api: Api, requested: list[Row], expected: list[str]) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/24")
    api.subnet(network, "fd00::/64")
    assert addresses(api.port(network, fixed_ips=requested)) == expected


def test_a_subnet_can_be_chosen_and_several_times(api: Api) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/24")
    second = api.subnet(network, "10.0.1.0/24")
    port = api.port(network, fixed_ips=[{"subnet_id": second["id"]}] * 2)
    assert len(set(addresses(port))) == 2
    assert all(ip.startswith("10.0.1.") for ip in addresses(port))


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ([{"ip_address": "10.9.0.9"}], (400, "InvalidIpForNetwork")),
        ([{"ip_address": "10.0.0.0"}], (400, "InvalidIpForSubnet")),
        ([{"ip_address": "10.0.0.255"}], (400, "InvalidIpForSubnet")),
        ([{"ip_address": "fd00::"}], (400, "InvalidIpForSubnet")),
        ([{}], (400, "InvalidInput")),
        ([{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}], (400, "InvalidInput")),
        ([{"subnet_id": "11111111-1111-4111-8111-111111111111"}], (400, "InvalidInput")),
        ([{"subnet_id": "x"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "10.0.0.9/24"}], (400, "HTTPBadRequest")),
        ([{"ip_address": 7}], (400, "HTTPBadRequest")),
        ([{"colour": "blue"}], (400, "HTTPBadRequest")),
        (["10.0.0.9"], (400, "HTTPBadRequest")),
        ("10.0.0.9", (400, "HTTPBadRequest")),
        (None, (400, "HTTPBadRequest")),
    ],
)
def test_addresses_that_cannot_be_are_400(api: Api, requested: Any, expected: tuple[int, str]) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/24")
    api.subnet(network, "fd00::/64")
    assert api.refused("port", network_id=network["id"], fixed_ips=requested) == expected
    port = api.port(network)
    assert api.not_updated("port", port["id"], fixed_ips=requested) == expected
    assert api.get(f"ports/{port['id']}")["port"] == port


def test_an_address_outside_of_the_named_subnet_is_400(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    wrong = [{"subnet_id": subnet["id"], "ip_address": "10.0.1.9"}]
    assert api.refused("port", network_id=network["id"], fixed_ips=wrong) == (400, "InvalidIpForSubnet")


def test_an_address_belongs_to_one_port(api: Api) -> None:
    network = api.network()
    api.subnet(network)
    first = api.port(network, fixed_ips=[{"ip_address": "10.0.0.9"}])
    taken = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}
    assert api.refused("port", **taken) == (409, "IpAddressAlreadyAllocated")
    second = api.port(network)
    refused = api.not_updated("port", second["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert refused == (409, "IpAddressAlreadyAllocated")
    api.delete(f"ports/{first['id']}")
    assert addresses(api.port(network, fixed_ips=[{"ip_address": "10.0.0.9"}])) == ["10.0.0.9"]


def test_a_full_pool_says_so_and_a_freed_address_is_given_again(api: Api) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/29")
    ports = [api.port(network) for _ in range(5)]
    assert {addresses(p)[0] for p in ports} == {f"10.0.0.{n}" for n in range(2, 7)}
    assert api.refused("port", network_id=network["id"]) == (409, "IpAddressGenerationFailure")
    api.delete(f"ports/{ports[2]['id']}")
    assert addresses(api.port(network)) == addresses(ports[2])


def test_a_full_first_subnet_leaves_the_second(api: Api) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/30")
    api.subnet(network, "10.0.1.0/24")
    found = {addresses(api.port(network))[0] for _ in range(2)}
    assert "10.0.0.2" in found
    assert any(ip.startswith("10.0.1.") for ip in found)


def test_an_update_keeps_the_addresses_it_names_and_gives_back_the_others(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    port = api.port(network, fixed_ips=[{"ip_address": "10.0.0.8"}, {"ip_address": "10.0.0.9"}])
    one = api.update("port", port["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert addresses(one) == ["10.0.0.9"]
    same = api.update("port", port["id"], fixed_ips=[{"subnet_id": subnet["id"]}])
    assert addresses(same) == ["10.0.0.9"]
    assert addresses(api.port(network, fixed_ips=[{"ip_address": "10.0.0.8"}])) == ["10.0.0.8"]
    assert addresses(api.update("port", port["id"], fixed_ips=[])) == []


def test_a_mac_can_be_chosen_once_on_a_network(api: Api) -> None:
    network = api.network()
    assert api.port(network, mac_address="FA-16-3E-00-00-01")["mac_address"] == MAC
    assert api.refused("port", network_id=network["id"], mac_address=MAC) == (409, "MacAddressInUse")
    assert api.port(api.network(), mac_address=MAC)
    other = api.port(network)
    assert api.not_updated("port", other["id"], mac_address=MAC) == (409, "MacAddressInUse")


@pytest.mark.parametrize("mac", ["x", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00", 7, None])
def test_macs_that_no_port_can_have_are_400(api: Api, mac: Any) -> None:
    assert api.refused("port", network_id=api.network()["id"], mac_address=mac) == (400, "HTTPBadRequest")


def test_a_bulk_of_ports_reads_the_subnets_of_its_network_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    network = api.network()
    for number in range(3):
        api.subnet(network, f"10.0.{number}.0/29")
    with caplog.at_level(logging.DEBUG, logger=prepared.__name__):
        answer = api.send("POST", "ports", {"ports": [{"network_id": network["id"]}] * 12})
    assert answer.status == 201
    assert len({port["fixed_ips"][0]["ip_address"] for port in answer.body["ports"]}) == 12
    read = [record.getMessage() for record in caplog.records]
    assert sum("ORDER BY subnet.created_at" in statement for statement in read) == 1
    assert sum(statement.startswith("SELECT subnet.ip_version, subnet.allocation_pools") for statement in read) == 3


def test_a_refused_create_gives_everything_back(api: Api) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/30")
    wrong = {"network_id": network["id"], "binding:host_id": "nowhere"}
    assert api.refused("port", **wrong) == (400, "HTTPBadRequest")
    assert addresses(api.port(network)) == ["10.0.0.2"]


def test_pairs_are_canonical_and_default_to_the_ports_mac(api: Api) -> None:
    pairs = [
        {"ip_address": "10.0.0.50"},
        {"ip_address": "10.1.0.7/16", "mac_address": "FA:16:3E:00:00:02"},
        {"ip_address": "FD00::0:1"},
        {"ip_address": "0.0.0.0/0"},
    ]
    port = api.port(api.network(), mac_address=MAC, allowed_address_pairs=pairs)
    assert port["allowed_address_pairs"] == [
        {"mac_address": MAC, "ip_address": "10.0.0.50"},
        {"mac_address": "fa:16:3e:00:00:02", "ip_address": "10.1.0.0/16"},
        {"mac_address": MAC, "ip_address": "fd00::1"},
        {"mac_address": MAC, "ip_address": "0.0.0.0/0"},
    ]
    assert api.update("port", port["id"], allowed_address_pairs=[])["allowed_address_pairs"] == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([{"mac_address": MAC}], (400, "AllowedAddressPairsMissingIP")),
        ([{"ip_address": "10.0.0.9"}] * 2, (400, "DuplicateAddressPairInRequest")),
        ([{"ip_address": f"10.0.0.{n}"} for n in range(65)], (400, "AllowedAddressPairExhausted")),
        ([{"ip_address": "x"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "224.0.0.1"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "10.0.0.9", "mac_address": "x"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "10.0.0.9", "colour": "x"}], (400, "HTTPBadRequest")),
    ],
)
def test_pairs_that_cannot_be_are_400(api: Api, pairs: list[Row], expected: tuple[int, str]) -> None:
    network = api.network()
    assert api.refused("port", network_id=network["id"], allowed_address_pairs=pairs) == expected
    assert api.not_updated("port", api.port(network)["id"], allowed_address_pairs=pairs) == expected


def test_pairs_need_port_security(api: Api) -> None:
    network = api.network(port_security_enabled=False)
    pairs = [{"ip_address": "10.0.0.9"}]
    needed = (409, "AddressPairAndPortSecurityRequired")
    assert api.port(network)["port_security_enabled"] is False
    assert api.refused("port", network_id=network["id"], allowed_address_pairs=pairs) == needed
    port = api.port(network, port_security_enabled=True, allowed_address_pairs=pairs, security_groups=[])
    assert api.not_updated("port", port["id"], port_security_enabled=False) == needed
    changed = api.update("port", port["id"], port_security_enabled=False, allowed_address_pairs=[])
    assert changed["port_security_enabled"] is False


def test_a_routers_interface_is_not_deleted_or_changed_as_a_port(api: Api) -> None:
    network = api.network()
    router = api.router(api.subnet(network))
    (leg,) = api.get(f"ports?device_id={router['id']}")["ports"]
    assert api.send("DELETE", f"ports/{leg['id']}").error == (409, "ServicePortInUse")
    for name, value in (
        ("device_id", "x"),
        ("device_owner", ""),
        ("mac_address", MAC),
        ("port_security_enabled", True),
        ("allowed_address_pairs", [{"ip_address": "10.0.0.9"}]),
    ):
        assert api.not_updated("port", leg["id"], **{name: value}) == (409, "PortInUse"), name
    assert api.not_updated("port", leg["id"], **{"binding:host_id": "h"}) == (400, "HTTPBadRequest")
    assert api.update("port", leg["id"], name="leg")["name"] == "leg"


def test_a_routers_interface_is_never_made_by_a_port_create_or_update(api: Api, member: Api) -> None:
    network = member.network()
    router = member.router()
    posing = {"device_owner": "network:router_interface_distributed", "device_id": router["id"]}
    assert api.refused("port", network_id=network["id"], **posing) == (400, "HTTPBadRequest")
    port = member.port(network)
    assert api.not_updated("port", port["id"], **posing) == (400, "HTTPBadRequest")
    assert member.not_updated("port", port["id"], **posing) == (400, "HTTPBadRequest")


def test_a_project_cannot_pose_as_a_service(member: Api) -> None:
    network = member.network()
    owner = {"device_owner": "network:dhcp"}
    assert member.refused("port", network_id=network["id"], **owner) == (403, "PolicyNotAuthorized")
    port = member.port(network, device_owner="compute:nova", device_id="x")
    assert member.not_updated("port", port["id"], **owner) == (403, "PolicyNotAuthorized")


def test_a_project_cannot_name_another_projects_router_as_device(member: Api, stranger: Api) -> None:
    router = stranger.router()
    network = member.network()
    refused = (409, "DeviceIDNotOwnedByTenant")
    assert member.refused("port", network_id=network["id"], device_id=router["id"]) == refused
    port = member.port(network)
    assert member.not_updated("port", port["id"], device_id=router["id"]) == refused
    assert member.not_updated("port", port["id"], device_id=router["id"].upper()) == refused
    assert member.port(network, device_id=member.router()["id"])


def test_on_a_shared_network_a_project_has_ports_but_chooses_no_identity(api: Api, member: Api) -> None:
    network = api.network(shared=True)
    api.subnet(network)
    port = member.port(network)
    assert port["project_id"] == PROJECT_A
    for values in (
        {"mac_address": MAC},
        {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.1"}]},
    ):
        assert member.refused("port", network_id=network["id"], **values) == (403, "PolicyNotAuthorized")
        assert member.not_updated("port", port["id"], **values) == (403, "PolicyNotAuthorized")


def test_an_external_network_is_seen_but_takes_no_ports_of_projects(api: Api, member: Api) -> None:
    network = api.network(**{"router:external": True})
    assert member.get(f"networks/{network['id']}")
    assert member.refused("port", network_id=network["id"]) == (403, "PolicyNotAuthorized")


def test_the_mac_of_a_bound_port_stays(api: Api, host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host})
    assert api.not_updated("port", port["id"], mac_address=MAC) == (409, "PortBound")
    assert api.update("port", port["id"], mac_address=port["mac_address"])
