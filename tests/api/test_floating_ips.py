"""Floating IPs: addresses, what they lead to, and what happens when that goes."""

import pytest

from onehop.store import Status, Store
from tests.api.client import PROJECT_A, Api, Row
from tests.store.rows import say_hello

pytestmark = pytest.mark.slow


class Inside:
    """A project's network behind a router with a gateway."""

    def __init__(self, api: Api, external: Row, cidr: str = "10.0.0.0/24") -> None:
        self.api = api
        self.network = api.network()
        self.subnet = api.subnet(self.network, cidr)
        self.router = api.router(self.subnet)
        api.gateway(self.router, external)

    def port(self, *ips: str, **values: object) -> Row:
        fixed = {"fixed_ips": [{"ip_address": ip} for ip in ips]} if ips else {}
        return self.api.port(self.network, **fixed, **values)


@pytest.fixture
def inside(member: Api, external: Row) -> Inside:
    return Inside(member, external)


def floating(api: Api, external: Row, **values: object) -> Row:
    return api.create("floatingip", floating_network_id=external["id"], **values)


def shown(api: Api, row: Row) -> Row:
    found: Row = api.get(f"floatingips/{row['id']}")["floatingip"]
    return found


def test_a_floating_ip_has_an_address_of_the_external_network(api: Api, member: Api, external: Row) -> None:
    row = floating(member, external)
    assert row["floating_ip_address"].startswith("172.29.0.")
    assert (row["project_id"], row["tenant_id"], row["status"]) == (PROJECT_A, PROJECT_A, "DOWN")
    for name in ("port_id", "router_id", "fixed_ip_address", "port_details", "qos_policy_id"):
        assert row[name] is None
    assert row["port_forwardings"] == []
    expected = (
        "id tenant_id project_id floating_ip_address floating_network_id router_id port_id fixed_ip_address status "
        "description qos_policy_id port_details dns_domain dns_name port_forwardings tags created_at updated_at "
        "revision_number status_reason"
    )
    assert set(row) == set(expected.split())
    (port,) = api.get("ports?device_owner=network:floatingip")["ports"]
    assert (port["device_id"], port["project_id"]) == (row["id"], "")
    assert api.send("DELETE", f"ports/{port['id']}").error == (409, "ServicePortInUse")
    member.delete(f"floatingips/{row['id']}")
    assert api.get("ports")["ports"] == []
    assert member.send("GET", f"floatingips/{row['id']}").error == (404, "FloatingIPNotFound")


def test_a_floating_ip_leads_to_a_port(member: Api, inside: Inside, external: Row) -> None:
    port = inside.port(name="web")
    row = floating(member, external, port_id=port["id"])
    assert (row["port_id"], row["router_id"]) == (port["id"], inside.router["id"])
    assert row["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert row["port_details"] == {
        name: port[name]
        for name in ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
    }
    gone = member.update("floatingip", row["id"], port_id=None)
    assert (gone["port_id"], gone["router_id"], gone["fixed_ip_address"]) == (None, None, None)
    assert gone["revision_number"] > row["revision_number"]
    again = member.update("floatingip", row["id"], port_id=port["id"])
    assert again["router_id"] == inside.router["id"]
    other = inside.port()
    moved = member.update("floatingip", row["id"], port_id=other["id"])
    assert moved["fixed_ip_address"] == other["fixed_ips"][0]["ip_address"]
    assert member.update("floatingip", row["id"], description="x")["port_id"] == other["id"]


