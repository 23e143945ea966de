"""Routers: interfaces, extra routes, deletion."""

from typing import Any

import pytest

from tests.api.client import PROJECT_A, Api, Row


def legs(api: Api, router: Row) -> list[Row]:
    rows: list[Row] = api.get(f"ports?device_id={router['id']}&sort_key=created_at")["ports"]
    return rows


def test_a_router_reads_as_distributed_and_highly_available(api: Api) -> None:
    router = api.create("router", name="r", ha=False, distributed=True, external_gateway_info=None)
    assert (router["distributed"], router["ha"], router["status"]) == (True, True, "ACTIVE")
    assert router["external_gateway_info"] is None
    expected = (
        "id name project_id admin_state_up status external_gateway_info description availability_zones distributed ha "
        "availability_zone_hints routes flavor_id conntrack_helpers enable_ndp_proxy tags created_at updated_at "
        "revision_number tenant_id"
    )
    assert set(router) == {*expected.split(), "status_reason", "snat", "port_block_size", "gateway_hosts"}


def test_an_interface_by_subnet_has_the_gateways_address(api: Api, member: Api) -> None:
    network = member.network()
    subnet = member.subnet(network)
    router = member.create("router")
    answer = member.interface(router, subnet_id=subnet["id"])
    (leg,) = legs(api, router)
    assert answer.body == {
        "id": router["id"],
        "project_id": PROJECT_A,
        "tenant_id": PROJECT_A,
        "port_id": leg["id"],
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
    }
    assert leg["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.1"}]
    assert leg["device_owner"] == "network:router_interface_distributed"
    assert leg["device_id"] == router["id"]
    assert leg["project_id"] == PROJECT_A
    assert leg["port_security_enabled"] is False
    assert (leg["status"], leg["status_reason"]) == ("DOWN", "")
    assert leg["binding:vif_type"] == "distributed"


def test_a_gateway_that_is_attached_again_has_the_mac_that_instances_remember(api: Api) -> None:
    network = api.network()
    subnet, six = api.subnet(network), api.slaac(network)
    first, second = api.router(subnet, six), api.router()
    before = {leg["fixed_ips"][0]["subnet_id"]: leg["mac_address"] for leg in legs(api, first)}
    assert len(set(before.values())) == 2
    for wanted in (subnet, six):
        api.send("PUT", f"routers/{first['id']}/remove_router_interface", {"subnet_id": wanted["id"]})
        api.interface(second, subnet_id=wanted["id"])
    assert {leg["fixed_ips"][0]["subnet_id"]: leg["mac_address"] for leg in legs(api, second)} == before


