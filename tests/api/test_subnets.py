"""Subnets: prefix, gateway, pools, IPv6 modes, deletion."""

import pytest

from tests.api.client import Api


def test_the_gateway_is_the_first_address_and_the_pool_the_rest(api: Api) -> None:
    subnet = api.subnet(api.network(), "10.61.0.0/24")
    assert subnet["gateway_ip"] == "10.61.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.61.0.2", "end": "10.61.0.254"}]
    assert subnet["enable_dhcp"] is True
    assert subnet["host_routes"] == []
    assert subnet["router:external"] is False


def test_the_answer_has_every_attribute_of_the_reference(api: Api) -> None:
    expected = (
        "id name project_id network_id ip_version subnetpool_id enable_dhcp ipv6_ra_mode ipv6_address_mode gateway_ip "
        "cidr allocation_pools host_routes dns_nameservers description router:external service_types segment_id tags "
        "created_at updated_at revision_number tenant_id"
    )
    assert set(api.subnet(api.network())) == set(expected.split())


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.100", [("10.0.0.1", "10.0.0.99"), ("10.0.0.101", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.254", [("10.0.0.1", "10.0.0.253")]),
        ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/30", "10.0.0.1", [("10.0.0.2", "10.0.0.2")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.0/32", None, [("10.0.0.0", "10.0.0.0")]),
        ("fd00::/64", None, [("fd00::1", "fd00::ffff:ffff:ffff:ffff")]),
        ("fd00::/64", "fe80::1", [("fd00::1", "fd00::ffff:ffff:ffff:ffff")]),
        ("fd00::/127", "fd00::", [("fd00::1", "fd00::1")]),
    ],
)
def test_a_chosen_gateway_is_left_out_of_the_pool(
    api: Api, cidr: str, gateway: str | None, pools: list[tuple[str, str]]
) -> None:
    subnet = api.subnet(api.network(), cidr, gateway_ip=gateway)
    assert subnet["gateway_ip"] == gateway
    assert subnet["allocation_pools"] == [{"start": start, "end": end} for start, end in pools]


def test_host_bits_of_a_cidr_are_cleared(api: Api) -> None:
    assert api.subnet(api.network(), "10.0.0.77/24")["cidr"] == "10.0.0.0/24"


def test_prefixes_that_cannot_be_are_400(api: Api) -> None:
    network = api.network()
    for version, cidr in (
        (4, "fd00::/64"),
        (6, "10.0.0.0/24"),
        (5, "10.0.0.0/24"),
        (4, "224.0.0.0/24"),
        (4, "127.0.0.0/24"),
        (4, "169.254.0.0/16"),
        (4, "0.0.0.0/0"),
        (4, "0.0.0.0/24"),
        (6, "ff00::/64"),
        (6, "fe80::/64"),
        (6, "::/0"),
        (4, "126.0.0.0/7"),
        (4, "128.0.0.0/1"),
        (4, "255.255.255.254/31"),
        (6, "::/127"),
        (6, "::ffff:10.0.0.0/104"),
        (6, "8000::/1"),
    ):
        assert api.refused("subnet", network_id=network["id"], ip_version=version, cidr=cidr) == (400, "InvalidInput")
    for cidr in ("x", "10.0.0.0/33", "10.0.0.0", 7, None):
        assert api.refused("subnet", network_id=network["id"], ip_version=4, cidr=cidr) == (400, "HTTPBadRequest")


def test_subnets_of_one_network_do_not_overlap(api: Api) -> None:
    network = api.network()
    api.subnet(network, "10.0.0.0/24")
    for cidr in ("10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"):
        assert api.refused("subnet", network_id=network["id"], ip_version=4, cidr=cidr) == (400, "InvalidInput")
    assert api.subnet(network, "10.0.1.0/24")
    assert api.subnet(api.network(), "10.0.0.0/24")


def test_gateways_that_no_port_could_have_are_400(api: Api) -> None:
    network = api.network()
    for gateway in ("10.0.1.1", "10.0.0.0", "10.0.0.255", "fd00::1"):
        values = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": gateway}
        assert api.refused("subnet", **values) == (400, "InvalidInput")


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([("10.0.0.1", "10.0.0.9")], (409, "GatewayConflictWithAllocationPools")),
        ([("10.0.0.2", "10.0.0.9"), ("10.0.0.9", "10.0.0.20")], (409, "OverlappingAllocationPools")),
        ([("10.0.0.2", "10.0.1.9")], (400, "OutOfBoundsAllocationPool")),
        ([("10.0.0.2", "10.0.0.255")], (400, "OutOfBoundsAllocationPool")),
        ([("10.0.0.9", "10.0.0.2")], (400, "InvalidAllocationPool")),
        ([("fd00::1", "fd00::2")], (400, "InvalidAllocationPool")),
        ([("x", "10.0.0.9")], (400, "HTTPBadRequest")),
    ],
)
def test_pools_that_cannot_be_are_refused(api: Api, pools: list[tuple[str, str]], expected: tuple[int, str]) -> None:
    network = api.network()
    given = [{"start": start, "end": end} for start, end in pools]
    values = {"ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": given}
    assert api.refused("subnet", network_id=network["id"], **values) == expected
    subnet = api.subnet(network)
    assert api.not_updated("subnet", subnet["id"], allocation_pools=given) == expected


