"""Bodies: envelopes, bulk, unknown and wrong attributes. Every refusal leaves nothing behind."""

from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from structlog.testing import capture_logs

from onehop.controller.faults import not_found
from onehop.model.attribute import REQUIRED
from onehop.model.resource import Resource
from onehop.model.resources import RESOURCES
from tests.api.client import ADMIN_PROJECT, Api, identity

TOP = [r for r in RESOURCES if r.parent is None]
CREATABLE = [r for r in TOP if "create" in r.operations]
by_name = pytest.mark.parametrize("resource", CREATABLE, ids=lambda r: r.name)


def is_made(api: Api, resource: Resource) -> bool:
    """Whether there is anything of a resource but what every project has."""
    return any(row.get("name") != "default" for row in api.get(resource.segment)[resource.collection])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"network": {"name": "\\ud800"}}', b"[" * 100_000, b"{}{}"],
    ids=lambda c: repr(c[:12]),
)
@by_name
def test_a_body_that_is_no_json_object_is_400(api: Api, resource: Resource, content: bytes) -> None:
    assert api.send("POST", resource.segment, content=content).error == (400, "HTTPBadRequest")
    assert not is_made(api, resource)


@pytest.mark.parametrize("inner", [None, [], "x", 1, True])
@by_name
def test_an_envelope_with_something_else_in_it_is_400(api: Api, resource: Resource, inner: object) -> None:
    assert api.send("POST", resource.segment, {resource.name: inner}).error == (400, "HTTPBadRequest")
    assert api.send("POST", resource.segment, {resource.collection: inner}).error == (400, "HTTPBadRequest")
    assert api.send("POST", resource.segment, {resource.collection: [inner]}).error == (400, "HTTPBadRequest")


@by_name
def test_a_missing_envelope_is_named(api: Api, resource: Resource) -> None:
    answer = api.send("POST", resource.segment, {"name": "x"})
    assert answer.error == (400, "HTTPBadRequest")
    assert f"'{resource.name}'" in answer.message


@by_name
def test_an_unknown_attribute_is_named_and_refused(api: Api, resource: Resource) -> None:
    answer = api.send("POST", resource.segment, {resource.name: {"colour": "blue"}})
    assert answer.error == (400, "HTTPBadRequest")
    assert "colour" in answer.message


@by_name
def test_a_missing_required_attribute_is_named(api: Api, resource: Resource) -> None:
    required = [a.name for a in resource.attributes if a.default is REQUIRED]
    if required:
        answer = api.send("POST", resource.segment, {resource.name: {}})
        assert answer.error == (400, "HTTPBadRequest")
        assert required[0] in answer.message


@by_name
def test_what_the_server_writes_cannot_be_sent(api: Api, resource: Resource) -> None:
    for name in ("id", "status", "created_at", "revision_number"):
        answer = api.send("POST", resource.segment, {resource.name: {name: "x"}})
        assert answer.error == (400, "HTTPBadRequest")
        assert name in answer.message


WRONG: list[Any] = [
    None,
    7,
    True,
    "nonsense",
    "nul \0",
    "x" * 300,
    [],
    [None],
    [[]],
    [{}],
    [{"a": 1}],
    {},
    {"a": 1},
    -1,
    2**70,
    1.5,
    "10.0.0.9",
    "::",
    "10.0.0.0/24",
    "11111111-1111-4111-8111-111111111111",
]


