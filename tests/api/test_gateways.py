"""Gateways of routers: external networks, addresses, translation, and who may change what."""

from collections.abc import Callable

import pytest

from onehop.store import Store
from tests.api.client import Api, Row
from tests.store.rows import add_gateway_host

pytestmark = pytest.mark.slow


def gateway_ports(api: Api, router: Row) -> list[Row]:
    rows: list[Row] = api.get(f"ports?device_id={router['id']}&device_owner=network:router_gateway")["ports"]
    return rows


def test_a_gateway_takes_an_address_of_each_family(api: Api, external: Row) -> None:
    api.subnet(external, "2001:db8::/64")
    router = api.create("router", external_gateway_info={"network_id": external["id"]})
    info = router["external_gateway_info"]
    assert (info["network_id"], info["enable_snat"]) == (external["id"], True)
    assert sorted(":" in ip["ip_address"] for ip in info["external_fixed_ips"]) == [False, True]
    assert api.get(f"routers/{router['id']}")["router"]["external_gateway_info"] == info
    assert api.get("routers")["routers"][0]["external_gateway_info"] == info


def test_a_gateway_port_belongs_to_no_project(api: Api, member: Api, external: Row) -> None:
    router = member.create("router", external_gateway_info={"network_id": external["id"]})
    (port,) = gateway_ports(api, router)
    assert (port["project_id"], port["tenant_id"], port["binding:vif_type"]) == ("", "", "distributed")
    assert port["fixed_ips"] == router["external_gateway_info"]["external_fixed_ips"]
    assert member.get("ports")["ports"] == []
    assert member.send("GET", f"ports/{port['id']}").error == (404, "PortNotFound")


def test_a_gateway_port_goes_with_the_gateway_only(api: Api, external: Row, host: str) -> None:
    router = api.create("router", external_gateway_info={"network_id": external["id"]})
    (port,) = gateway_ports(api, router)
    path = f"ports/{port['id']}"
    assert api.send("DELETE", path).error == (409, "ServicePortInUse")
    assert api.not_updated("port", port["id"], fixed_ips=[]) == (409, "PortInUse")
    assert api.not_updated("port", port["id"], device_id="") == (409, "PortInUse")
    assert api.not_updated("port", port["id"], **{"binding:host_id": host}) == (400, "HTTPBadRequest")
    assert api.send("POST", f"{path}/bindings", {"binding": {"host": host}}).error == (400, "HTTPBadRequest")
    assert api.refused("port", network_id=external["id"], device_owner="network:router_gateway")[0] == 400
    assert api.send("DELETE", f"networks/{external['id']}").error == (409, "NetworkInUse")
    assert api.update("router", router["id"], external_gateway_info={})["external_gateway_info"] is None
    assert api.send("GET", path).error == (404, "PortNotFound")
    api.delete(f"networks/{external['id']}")


def test_a_router_goes_with_its_gateway(api: Api, external: Row) -> None:
    router = api.create("router", external_gateway_info={"network_id": external["id"]})
    api.delete(f"routers/{router['id']}")
    assert api.get("ports")["ports"] == []


def test_a_gateway_on_a_network_that_is_not_external_is_400(api: Api) -> None:
    network, router = api.network(), api.router()
    info = {"network_id": network["id"]}
    assert api.not_updated("router", router["id"], external_gateway_info=info) == (400, "BadRequest")
    assert api.refused("router", external_gateway_info=info) == (400, "BadRequest")
    assert len(api.get("routers")["routers"]) == 1
    assert api.not_updated("router", router["id"], external_gateway_info={"enable_snat": True})[0] == 400
    missing = {"network_id": "11111111-1111-4111-8111-111111111111"}
    assert api.not_updated("router", router["id"], external_gateway_info=missing) == (404, "NetworkNotFound")


def test_several_addresses_are_chosen_and_changed(api: Api, external: Row) -> None:
    wanted = [{"ip_address": f"172.29.0.{n}"} for n in (7, 5)]
    router = api.gateway(api.router(), external, external_fixed_ips=wanted)
    info = router["external_gateway_info"]
    assert [ip["ip_address"] for ip in info["external_fixed_ips"]] == ["172.29.0.7", "172.29.0.5"]
    (port,) = gateway_ports(api, router)
    changed = api.gateway(router, external, external_fixed_ips=[{"ip_address": "172.29.0.5"}])
    assert [ip["ip_address"] for ip in changed["external_gateway_info"]["external_fixed_ips"]] == ["172.29.0.5"]
    assert gateway_ports(api, router)[0]["id"] == port["id"]
    assert changed["revision_number"] > router["revision_number"]
    other = api.router()
    taken = {"network_id": external["id"], "external_fixed_ips": [{"ip_address": "172.29.0.5"}]}
    error = (409, "IpAddressAlreadyAllocated")
    assert api.not_updated("router", other["id"], external_gateway_info=taken) == error
    assert api.get(f"routers/{other['id']}")["router"]["external_gateway_info"] is None