def test_one_port_has_several_floating_ips_each_for_an_address(member: Api, inside: Inside, external: Row) -> None:
    port = inside.port("10.0.0.10", "10.0.0.11")
    refused = (400, "BadRequest")
    asked = {"floating_network_id": external["id"], "port_id": port["id"]}
    assert member.refused("floatingip", **asked) == refused
    one = floating(member, external, port_id=port["id"], fixed_ip_address="10.0.0.10")
    two = floating(member, external, port_id=port["id"], fixed_ip_address="10.0.0.11")
    assert [one["fixed_ip_address"], two["fixed_ip_address"]] == ["10.0.0.10", "10.0.0.11"]
    taken = (409, "FloatingIPPortAlreadyAssociated")
    assert member.refused("floatingip", **asked, fixed_ip_address="10.0.0.11") == taken
    assert member.not_updated("floatingip", two["id"], fixed_ip_address="10.0.0.10") == taken
    assert member.update("floatingip", one["id"], port_id=port["id"])["fixed_ip_address"] == "10.0.0.10"


def test_what_cannot_be_led_to_is_refused(api: Api, member: Api, inside: Inside, external: Row) -> None:
    six = member.network()
    member.subnet(six, "fd00::/64")
    network = {"floating_network_id": external["id"]}
    port = inside.port()
    cases = [
        ({"floating_network_id": inside.network["id"]}, (400, "BadRequest")),
        ({"floating_network_id": "11111111-1111-4111-8111-111111111111"}, (404, "NetworkNotFound")),
        ({**network, "port_id": "11111111-1111-4111-8111-111111111111"}, (404, "PortNotFound")),
        ({**network, "port_id": member.port(six)["id"]}, (400, "BadRequest")),
        ({**network, "port_id": port["id"], "fixed_ip_address": "10.0.0.250"}, (400, "BadRequest")),
        ({**network, "port_id": port["id"], "fixed_ip_address": "fd00::5"}, (400, "BadRequest")),
        ({**network, "fixed_ip_address": "10.0.0.5"}, (400, "BadRequest")),
        ({**network, "subnet_id": inside.subnet["id"]}, (400, "BadRequest")),
        ({**network, "port_id": port["id"], "router_id": inside.router["id"]}, (400, "HTTPBadRequest")),
    ]
    for body, error in cases:
        assert member.refused("floatingip", **body) == error, body
    assert api.get("ports?device_owner=network:floatingip")["ports"] == []


def test_a_port_without_a_way_outside_is_404_as_the_reference_says(member: Api, external: Row) -> None:
    network = member.network()
    subnet = member.subnet(network)
    port = member.port(network)
    error = (404, "ExternalGatewayForFloatingIPNotFound")
    asked = {"floating_network_id": external["id"], "port_id": port["id"]}
    assert member.refused("floatingip", **asked) == error
    router = member.router(subnet)
    assert member.refused("floatingip", **asked) == error
    member.gateway(router, external)
    assert floating(member, external, port_id=port["id"])["router_id"] == router["id"]


def test_the_router_of_the_default_gateway_is_preferred(member: Api, inside: Inside, external: Row) -> None:
    others = []
    for _ in range(3):
        router = member.gateway(member.router(), external)
        leg = inside.port()
        assert member.interface(router, port_id=leg["id"]).status == 200
        others.append(router["id"])
    port = inside.port()
    assert floating(member, external, port_id=port["id"])["router_id"] == inside.router["id"]
    assert len(others) == 3


def test_an_address_is_chosen_by_administrators_and_a_subnet_by_anybody(api: Api, member: Api, external: Row) -> None:
    second = api.subnet(external, "172.29.1.0/24")
    assert floating(member, external, subnet_id=second["id"])["floating_ip_address"].startswith("172.29.1.")
    asked = {"floating_network_id": external["id"], "floating_ip_address": "172.29.0.77"}
    assert member.refused("floatingip", **asked) == (403, "PolicyNotAuthorized")
    assert api.create("floatingip", **asked)["floating_ip_address"] == "172.29.0.77"
    assert api.refused("floatingip", **asked) == (409, "IpAddressAlreadyAllocated")
    outside = {**asked, "floating_ip_address": "192.0.2.1"}
    assert api.refused("floatingip", **outside) == (400, "InvalidIpForNetwork")
    assert api.refused("floatingip", **{**asked, "floating_ip_address": "2001:db8::1"}) == (400, "BadRequest")


