"""The matrix of rights, generated from RESOURCES: who may do which operation on what."""

from collections.abc import Callable
from typing import Any

import pytest

from onehop.controller.faults import not_found
from onehop.controller.policy_table import TABLE
from onehop.model.resource import Resource
from onehop.model.resources import RESOURCES
from tests.api.client import ADMIN_PROJECT, PROJECT_A, PROJECT_B, Api

pytestmark = pytest.mark.slow

TOP = [r for r in RESOURCES if r.parent is None]
OWNED = [r for r in TOP if r.owned]
owned = pytest.mark.parametrize("resource", OWNED, ids=lambda r: r.name)

Maker = Callable[[Api], dict[str, Any]]
MAKE: dict[str, Maker] = {
    "network": lambda api: api.network(),
    "subnet": lambda api: api.subnet(api.network()),
    "rbac_policy": lambda api: grant(api, api.network()),
    "port": lambda api: api.port(api.network()),
    "security_group": lambda api: api.create("security_group", name="web"),
    "security_group_rule": lambda api: rule(api, api.create("security_group", name="web")["id"]),
    "router": lambda api: api.create("router"),
    "floatingip": lambda api: api.create("floatingip", floating_network_id=outside(api)["id"]),
}


def grant(api: Api, network: dict[str, Any], target: str = "e" * 32) -> dict[str, Any]:
    """A network of the caller's is shared with a project."""
    values = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    return api.create("rbac_policy", target_tenant=target, **values)


def rule(api: Api, group: str) -> dict[str, Any]:
    """A rule of a security group."""
    return api.create("security_group_rule", security_group_id=group, direction="ingress")


def seen(api: Api, resource: Resource, query: str = "") -> list[str]:
    """What is in a list beside the caller's default security group and its rules."""
    rows = api.get(resource.segment + query)[resource.collection]
    return [row["id"] for row in rows if row.get("name") != "default" and not row.get("belongs_to_default_sg")]


def change(resource: Resource, text: str) -> dict[str, str]:
    """A change of one attribute that any row of a resource takes."""
    return {"target_tenant" if resource.name == "rbac_policy" else "description": text}


def outside(api: Api) -> dict[str, Any]:
    """An external network, which only an administrator can make."""
    admin = api.as_(ADMIN_PROJECT, "admin")
    network = admin.network(**{"router:external": True})
    admin.subnet(network, "172.29.0.0/24")
    return network


def is_offered(resource: Resource, method: str, path: str) -> bool:
    """Whether a resource has such a request at all."""
    if "/tags" in path:
        return resource.tags
    return method != "PUT" or "update" in resource.operations


def test_every_resource_has_rights() -> None:
    assert set(TABLE.rights) == {r.name for r in RESOURCES}
    assert set(MAKE) == {r.name for r in OWNED}


@owned
def test_a_member_does_everything_with_what_is_its_own(member: Api, resource: Resource) -> None:
    row = MAKE[resource.name](member)
    assert row["project_id"] == PROJECT_A
    path = f"{resource.segment}/{row['id']}"
    assert member.get(path)[resource.name]["id"] == row["id"]
    assert row["id"] in member.ids(resource.segment)
    if "update" in resource.operations:
        changed = change(resource, "mine")
        assert member.update(resource.name, row["id"], **changed).items() >= changed.items()
    if resource.tags:
        assert member.put(f"{path}/tags", {"tags": ["x"]})
    member.delete(path)