def test_a_full_external_network_says_IpAddressGenerationFailure(api: Api) -> None:  # noqa: N802 - the API's name
    network = api.external()
    api.subnet(network, "172.29.1.0/30")
    api.create("router", external_gateway_info={"network_id": network["id"]})
    refused = api.refused("router", external_gateway_info={"network_id": network["id"]})
    assert refused == (409, "IpAddressGenerationFailure")


def test_a_gateway_moves_to_another_external_network(api: Api, external: Row) -> None:
    other = api.external("lan")
    api.subnet(other, "172.30.0.0/24")
    router = api.gateway(api.router(), external, enable_snat=False)
    moved = api.gateway(router, other)
    assert moved["external_gateway_info"]["network_id"] == other["id"]
    assert moved["external_gateway_info"]["enable_snat"] is True
    assert len(gateway_ports(api, router)) == 1


def test_translation_is_switched_by_administrators_alone(api: Api, member: Api, external: Row) -> None:
    router = member.router()
    info = {"network_id": external["id"], "enable_snat": False}
    forbidden = (403, "PolicyNotAuthorized")
    assert member.not_updated("router", router["id"], external_gateway_info=info) == forbidden
    assert member.refused("router", external_gateway_info=info) == forbidden
    chosen = {"network_id": external["id"], "external_fixed_ips": [{"ip_address": "172.29.0.9"}]}
    assert member.not_updated("router", router["id"], external_gateway_info=chosen) == forbidden
    off = api.gateway(router, external, enable_snat=False)
    assert off["external_gateway_info"]["enable_snat"] is False
    same = {**off["external_gateway_info"]}
    assert member.update("router", router["id"], external_gateway_info=same)["external_gateway_info"] == same
    assert api.gateway(router, external, enable_snat=True)["external_gateway_info"]["enable_snat"] is True


def test_a_gateway_that_overlaps_an_interface_is_400_and_the_other_way_round(api: Api, external: Row) -> None:
    inside = api.subnet(api.network(), "172.29.0.128/25")
    router = api.router(inside)
    info = {"network_id": external["id"]}
    assert api.not_updated("router", router["id"], external_gateway_info=info) == (400, "BadRequest")
    other = api.gateway(api.router(), external)
    assert api.interface(other, subnet_id=inside["id"]).error == (400, "BadRequest")


def test_a_route_may_go_by_the_gateway_and_then_holds_it(api: Api, external: Row) -> None:
    router = api.gateway(api.router(), external)
    routes = [{"destination": "10.99.0.0/16", "nexthop": "172.29.0.200"}]
    assert api.update("router", router["id"], routes=routes)["routes"] == routes
    refused = api.not_updated("router", router["id"], external_gateway_info=None)
    assert refused == (409, "RouterInterfaceInUseByRoute")
    hop = {"network_id": external["id"], "external_fixed_ips": [{"ip_address": "172.29.0.200"}]}
    refused = api.not_updated("router", router["id"], external_gateway_info=hop)
    assert refused == (409, "RouterInterfaceInUseByRoute")
    own = router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    wrong = [{"destination": "10.99.0.0/16", "nexthop": own}]
    assert api.not_updated("router", router["id"], routes=wrong) == (400, "InvalidRoutes")
    api.delete(f"routers/{router['id']}")


def test_an_external_network_in_use_stays_external(api: Api, external: Row) -> None:
    router = api.gateway(api.router(), external)
    refused = (409, "ExternalNetworkInUse")
    assert api.not_updated("network", external["id"], **{"router:external": False}) == refused
    api.update("router", router["id"], external_gateway_info=None)
    assert api.update("network", external["id"], **{"router:external": False})["router:external"] is False


def test_a_router_asks_for_centralized_translation_in_two_ways(api: Api, member: Api) -> None:
    router = api.create("router", distributed=False)
    assert (router["distributed"], router["snat"]) == (True, "centralized")
    assert api.create("router")["snat"] == "distributed"
    assert api.create("router", snat="centralized")["snat"] == "centralized"
    assert api.update("router", router["id"], snat="distributed")["snat"] == "distributed"
    assert api.not_updated("router", router["id"], distributed=False) == (400, "BadRequest")
    assert api.update("router", router["id"], distributed=True)["snat"] == "distributed"
    down = api.update("router", router["id"], admin_state_up=False, distributed=False)
    assert (down["distributed"], down["snat"]) == (True, "centralized")
    assert member.refused("router", snat="centralized") == (403, "PolicyNotAuthorized")
    assert member.refused("router", port_block_size=64) == (403, "PolicyNotAuthorized")
    assert api.refused("router", snat="none") == (400, "HTTPBadRequest")