def test_a_gateways_mac_that_an_instance_took_meanwhile_is_not_given_out_twice(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    router = api.router(subnet)
    (leg,) = legs(api, router)
    api.send("PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    port = api.port(network, mac_address=leg["mac_address"])
    api.interface(router, subnet_id=subnet["id"])
    assert legs(api, router)[0]["mac_address"] != port["mac_address"]


def test_an_interface_on_an_automatic_subnet_has_the_gateways_address_only(api: Api) -> None:
    router = api.router(api.slaac(api.network()))
    (leg,) = legs(api, router)
    assert [ip["ip_address"] for ip in leg["fixed_ips"]] == ["fd00::1"]


def test_an_interface_by_port_takes_the_port_over(api: Api, member: Api) -> None:
    network = member.network()
    member.subnet(network)
    pairs = [{"ip_address": "10.9.0.0/16"}]
    port = member.port(network, fixed_ips=[{"ip_address": "10.0.0.77"}], allowed_address_pairs=pairs)
    router = member.create("router")
    assert member.interface(router, port_id=port["id"]).body["port_id"] == port["id"]
    (leg,) = legs(api, router)
    assert leg["id"] == port["id"]
    assert leg["fixed_ips"] == port["fixed_ips"]
    assert leg["allowed_address_pairs"] == []


def test_interfaces_are_removed_by_port_and_by_subnet(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network), api.subnet(network, "fd00::/64")
    router = api.router(v4, v6)
    path = f"routers/{router['id']}/remove_router_interface"
    first, second = legs(api, router)
    by_subnet = api.put(path, {"subnet_id": v4["id"]})
    assert by_subnet["subnet_ids"] == [v4["id"]]
    left = {leg["id"] for leg in legs(api, router)}
    assert left == {first["id"], second["id"]} - {by_subnet["port_id"]}
    assert api.put(path, {"port_id": left.pop(), "subnet_id": v6["id"]})["subnet_id"] == v6["id"]
    assert legs(api, router) == []
    assert api.send("PUT", path, {"subnet_id": v4["id"]}).error == (404, "RouterInterfaceNotFoundForSubnet")
    assert api.send("PUT", path, {"port_id": first["id"]}).error == (404, "RouterInterfaceNotFound")


@pytest.mark.parametrize(
    "body", [{}, {"subnet_id": None}, {"subnet_id": "x"}, {"port_id": 7}, {"colour": "blue"}, {"router": {}}]
)
@pytest.mark.parametrize("action", ["add_router_interface", "remove_router_interface"])
def test_an_interface_needs_a_subnet_or_a_port(api: Api, action: str, body: Any) -> None:
    router = api.create("router")
    assert api.send("PUT", f"routers/{router['id']}/{action}", body).status == 400


def test_an_interface_takes_not_both_subnet_and_port(api: Api) -> None:
    network = api.network()
    subnet, port = api.subnet(network), api.port(network)
    answer = api.interface(api.create("router"), subnet_id=subnet["id"], port_id=port["id"])
    assert answer.error == (400, "BadRequest")


def test_a_mismatched_port_and_subnet_is_409(api: Api) -> None:
    network = api.network()
    one, two = api.subnet(network), api.subnet(network, "10.0.1.0/24")
    router = api.router(one)
    body = {"port_id": legs(api, router)[0]["id"], "subnet_id": two["id"]}
    answer = api.send("PUT", f"routers/{router['id']}/remove_router_interface", body)
    assert answer.error == (409, "SubnetMismatchForPort")


def test_interfaces_that_cannot_be_are_refused_and_leave_nothing(api: Api, host: str) -> None:
    network = api.network()
    subnet = api.subnet(network)
    router = api.router(subnet)
    overlapping = api.subnet(api.network(), "10.0.0.0/16")
    no_gateway = api.subnet(api.network(), "10.9.0.0/24", gateway_ip=None)
    link_local = api.subnet(api.network(), "fd09::/64", gateway_ip="fe80::1")
    taken_network = api.network()
    taken = api.subnet(taken_network, "10.8.0.0/24")
    api.port(taken_network, fixed_ips=[{"ip_address": "10.8.0.1"}])
    missing = "11111111-1111-4111-8111-111111111111"
    for subnet_id, expected in (
        (subnet["id"], (400, "BadRequest")),
        (overlapping["id"], (400, "BadRequest")),
        (no_gateway["id"], (400, "BadRequest")),
        (link_local["id"], (400, "BadRequest")),
        (taken["id"], (409, "IpAddressAlreadyAllocated")),
        (missing, (404, "SubnetNotFound")),
    ):
        assert api.interface(router, subnet_id=subnet_id).error == expected
    addressless = api.port(api.network())
    bound = api.port(network, **{"binding:host_id": host})
    used = api.port(network, device_id="x", device_owner="compute:nova")
    for port_id, expected in (
        (addressless["id"], (400, "BadRequest")),
        (bound["id"], (409, "PortInUse")),
        (used["id"], (409, "PortInUse")),
        (legs(api, router)[0]["id"], (409, "PortInUse")),
        (missing, (404, "PortNotFound")),
    ):
        assert api.interface(router, port_id=port_id).error == expected
    assert len(legs(api, router)) == 1


def test_a_port_with_two_ipv4_subnets_is_no_interface(api: Api) -> None:
    network = api.network()
    one, two = api.subnet(network), api.subnet(network, "10.0.1.0/24")
    port = api.port(network, fixed_ips=[{"subnet_id": one["id"]}, {"subnet_id": two["id"]}])
    assert api.interface(api.create("router"), port_id=port["id"]).error == (400, "BadRequest")


def test_an_interface_on_a_flat_network_is_409_with_the_reason(api: Api) -> None:
    network = api.network(**{"provider:network_type": "flat", "provider:physical_network": "external"})
    subnet = api.subnet(network)
    answer = api.interface(api.create("router"), subnet_id=subnet["id"])
    assert answer.status == 409
    assert "one MAC on several hosts of a physical segment" in answer.message
    assert api.interface(api.create("router"), port_id=api.port(network)["id"]).status == 409


def test_the_same_prefix_may_be_routed_by_two_routers(api: Api) -> None:
    for _ in range(2):
        assert api.router(api.subnet(api.network()))


def test_an_interfaces_addresses_can_be_changed_within_the_rules(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network), api.subnet(network, "fd00::/64")
    other = api.subnet(network, "10.0.1.0/24")
    router = api.router(v4)
    (leg,) = legs(api, router)
    wanted = [{"subnet_id": v4["id"], "ip_address": "10.0.0.1"}, {"subnet_id": v6["id"], "ip_address": "fd00::1"}]
    assert api.update("port", leg["id"], fixed_ips=wanted)["fixed_ips"] == wanted
    two_v4 = [{"subnet_id": v4["id"]}, {"subnet_id": other["id"]}]
    assert api.not_updated("port", leg["id"], fixed_ips=two_v4) == (400, "BadRequest")
    assert api.not_updated("port", leg["id"], fixed_ips=[]) == (400, "BadRequest")
    path = f"routers/{router['id']}/remove_router_interface"
    assert api.put(path, {"subnet_id": v6["id"]})["port_id"] == leg["id"]
    assert legs(api, router)[0]["fixed_ips"] == wanted[:1]


def test_an_interface_that_a_route_needs_keeps_its_subnet_and_takes_no_next_hops_address(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network), api.subnet(network, "fd00::/64")
    router = api.router(v4)
    (leg,) = legs(api, router)
    both = [{"subnet_id": v4["id"], "ip_address": "10.0.0.1"}, {"subnet_id": v6["id"], "ip_address": "fd00::1"}]
    api.update("port", leg["id"], fixed_ips=both)
    routes = [{"destination": "fd77::/64", "nexthop": "fd00::9"}]
    api.update("router", router["id"], routes=routes)
    refused = (409, "RouterInterfaceInUseByRoute")
    assert api.not_updated("port", leg["id"], fixed_ips=both[:1]) == refused
    next_hops = {"subnet_id": v6["id"], "ip_address": "fd00::9"}
    assert api.not_updated("port", leg["id"], fixed_ips=[both[0], next_hops]) == refused
    assert legs(api, router)[0]["fixed_ips"] == both
    moved = [both[0], {"subnet_id": v6["id"], "ip_address": "fd00::2"}]
    assert api.update("port", leg["id"], fixed_ips=moved)["fixed_ips"] == moved


def test_whether_another_projects_subnet_exists_is_not_told(member: Api, stranger: Api) -> None:
    router, foreign = member.router(), stranger.subnet(stranger.network())
    for subnet_id in (foreign["id"], "11111111-1111-4111-8111-111111111111"):
        answer = member.send("PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": subnet_id})
        assert answer.error == (404, "SubnetNotFound")


def test_a_router_with_interfaces_stays(api: Api) -> None:
    router = api.router(api.subnet(api.network()))
    assert api.send("DELETE", f"routers/{router['id']}").error == (409, "RouterInUse")
    path = f"routers/{router['id']}/remove_router_interface"
    api.put(path, {"port_id": legs(api, router)[0]["id"]})
    api.delete(f"routers/{router['id']}")


def test_routes_go_to_neighbours_on_connected_subnets(api: Api) -> None:
    router = api.router(api.subnet(api.network()), api.subnet(api.network(), "fd00::/64"))
    routes = [
        {"destination": "192.168.7.0/24", "nexthop": "10.0.0.9"},
        {"destination": "fd77::/64", "nexthop": "fd00::9"},
    ]
    assert api.update("router", router["id"], routes=routes)["routes"] == routes
    for wrong in (
        {"destination": "192.168.7.0/24", "nexthop": "10.9.0.9"},
        {"destination": "192.168.7.0/24", "nexthop": "10.0.0.1"},
        {"destination": "192.168.7.0/24", "nexthop": "10.0.0.0"},
        {"destination": "192.168.7.0/24", "nexthop": "10.0.0.255"},
        {"destination": "192.168.7.0/24", "nexthop": "fd00::9"},
    ):
        assert api.not_updated("router", router["id"], routes=[wrong]) == (400, "InvalidRoutes")
    for wrong in ({"destination": "x", "nexthop": "10.0.0.9"}, {"nexthop": "10.0.0.9"}, {"colour": "blue"}):
        assert api.not_updated("router", router["id"], routes=[wrong]) == (400, "HTTPBadRequest")
    many = [{"destination": f"192.168.{n}.0/24", "nexthop": "10.0.0.9"} for n in range(31)]
    assert api.not_updated("router", router["id"], routes=many) == (400, "RoutesExhausted")
    assert api.get(f"routers/{router['id']}")["router"]["routes"] == routes


def test_an_interface_that_a_route_needs_stays(api: Api) -> None:
    subnet = api.subnet(api.network())
    router = api.router(subnet)
    api.update("router", router["id"], routes=[{"destination": "192.168.7.0/24", "nexthop": "10.0.0.9"}])
    path = f"routers/{router['id']}/remove_router_interface"
    assert api.send("PUT", path, {"subnet_id": subnet["id"]}).error == (409, "RouterInterfaceInUseByRoute")
    api.update("router", router["id"], routes=[])
    api.put(path, {"subnet_id": subnet["id"]})


def test_routes_are_added_and_removed_one_by_one(api: Api) -> None:
    router = api.router(api.subnet(api.network()))
    one, two = ({"destination": f"192.168.{n}.0/24", "nexthop": "10.0.0.9"} for n in (1, 2))
    add, remove = (f"routers/{router['id']}/{verb}_extraroutes" for verb in ("add", "remove"))
    assert api.put(add, {"router": {"routes": [one]}})["router"]["routes"] == [one]
    assert api.put(add, {"router": {"routes": [one, two]}})["router"]["routes"] == [one, two]
    assert api.put(remove, {"router": {"routes": [one]}})["router"]["routes"] == [two]
    assert api.send("PUT", add, {"routes": [one]}).error == (400, "HTTPBadRequest")
    assert api.send("PUT", add, {"router": {"name": "x"}}).error == (400, "HTTPBadRequest")


def test_a_project_attaches_only_what_is_its_own(api: Api, member: Api, stranger: Api) -> None:
    router = member.create("router")
    foreign_network = stranger.network()
    foreign = stranger.subnet(foreign_network)
    foreign_port = stranger.port(foreign_network)
    assert member.interface(router, subnet_id=foreign["id"]).error == (404, "SubnetNotFound")
    assert member.interface(router, port_id=foreign_port["id"]).error == (404, "PortNotFound")
    shared_network = api.network(shared=True)
    shared = api.subnet(shared_network, "10.7.0.0/24")
    assert member.interface(router, subnet_id=shared["id"]).error == (403, "PolicyNotAuthorized")
    assert stranger.interface(router, subnet_id=foreign["id"]).error == (404, "RouterNotFound")
    assert legs(api, router) == []
    assert member.interface(router, port_id=member.port(shared_network)["id"]).status == 200