def test_pools_are_kept_in_order_and_can_be_changed(api: Api) -> None:
    pools = [{"start": "10.0.0.20", "end": "10.0.0.29"}, {"start": "10.0.0.5", "end": "10.0.0.9"}]
    subnet = api.subnet(api.network(), allocation_pools=pools)
    assert subnet["allocation_pools"] == pools[::-1]
    changed = api.update("subnet", subnet["id"], allocation_pools=pools[:1])
    assert changed["allocation_pools"] == pools[:1]


def test_the_gateway_can_be_changed_while_no_router_has_it(api: Api) -> None:
    subnet = api.subnet(api.network(), allocation_pools=[{"start": "10.0.0.100", "end": "10.0.0.200"}])
    assert api.update("subnet", subnet["id"], gateway_ip="10.0.0.9")["gateway_ip"] == "10.0.0.9"
    conflict = (409, "GatewayConflictWithAllocationPools")
    assert api.not_updated("subnet", subnet["id"], gateway_ip="10.0.0.150") == conflict
    api.router(subnet)
    assert api.not_updated("subnet", subnet["id"], gateway_ip="10.0.0.1") == (409, "GatewayIpInUse")
    assert api.not_updated("subnet", subnet["id"], gateway_ip=None) == (409, "GatewayIpInUse")


def test_a_gateway_that_a_port_has_is_refused(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network, allocation_pools=[{"start": "10.0.0.100", "end": "10.0.0.200"}])
    api.port(network, fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert api.not_updated("subnet", subnet["id"], gateway_ip="10.0.0.9") == (409, "GatewayIpInUse")


def test_what_instances_are_told_is_checked_and_shown(api: Api) -> None:
    network = api.network()
    routes = [{"destination": "192.168.0.0/16", "nexthop": "10.0.0.9"}]
    subnet = api.subnet(network, dns_nameservers=["9.9.9.9", "2620:fe::fe"], host_routes=routes)
    assert subnet["dns_nameservers"] == ["9.9.9.9", "2620:fe::fe"]
    assert subnet["host_routes"] == routes
    assert api.not_updated("subnet", subnet["id"], dns_nameservers=["x"]) == (400, "HTTPBadRequest")
    assert api.not_updated("subnet", subnet["id"], dns_nameservers=["9.9.9.9"] * 2) == (400, "HTTPBadRequest")
    wrong = [{"destination": "fd00::/64", "nexthop": "fd00::1"}]
    assert api.not_updated("subnet", subnet["id"], host_routes=wrong) == (400, "InvalidInput")
    assert api.not_updated("subnet", subnet["id"], host_routes=[{"nexthop": "10.0.0.9"}]) == (400, "HTTPBadRequest")


@pytest.mark.parametrize(
    "values",
    [
        {"cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        {"cidr": "fd00::/48", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"},
        {"cidr": "fd00::/80", "ipv6_address_mode": "dhcpv6-stateless"},
        {"cidr": "fd00::/64", "ipv6_address_mode": "slaac", "enable_dhcp": False},
        {"cidr": "10.0.0.0/24", "ip_version": 4, "ipv6_address_mode": "slaac"},
    ],
)
def test_ipv6_modes_that_do_not_fit_are_400(api: Api, values: dict[str, object]) -> None:
    network = api.network()
    assert api.refused("subnet", **{"network_id": network["id"], "ip_version": 6, **values}) == (400, "InvalidInput")


def test_an_unknown_ipv6_mode_is_400(api: Api) -> None:
    values = {"network_id": api.network()["id"], "ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "magic"}
    assert api.refused("subnet", **values) == (400, "HTTPBadRequest")


def test_a_new_automatic_subnet_gives_ports_their_addresses_and_takes_them_along(api: Api) -> None:
    network = api.network()
    api.subnet(network)
    port = api.port(network, mac_address="fa:16:3e:00:00:01")
    subnet = api.slaac(network)
    with_address = api.get(f"ports/{port['id']}")["port"]
    assert with_address["fixed_ips"][1] == {"subnet_id": subnet["id"], "ip_address": "fd00::f816:3eff:fe00:1"}
    api.delete(f"subnets/{subnet['id']}")
    assert api.get(f"ports/{port['id']}")["port"]["fixed_ips"] == port["fixed_ips"]


def test_a_subnet_with_addresses_in_use_stays(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    port = api.port(network)
    assert api.send("DELETE", f"subnets/{subnet['id']}").error == (409, "SubnetInUse")
    api.delete(f"ports/{port['id']}")
    api.delete(f"subnets/{subnet['id']}")
    automatic = api.slaac(network)
    api.router(automatic)
    assert api.send("DELETE", f"subnets/{automatic['id']}").error == (409, "SubnetInUse")


def test_a_subnet_of_a_network_that_does_not_exist_is_404(api: Api) -> None:
    values = {"network_id": "11111111-1111-4111-8111-111111111111", "ip_version": 4, "cidr": "10.0.0.0/24"}
    assert api.refused("subnet", **values) == (404, "NetworkNotFound")
