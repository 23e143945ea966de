"""Access control as it was broken elsewhere: each case once, by name, against this API.

The dataplane half of "routers of two projects on one external network" is in tests/dataplane_north; the agent's
socket, which only root may talk to, in tests/unit/agent.
"""

import pytest

from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.port import INTERFACE_OWNERS
from onehop.store import Store
from tests.api.client import PROJECT_A, Api, Row

pytestmark = pytest.mark.slow

DENIED = (403, "PolicyNotAuthorized")
SERVICES = ("network:foo", "network:dhcp", "neutron:x", "network:router_gateway_distributed", "NETWORK:dhcp")


def site(api: Api, member: Api) -> tuple[Row, Row, Row, Row]:
    """Project A's network, subnet, router with a gateway, and floating IP."""
    external = api.network(**{"router:external": True})
    api.subnet(external, "172.29.0.0/24")
    network = member.network()
    subnet = member.subnet(network)
    router = member.router(subnet, external_gateway_info={"network_id": external["id"]})
    return network, subnet, router, member.create("floatingip", floating_network_id=external["id"])


def test_ports_that_belong_to_routers_and_floating_ips_cannot_be_deleted_through_the_port_api(
    api: Api, member: Api
) -> None:
    site(api, member)
    made = [
        p for p in api.get("ports")["ports"] if p["device_owner"] in {*INTERFACE_OWNERS, GATEWAY_OWNER, FLOATING_OWNER}
    ]
    assert {p["device_owner"] for p in made} >= {GATEWAY_OWNER, FLOATING_OWNER}
    for port in made:
        assert api.send("DELETE", f"ports/{port['id']}").error == (409, "ServicePortInUse")
        assert member.send("DELETE", f"ports/{port['id']}").status in (404, 409)
    assert {p["id"] for p in made} <= set(api.ids("ports"))


def test_a_project_attaches_no_router_to_anothers_network(api: Api, member: Api, stranger: Api) -> None:
    network, subnet, _, _ = site(api, member)
    theirs = stranger.create("router")
    path = f"routers/{theirs['id']}/add_router_interface"
    port = member.port(network)
    assert stranger.send("PUT", path, {"subnet_id": subnet["id"]}).error == (404, "SubnetNotFound")
    assert stranger.send("PUT", path, {"port_id": port["id"]}).error == (404, "PortNotFound")
    api.update("network", network["id"], shared=True)
    assert stranger.send("PUT", path, {"subnet_id": subnet["id"]}).error == DENIED
    assert stranger.send("PUT", path, {"port_id": port["id"]}).error == (404, "PortNotFound")
    assert api.ids(f"ports?device_id={theirs['id']}") == []


@pytest.mark.parametrize("owner", SERVICES)
def test_a_device_owner_that_poses_as_a_service_is_refused(member: Api, owner: str) -> None:
    network = member.network()
    port = member.port(network)
    assert member.refused("port", network_id=network["id"], device_owner=owner)[0] in (400, 403)
    assert member.not_updated("port", port["id"], device_owner=owner)[0] in (400, 403)
    assert member.get(f"ports/{port['id']}")["port"]["port_security_enabled"] is True


@pytest.mark.parametrize("owner", sorted({*INTERFACE_OWNERS, GATEWAY_OWNER, FLOATING_OWNER}))
def test_nobody_makes_a_routers_port_through_the_port_api(api: Api, member: Api, owner: str) -> None:
    network = member.network()
    for caller in (api, member):
        assert caller.refused("port", network_id=network["id"], device_owner=owner) == (400, "HTTPBadRequest")


def test_a_port_with_the_device_id_of_anothers_router_is_rejected(api: Api, member: Api, stranger: Api) -> None:
    _, _, router, _ = site(api, member)
    network = stranger.network()
    refused = (409, "DeviceIDNotOwnedByTenant")
    for device in (router["id"], router["id"].upper()):
        assert stranger.refused("port", network_id=network["id"], device_id=device) == refused
        assert stranger.not_updated("port", stranger.port(network)["id"], device_id=device) == refused
    assert api.ids(f"ports?device_id={router['id']}&network_id={network['id']}") == []


def test_children_of_anothers_objects_do_not_exist(api: Api, member: Api, stranger: Api, store: Store) -> None:
    network, _, _, floating = site(api, member)
    port = member.port(network)
    store.run(lambda tx: tx.add_host("host-1"))
    api.create("network")
    forward = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 80, "protocol": "tcp"}
    path = f"floatingips/{floating['id']}/port_forwardings"
    made = member.send("POST", path, {"port_forwarding": forward}).body["port_forwarding"]
    missing = (404, "FloatingIPNotFound")
    assert stranger.send("GET", path).error == missing
    assert stranger.send("POST", path, {"port_forwarding": forward}).error == missing
    for method, body in (("GET", None), ("PUT", {"port_forwarding": {"description": "x"}}), ("DELETE", None)):
        assert stranger.send(method, f"{path}/{made['id']}", body).error == missing
    assert stranger.send("GET", f"ports/{port['id']}/bindings").error == (404, "PortNotFound")