def complete(api: Api, resource: Resource) -> dict[str, Any]:
    """A body that a create accepts."""
    if resource.name == "floatingip":
        outside = api.network(**{"router:external": True})
        api.subnet(outside, "172.29.0.0/16")
        return {"floating_network_id": outside["id"]}
    if resource.name == "security_group_rule":
        group = api.create("security_group")["id"]
        return {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    if resource.name == "rbac_policy":
        values = {"object_type": "network", "action": "access_as_shared", "target_tenant": "x"}
        return {**values, "object_id": api.network()["id"]}
    if resource.name not in ("subnet", "port"):
        return {}
    network = api.network()
    if resource.name == "subnet":
        return {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
    api.subnet(network)
    api.slaac(network)
    return {"network_id": network["id"]}


@pytest.mark.slow
@by_name
def test_no_value_of_any_attribute_is_more_than_a_client_error(api: Api, resource: Resource) -> None:
    row, body = api.create(resource.name, **complete(api, resource)), complete(api, resource)
    for attribute in resource.attributes:
        for wrong in WRONG:
            made = api.send("POST", resource.segment, {resource.name: {**body, attribute.name: wrong}})
            assert made.status in (201, 400, 403, 404, 409), (attribute.name, wrong, made.body)
            if made.status == 201 and resource.name in ("subnet", "security_group_rule", "rbac_policy"):
                body = complete(api, resource)  # the next one must not overlap
            path = f"{resource.segment}/{row['id']}"
            changed = api.send("PUT", path, {resource.name: {attribute.name: wrong}})
            known = (200, 400, 403, 404, 409) if "update" in resource.operations else (405,)
            assert changed.status in known, (attribute.name, wrong, changed.body)


def test_wrong_types_say_which_attribute(api: Api) -> None:
    answer = api.send("POST", "networks", {"network": {"name": 7}})
    assert answer.error == (400, "HTTPBadRequest")
    assert answer.message.startswith("Invalid input for name. Reason:")
    assert api.refused("network", admin_state_up="perhaps") == (400, "InvalidInput")
    assert api.refused("network", mtu="large") == (400, "InvalidInput")
    assert api.refused("network", name="x" * 256) == (400, "HTTPBadRequest")
    assert api.refused("network", description="x" * 256) == (400, "HTTPBadRequest")


def test_strings_and_numbers_that_mean_truth_values_are_taken(api: Api) -> None:
    for value in ("False", "false", 0, "0", False):
        assert api.network(admin_state_up=value)["admin_state_up"] is False


def test_null_takes_back_what_a_list_has_and_is_stored_as_the_empty_one(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network, dns_nameservers=["10.0.0.9"], host_routes=None)
    assert subnet["host_routes"] == []
    assert api.update("subnet", subnet["id"], dns_nameservers=None)["dns_nameservers"] == []
    port = api.port(network, allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
    assert api.update("port", port["id"], allowed_address_pairs=None)["allowed_address_pairs"] == []
    router = api.router(subnet)
    api.update("router", router["id"], routes=[{"destination": "192.168.7.0/24", "nexthop": "10.0.0.9"}])
    assert api.update("router", router["id"], routes=None)["routes"] == []


def test_a_bulk_create_makes_all(api: Api) -> None:
    answer = api.send("POST", "networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert answer.status == 201
    assert [n["name"] for n in answer.body["networks"]] == ["a", "b"]


def test_a_bulk_create_with_one_bad_item_makes_none(api: Api) -> None:
    bad_form = {"networks": [{"name": "a"}, {"colour": "blue"}]}
    assert api.send("POST", "networks", bad_form).error == (400, "HTTPBadRequest")
    taken = {"provider:network_type": "vxlan", "provider:segmentation_id": 77}
    assert api.send("POST", "networks", {"networks": [taken, taken]}).error == (409, "TunnelIdInUse")
    assert api.get("networks") == {"networks": []}


def test_project_and_tenant_are_one_and_must_agree(api: Api) -> None:
    assert api.network(tenant_id="p")["project_id"] == "p"
    assert api.network(project_id="p", tenant_id="p")["tenant_id"] == "p"
    assert api.refused("network", project_id="p", tenant_id="q") == (400, "HTTPBadRequest")


def test_a_body_over_the_limit_is_413(api: Api) -> None:
    content = b'{"network": {"name": "' + b"x" * (4 * 1024 * 1024) + b'"}}'
    assert api.send("POST", "networks", content=content).error == (413, "HTTPRequestEntityTooLarge")


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_failure_of_ours(api: Api, portal: BlockingPortal) -> None:
    said = iter([{"type": "http.request", "body": b'{"network": {', "more_body": True}, {"type": "http.disconnect"}])
    headers = [(name.lower().encode(), value.encode()) for name, value in identity(ADMIN_PROJECT, "admin").items()]
    scope = {"type": "http", "method": "POST", "path": "/v2.0/networks", "query_string": b"", "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        return next(said)

    async def send(message: Any) -> None:
        sent.append(message)

    with capture_logs() as logs:
        portal.call(api.app, {**scope, "client": ("127.0.0.1", 1)}, receive, send)
    assert sent == []
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert api.ids("networks") == []


def test_a_get_of_a_name_is_404(api: Api) -> None:
    network = api.network(name="blue")
    for id in ("blue", "../x", "%00", network["id"][:-1], "a;b"):
        answer = api.send("GET", f"/v2.0/networks/{id}")
        assert answer.status == 404
    assert api.send("GET", "networks/blue").error == (404, "NetworkNotFound")
    assert api.get(f"networks/{network['id'].upper()}")["network"]["name"] == "blue"


@pytest.mark.parametrize("resource", TOP, ids=lambda r: r.name)
def test_what_does_not_exist_is_404_for_every_verb(api: Api, resource: Resource) -> None:
    path = f"{resource.segment}/11111111-1111-4111-8111-111111111111"
    expected = (404, not_found(resource.name, "").type)
    assert api.send("GET", path).error == expected
    assert api.send("PUT", path, {resource.name: {"admin_state_up": True}}).status in (400, 404, 405)
    assert api.send("DELETE", path).error == expected


def test_a_read_only_attribute_in_a_put_is_400(api: Api) -> None:
    network = api.network()
    for name, value in (("id", "x"), ("status", "DOWN"), ("project_id", "p"), ("provider:network_type", "flat")):
        assert api.not_updated("network", network["id"], **{name: value}) == (400, "HTTPBadRequest")


def test_features_that_are_not_built_take_their_neutral_value_only(api: Api) -> None:
    network = api.network(qos_policy_id=None, dns_domain="", availability_zone_hints=[], is_default=False)
    assert network["qos_policy_id"] is None
    assert network["dns_domain"] == ""
    answer = api.send("POST", "networks", {"network": {"qos_policy_id": "11111111-1111-4111-8111-111111111111"}})
    assert answer.error == (400, "HTTPBadRequest")
    assert "not available" in answer.message
    for values in ({"qos_policy_id": "x"}, {"dns_name": "x"}, {"extra_dhcp_opts": [{"opt_name": "x"}]}):
        assert api.refused("port", network_id=network["id"], **values) == (400, "HTTPBadRequest")
    assert api.port(network, security_groups=[], dns_name="", extra_dhcp_opts=[])["security_groups"] == []