@owned
def test_what_is_another_projects_does_not_exist(member: Api, stranger: Api, resource: Resource) -> None:
    row = MAKE[resource.name](member)
    path, missing = f"{resource.segment}/{row['id']}", (404, not_found(resource.name, "").type)
    assert seen(stranger, resource) == []
    assert stranger.ids(f"{resource.segment}?id={row['id']}") == []
    assert stranger.ids(f"{resource.segment}?project_id={PROJECT_A}") == []
    for method, at, body in (
        ("GET", path, None),
        ("PUT", path, {resource.name: change(resource, "x")}),
        ("DELETE", path, None),
        ("GET", f"{path}/tags", None),
        ("PUT", f"{path}/tags", {"tags": ["x"]}),
        ("PUT", f"{path}/tags/x", None),
        ("DELETE", f"{path}/tags", None),
        ("GET", f"{resource.segment}?limit=1&marker={row['id']}", None),
        *(("PUT", f"{path}/{action}", {}) for action in resource.actions),
    ):
        if is_offered(resource, method, at):
            assert stranger.send(method, at, body).error == missing, (method, at)
    assert member.get(path)[resource.name] == row


@owned
def test_a_reader_sees_and_changes_nothing(api: Api, member: Api, resource: Resource) -> None:
    reader = api.as_(PROJECT_A, "reader")
    row = MAKE[resource.name](member)
    path, refused = f"{resource.segment}/{row['id']}", (403, "PolicyNotAuthorized")
    assert reader.get(path)[resource.name] == row
    assert row["id"] in seen(reader, resource)
    repeated = ("network_id", "ip_version", "floating_network_id", "security_group_id", "direction", "object_id")
    values = {name: row[name] for name in repeated if name in row}
    if resource.name == "subnet":
        values["cidr"] = "10.5.0.0/24"
    if resource.name == "rbac_policy":
        values |= {"object_type": "network", "action": "access_as_shared", "target_tenant": "x"}
    for method, at, body in (
        ("POST", resource.segment, {resource.name: values}),
        ("PUT", path, {resource.name: change(resource, "x")}),
        ("DELETE", path, None),
        ("PUT", f"{path}/tags", {"tags": ["x"]}),
        ("DELETE", f"{path}/tags", None),
        *(("PUT", f"{path}/{action}", {}) for action in resource.actions),
    ):
        if is_offered(resource, method, at):
            assert reader.send(method, at, body).error == refused, (method, at)
    assert member.get(path)[resource.name] == row


@owned
def test_an_administrator_sees_and_changes_everything(api: Api, member: Api, resource: Resource) -> None:
    row = MAKE[resource.name](member)
    assert row["id"] in api.ids(resource.segment)
    if "update" in resource.operations:
        changed = change(resource, "changed")
        assert api.update(resource.name, row["id"], **changed).items() >= changed.items()
    api.delete(f"{resource.segment}/{row['id']}")


@owned
def test_only_an_administrator_makes_things_for_another_project(api: Api, member: Api, resource: Resource) -> None:
    values: dict[str, Any] = {"project_id": PROJECT_B}
    if resource.name in ("subnet", "port"):
        values["network_id"] = member.network()["id"]
    if resource.name == "subnet":
        values |= {"ip_version": 4, "cidr": "10.5.0.0/24"}
    if resource.name == "floatingip":
        values["floating_network_id"] = outside(api)["id"]
    if resource.name == "security_group_rule":
        theirs = api.create("security_group", project_id=PROJECT_B)["id"]
        values |= {"security_group_id": theirs, "direction": "ingress"}
    if resource.name == "rbac_policy":
        values |= {"object_type": "network", "action": "access_as_shared", "target_tenant": "x"}
        values["object_id"] = member.network()["id"]
    assert member.refused(resource.name, **values) == (403, "PolicyNotAuthorized")
    assert api.create(resource.name, **values)["project_id"] == PROJECT_B


@owned
def test_a_members_view_has_no_administrators_attributes(api: Api, member: Api, resource: Resource) -> None:
    row = MAKE[resource.name](member)
    hidden = {a.name for a in resource.attributes if a.admin_see}
    assert not hidden & set(row)
    assert not hidden & set(member.get(resource.segment)[resource.collection][0])
    assert hidden <= set(api.get(f"{resource.segment}/{row['id']}")[resource.name])
    fields = "&".join(f"fields={name}" for name in sorted(hidden)) or "fields=id"
    shown = member.get(f"{resource.segment}?{fields}")[resource.collection][0]
    assert not hidden & set(shown)