def test_a_floating_ip_needs_an_ipv4_subnet_with_room(api: Api) -> None:
    network = api.external()
    api.subnet(network, "2001:db8::/64")
    assert api.refused("floatingip", floating_network_id=network["id"]) == (400, "BadRequest")
    api.subnet(network, "172.29.0.0/30")
    floating(api, network)
    assert api.refused("floatingip", floating_network_id=network["id"]) == (409, "IpAddressGenerationFailure")


def test_a_deleted_port_or_address_leaves_the_floating_ip_leading_nowhere(
    member: Api, inside: Inside, external: Row
) -> None:
    port = inside.port("10.0.0.10", "10.0.0.11")
    one = floating(member, external, port_id=port["id"], fixed_ip_address="10.0.0.10")
    two = floating(member, external, port_id=port["id"], fixed_ip_address="10.0.0.11")
    member.update("port", port["id"], fixed_ips=[{"ip_address": "10.0.0.11"}])
    assert (shown(member, one)["port_id"], shown(member, one)["router_id"]) == (None, None)
    assert shown(member, two)["port_id"] == port["id"]
    member.delete(f"ports/{port['id']}")
    assert (shown(member, two)["port_id"], shown(member, two)["fixed_ip_address"]) == (None, None)


def test_what_a_floating_ip_goes_by_cannot_be_taken_away(member: Api, inside: Inside, external: Row) -> None:
    row = floating(member, external, port_id=inside.port()["id"])
    router = inside.router["id"]
    used = (409, "RouterExternalGatewayInUseByFloatingIp")
    assert member.not_updated("router", router, external_gateway_info=None) == used
    path = f"routers/{router}/remove_router_interface"
    refused = (409, "RouterInterfaceInUseByFloatingIP")
    assert member.send("PUT", path, {"subnet_id": inside.subnet["id"]}).error == refused
    assert member.send("DELETE", f"routers/{router}").error == (409, "RouterInUse")
    member.delete(f"floatingips/{row['id']}")
    member.put(path, {"subnet_id": inside.subnet["id"]})
    assert member.update("router", router, external_gateway_info=None)["external_gateway_info"] is None


def test_a_port_with_a_floating_ip_does_not_become_an_interface(member: Api, inside: Inside, external: Row) -> None:
    port = inside.port()
    row = floating(member, external, port_id=port["id"])
    assert member.interface(member.router(), port_id=port["id"]).error == (409, "PortInUse")
    member.delete(f"floatingips/{row['id']}")
    assert member.interface(member.router(), port_id=port["id"]).status == 200


def test_an_interface_keeps_the_subnet_that_a_floating_ip_goes_by(member: Api, external: Row) -> None:
    network = member.network()
    four, six = member.subnet(network), member.subnet(network, "fd00::/64")
    router = member.router()
    leg = member.port(network, fixed_ips=[{"subnet_id": four["id"]}, {"subnet_id": six["id"]}])
    assert member.interface(router, port_id=leg["id"]).status == 200
    member.gateway(router, external)
    floating(member, external, port_id=member.port(network)["id"])
    refused = member.not_updated("port", leg["id"], fixed_ips=[{"subnet_id": six["id"]}])
    assert refused == (409, "RouterInterfaceInUseByFloatingIP")


def test_a_stranger_neither_sees_nor_leads(member: Api, stranger: Api, inside: Inside, external: Row) -> None:
    row = floating(member, external)
    path = f"floatingips/{row['id']}"
    assert stranger.get("floatingips")["floatingips"] == []
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"floatingip": {"port_id": None}})):
        assert stranger.send(method, path, body).error == (404, "FloatingIPNotFound")
    theirs = floating(stranger, external)
    assert stranger.not_updated("floatingip", theirs["id"], port_id=inside.port()["id"]) == (404, "PortNotFound")