def test_a_child_is_found_below_its_own_parent_only(api: Api, member: Api, stranger: Api) -> None:
    network, _, _, floating = site(api, member)
    port = member.port(network)
    forward = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 80, "protocol": "tcp"}
    path = f"floatingips/{floating['id']}/port_forwardings"
    made = member.send("POST", path, {"port_forwarding": forward}).body["port_forwarding"]
    own = stranger.create("floatingip", floating_network_id=floating["floating_network_id"])
    wrong = f"floatingips/{own['id']}/port_forwardings/{made['id']}"
    for method, body in (("GET", None), ("PUT", {"port_forwarding": {"description": "x"}}), ("DELETE", None)):
        assert stranger.send(method, wrong, body).error == (404, "PortForwardingNotFound")


def test_a_floating_ip_leads_to_no_port_of_another(api: Api, member: Api, stranger: Api) -> None:
    network, _, _, floating = site(api, member)
    port = member.port(network)
    own = stranger.create("floatingip", floating_network_id=floating["floating_network_id"])
    assert stranger.not_updated("floatingip", own["id"], port_id=port["id"]) == (404, "PortNotFound")
    forward = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 80, "protocol": "tcp"}
    path = f"floatingips/{own['id']}/port_forwardings"
    assert stranger.send("POST", path, {"port_forwarding": forward}).error == (404, "PortNotFound")
    api.update("network", network["id"], shared=True)
    assert stranger.not_updated("floatingip", own["id"], port_id=port["id"])[0] in (400, 404)


def test_no_binding_is_set_by_a_project(member: Api) -> None:
    network = member.network()
    port = member.port(network)
    for values in ({"binding:profile": {"trusted": True}}, {"binding:host_id": "host-1"}):
        assert member.refused("port", network_id=network["id"], **values) == DENIED
        assert member.not_updated("port", port["id"], **values) == DENIED


def test_names_tags_and_descriptions_open_nothing(api: Api, member: Api, stranger: Api) -> None:
    network, subnet, router, floating = site(api, member)
    words = ["shared", "admin", router["id"], PROJECT_A, "network:dhcp"]
    for word in words:
        mine = stranger.network(name=word, description=word)
        stranger.put(f"networks/{mine['id']}/tags", {"tags": [word]})
        stranger.create("router", name=word, description=word)
        stranger.port(mine, name=word, device_id="x", device_owner="compute:nova")
    for path in (f"networks/{network['id']}", f"subnets/{subnet['id']}", f"routers/{router['id']}"):
        assert stranger.send("GET", path).status == 404
    assert stranger.send("GET", f"floatingips/{floating['id']}").status == 404
    for name in words:
        theirs = stranger.get(f"networks?name={name}")["networks"]
        assert {row["project_id"] for row in theirs} == {stranger.network()["project_id"]}


def test_a_security_group_of_another_is_neither_used_nor_named(member: Api, stranger: Api) -> None:
    group = member.create("security_group", name="web")
    network = stranger.network()
    own = stranger.create("security_group", name="own")
    missing = (404, "SecurityGroupNotFound")
    assert stranger.refused("port", network_id=network["id"], security_groups=[group["id"]]) == missing
    rule = {"security_group_id": own["id"], "direction": "ingress", "remote_group_id": group["id"]}
    assert stranger.refused("security_group_rule", **rule) == missing
    into = {"security_group_id": group["id"], "direction": "ingress"}
    assert stranger.refused("security_group_rule", **into) == missing


@pytest.mark.parametrize("bad", ["../../x", "a;b", "%2e%2e%2fx", "'; DROP TABLE port; --", "x" * 300])
def test_what_is_no_uuid_names_nothing(api: Api, bad: str) -> None:
    for collection in ("networks", "ports", "routers", "security-groups", "rbac-policies"):
        assert api.send("GET", f"{collection}/{bad}").status == 404
        assert api.send("DELETE", f"{collection}/{bad}").status in (404, 405)
    assert api.refused("port", network_id=bad) == (400, "HTTPBadRequest")
    assert api.refused("port", network_id=api.network()["id"], device_id="x\x00y") == (400, "HTTPBadRequest")


def test_the_answer_to_a_wrong_field_of_a_router_is_never_a_server_error(api: Api, member: Api) -> None:
    _, _, router, _ = site(api, member)
    for name in router:
        for wrong in (None, True, -1, "x", [], {}, {"a": 1}, ["x"], "x" * 300, 2**70):
            answer = api.send("PUT", f"routers/{router['id']}", {"router": {name: wrong}})
            assert answer.status in (200, 400, 409), (name, wrong, answer.body)


def test_distributed_changes_only_while_the_router_is_down(api: Api, member: Api) -> None:
    _, _, router, _ = site(api, member)
    assert api.not_updated("router", router["id"], distributed=False) == (400, "BadRequest")


def test_a_port_forwarding_with_a_protocol_without_ports_is_400_and_nothing_is_kept(api: Api, member: Api) -> None:
    network, _, _, floating = site(api, member)
    port = member.port(network)
    forward = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 80, "protocol": "icmp"}
    path = f"floatingips/{floating['id']}/port_forwardings"
    assert member.send("POST", path, {"port_forwarding": forward}).status == 400
    assert member.get(path)["port_forwardings"] == []