def test_the_configuration_says_how_new_routers_translate(make_api: Callable[..., Api]) -> None:
    api = make_api(snat="centralized", port_block_size=512)
    router = api.create("router")
    assert (router["snat"], router["port_block_size"]) == ("centralized", 512)


@pytest.mark.parametrize("size", [0, 32, 63, 1000, 32768, -1024])
def test_a_block_size_that_is_no_power_of_two_in_range_is_400(api: Api, size: int) -> None:
    assert api.refused("router", port_block_size=size) == (400, "HTTPBadRequest")


def test_a_router_that_no_gateway_host_can_lead_out_says_so(api: Api, store: Store, external: Row) -> None:
    router = api.gateway(api.router(), external)
    assert router["status"] == "ERROR"
    assert "no gateway host reaches the external network, physical network external" in router["status_reason"]
    host = add_gateway_host(store, 1)
    shown = api.get(f"routers/{router['id']}")["router"]
    assert (shown["status"], shown["status_reason"]) == ("ACTIVE", "")
    (place,) = shown["gateway_hosts"]
    assert (place["host"], place["owner"], place["candidate"]) == (host, True, True)
    (fixed,) = shown["external_gateway_info"]["external_fixed_ips"]
    assert place["port_blocks"] == [{"address": fixed["ip_address"], "first": 1024, "last": 2047}]


def test_hosts_of_a_gateway_are_for_administrators(api: Api, member: Api, external: Row, gateway_host: str) -> None:
    router = member.create("router", external_gateway_info={"network_id": external["id"]})
    assert "gateway_hosts" not in router
    (place,) = api.get(f"routers/{router['id']}")["router"]["gateway_hosts"]
    assert place["host"] == gateway_host


def test_an_automatic_external_subnet_gives_the_gateway_its_address_and_agents_hear_of_it(
    api: Api, store: Store, external: Row
) -> None:
    router = api.gateway(api.router(), external)
    before = store.revision()
    six = api.slaac(external, "2001:db8::/64")
    shown = api.get(f"routers/{router['id']}")["router"]
    held = {ip["subnet_id"] for ip in shown["external_gateway_info"]["external_fixed_ips"]}
    assert six["id"] in held
    with store.read() as tx:
        assert ("router", router["id"]) in {(change.kind, change.id) for change in tx.changes(before)}
    assert api.send("DELETE", f"subnets/{six['id']}").error == (409, "SubnetInUse")


def test_a_port_cannot_take_the_mac_of_an_external_leg(api: Api, external: Row, gateway_host: str) -> None:
    router = api.gateway(api.router(), external)
    (place,) = router["gateway_hosts"]
    assert place["host"] == gateway_host
    assert api.refused("port", network_id=external["id"], mac_address=place["mac_address"]) == (409, "MacAddressInUse")
    port = api.port(external)
    assert api.not_updated("port", port["id"], mac_address=place["mac_address"]) == (409, "MacAddressInUse")


def test_gateways_and_networks_share_the_vnis(make_api: Callable[..., Api], external: Row) -> None:
    api = make_api(vni_min=100, vni_max=101)
    network, router = api.network(), api.router()
    api.gateway(router, external)
    assert api.refused("network") == (409, "NoNetworkAvailable")
    assert api.refused("router", external_gateway_info={"network_id": external["id"]}) == (409, "NoNetworkAvailable")
    api.delete(f"networks/{network['id']}")
    (taken,) = {100, 101} - {network["provider:segmentation_id"]}
    segment = {"provider:network_type": "vxlan", "provider:segmentation_id": taken}
    assert api.refused("network", **segment) == (409, "TunnelIdInUse")
    api.update("router", router["id"], external_gateway_info=None)
    assert api.network(**segment)["provider:segmentation_id"] == taken


def test_each_address_of_a_gateway_has_port_blocks_and_one_that_goes_takes_them_along(
    api: Api, store: Store, external: Row
) -> None:
    hosts = [add_gateway_host(store, n) for n in (1, 2)]

    def shown(*last: int) -> dict[str, list[Row]]:
        wanted = [{"ip_address": f"172.29.0.{n}"} for n in last]
        places = api.gateway(router, external, external_fixed_ips=wanted)["gateway_hosts"]
        return {place["host"]: place["port_blocks"] for place in places}

    router = api.router()
    first = {"first": 1024, "last": 2047}
    both = shown(7, 5)
    assert sorted(both[host][0]["address"] for host in hosts) == ["172.29.0.5", "172.29.0.7"]
    assert shown(5, 7, 9) == both
    assert shown(7, 9) == {
        host: blocks if blocks[0]["address"] == "172.29.0.7" else [{"address": "172.29.0.9", **first}]
        for host, blocks in both.items()
    }
    (port,) = gateway_ports(api, router)
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["172.29.0.7", "172.29.0.9"]