def test_an_external_network_takes_idle_floating_ips_with_it(api: Api, member: Api, external: Row) -> None:
    row = floating(member, external)
    api.delete(f"networks/{external['id']}")
    assert member.send("GET", f"floatingips/{row['id']}").error == (404, "FloatingIPNotFound")


def test_an_external_network_with_a_busy_floating_ip_stays(
    api: Api, member: Api, inside: Inside, external: Row
) -> None:
    idle, busy = floating(member, external), floating(member, external, port_id=inside.port()["id"])
    assert api.send("DELETE", f"networks/{external['id']}").error == (409, "NetworkInUse")
    assert {row["id"] for row in member.get("floatingips")["floatingips"]} == {idle["id"], busy["id"]}


def test_floating_ips_are_found_by_what_they_are(member: Api, inside: Inside, external: Row) -> None:
    port = inside.port()
    busy, idle = floating(member, external, port_id=port["id"]), floating(member, external)
    for query, expected in {
        f"port_id={port['id']}": [busy["id"]],
        f"router_id={inside.router['id']}": [busy["id"]],
        f"floating_ip_address={idle['floating_ip_address']}": [idle["id"]],
        f"fixed_ip_address={busy['fixed_ip_address']}": [busy["id"]],
        "status=ACTIVE": [],
        "port_id=": [idle["id"]],
    }.items():
        assert member.ids(f"floatingips?{query}") == expected, query
    assert len(member.ids(f"floatingips?floating_network_id={external['id']}&status=DOWN")) == 2
    pages = member.get("floatingips?limit=1")
    assert {link["rel"] for link in pages["floatingips_links"]} == {"next", "previous"}


def test_pools_are_the_subnets_of_external_networks(api: Api, member: Api, external: Row) -> None:
    api.subnet(external, "2001:db8::/64")
    member.subnet(member.network())
    (pool,) = member.get("floatingip-pools")["floatingip_pools"]
    assert (pool["network_id"], pool["cidr"], pool["subnet_name"]) == (external["id"], "172.29.0.0/24", "")
    assert set(pool) == {"subnet_id", "subnet_name", "network_id", "cidr", "project_id", "tenant_id"}


def test_a_floating_ip_is_as_its_hosts_say_since_it_leads_there(
    api: Api, store: Store, member: Api, inside: Inside, external: Row, host: str, other_host: str
) -> None:
    sessions = {name: say_hello(store, name, n, gateway_host=False) for n, name in enumerate((host, other_host), 1)}
    port = inside.port()
    row = floating(member, external, port_id=port["id"])
    api.update("port", port["id"], **{"binding:host_id": host})

    def say(name: str, state: str | None, reason: str = "", revision: int | None = None) -> str:
        status = Status("floatingip", row["id"], state, reason)  # type: ignore[arg-type]  # tests name states
        at = store.revision() if revision is None else revision
        store.run(lambda tx: tx.put_statuses(name, [status], session=sessions[name], revision=at))
        return str(shown(member, row)["status"])

    assert shown(member, row)["status"] == "DOWN"
    assert say(host, "ACTIVE") == "ACTIVE"
    before = store.revision()
    assert say(host, "ERROR", "the leg is gone") == "ERROR"
    assert shown(member, row)["status_reason"] == f"{host}: the leg is gone"
    assert say(host, "ACTIVE") == "ACTIVE"
    api.update("port", port["id"], **{"binding:host_id": other_host})
    assert shown(member, row)["status"] == "DOWN"
    assert say(host, "ACTIVE", revision=before) == "DOWN"
    assert say(other_host, "ACTIVE") == "ACTIVE"
    assert say(host, "DOWN", revision=before) == "ACTIVE"
    assert member.update("floatingip", row["id"], port_id=None)["status"] == "DOWN"
    assert say(other_host, "ACTIVE", revision=before) == "DOWN"