@owned
def test_a_member_cannot_search_or_sort_by_what_it_does_not_see(api: Api, member: Api, resource: Resource) -> None:
    for attribute in resource.attributes:
        if attribute.admin_see and attribute.filter:
            query = f"{resource.segment}?{attribute.name}=1"
            assert api.send("GET", query).status == 200
            assert member.send("GET", query).error == (400, "HTTPBadRequest")
        if attribute.admin_see and attribute.sort:
            query = f"{resource.segment}?sort_key={attribute.name}"
            assert member.send("GET", query).error == (400, "HTTPBadRequest")


VALUES = {
    "shared": True,
    "router:external": True,
    "provider:network_type": "vxlan",
    "provider:physical_network": "external",
    "provider:segmentation_id": 7,
    "binding:host_id": "host-1",
    "binding:profile": {"a": 1},
    "distributed": True,
    "ha": True,
    "snat": "centralized",
    "port_block_size": 64,
    "floating_ip_address": "172.29.0.5",
}
ADMINS = [(r, a) for r in OWNED for a in r.attributes if a.admin_set]


@pytest.mark.parametrize(("resource", "attribute"), ADMINS, ids=lambda x: x.name)
def test_administrators_attributes_are_403_for_members(member: Api, resource: Resource, attribute: Any) -> None:
    body = {attribute.name: VALUES[attribute.name]}
    if resource.name == "port":
        body["network_id"] = member.network()["id"]
    if resource.name == "floatingip":
        body["floating_network_id"] = outside(member)["id"]
    refused = (403, "PolicyNotAuthorized")
    assert member.refused(resource.name, **body) == refused
    if attribute.put:
        row = MAKE[resource.name](member)
        assert member.not_updated(resource.name, row["id"], **{attribute.name: VALUES[attribute.name]}) == refused


def test_repeating_a_default_in_a_create_is_no_wish(member: Api) -> None:
    assert member.network(shared=False, **{"router:external": False})["shared"] is False


@pytest.mark.parametrize("name", ["shared", "router:external"])
def test_what_is_shared_or_external_is_seen_but_not_changed(api: Api, member: Api, name: str) -> None:
    network = api.network(**{name: True})
    subnet = api.subnet(network)
    path, refused = f"networks/{network['id']}", (403, "PolicyNotAuthorized")
    assert member.get(path)["network"]["id"] == network["id"]
    assert member.ids("networks") == [network["id"]]
    assert member.not_updated("network", network["id"], name="x") == refused
    assert member.send("DELETE", path).error == refused
    assert member.send("PUT", f"{path}/tags", {"tags": ["x"]}).error == refused
    values = {"network_id": network["id"], "ip_version": 4, "cidr": "10.5.0.0/24"}
    assert member.refused("subnet", **values) == refused
    assert member.ids("subnets") == ([subnet["id"]] if name == "shared" else [])


def test_the_owner_of_a_network_sees_others_ports_on_it_but_does_not_change_them(api: Api, member: Api) -> None:
    network = member.network()
    api.update("network", network["id"], shared=True)
    port = api.as_(PROJECT_B, "member").port(network)
    assert member.ids("ports") == [port["id"]]
    assert member.not_updated("port", port["id"], name="x") == (403, "PolicyNotAuthorized")


def test_a_user_without_a_role_sees_nothing(api: Api, member: Api) -> None:
    network = member.network()
    nobody = api.as_(PROJECT_A, "swiftoperator")
    for path in ("networks", f"networks/{network['id']}"):
        assert nobody.send("GET", path).error == (403, "PolicyNotAuthorized")
    assert nobody.refused("network") == (403, "PolicyNotAuthorized")
