"""The matrix of rights: role x resource x operation x ownership, for every resource there is.

What is expected is written here in a few sentences, not read from the table that it tests. A new resource is in the
matrix as soon as `PLACES` says how one is made; until then a test fails.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from onehop.controller.faults import not_found
from onehop.controller.policy_table import TABLE
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME, RESOURCES
from onehop.store import Store
from tests.api.client import ADMIN_PROJECT, PROJECT_A, PROJECT_B, Api, Row

pytestmark = pytest.mark.slow

ROLES = ("admin", "manager", "member", "reader", "swiftoperator")
ADMINS_ONLY = {"binding", "agent"}
"""Resources that nobody else ever sees."""

DENIED = (403, "PolicyNotAuthorized")
_numbers = itertools.count(1)


def fresh() -> int:
    return next(_numbers)


class Place:
    """What project A has, for one more of anything to be made there."""

    def __init__(self, api: Api) -> None:
        self.admin = api
        self.owner = api.as_(PROJECT_A, "member")
        self.network = self.owner.network()
        self.subnet = self.owner.subnet(self.network, "10.250.0.0/24")
        self.port = self.owner.port(self.network)
        self.group = self.owner.create("security_group", name="web")
        self.external = api.network(**{"router:external": True})
        api.subnet(self.external, "172.29.0.0/24")

    def floating_ip(self) -> Row:
        gateway = {"network_id": self.external["id"]}
        self.owner.router(self.subnet, external_gateway_info=gateway)
        return self.owner.create("floatingip", floating_network_id=self.external["id"])


PLACES: dict[str, Callable[[Place], Row]] = {
    "network": lambda _: {"name": "n"},
    "rbac_policy": lambda p: {
        "object_type": "network",
        "object_id": p.network["id"],
        "action": "access_as_shared",
        "target_tenant": f"{fresh():032x}",
    },
    "subnet": lambda p: {"network_id": p.network["id"], "ip_version": 4, "cidr": f"10.{fresh() % 200}.0.0/24"},
    "security_group": lambda _: {"name": "g"},
    "security_group_rule": lambda p: {
        "security_group_id": p.group["id"],
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": fresh(),
        "port_range_max": 65_000,
    },
    "port": lambda p: {"network_id": p.network["id"]},
    "binding": lambda _: {"host": f"host-{fresh()}"},
    "router": lambda _: {"name": "r"},
    "floatingip": lambda p: {"floating_network_id": p.external["id"]},
    "port_forwarding": lambda p: {
        "internal_port_id": p.port["id"],
        "internal_port": fresh(),
        "external_port": fresh(),
        "protocol": "tcp",
    },
    "agent": lambda _: {},
}
"""Resource -> the body of one more of it."""

CHANGES: dict[str, Row] = {"rbac_policy": {"target_tenant": "f" * 32}, "binding": {"profile": {"a": 1}}}
"""What changes one, where that is not its description."""


def test_every_resource_is_in_the_matrix_and_in_the_table() -> None:
    assert set(PLACES) == {r.name for r in RESOURCES}
    assert set(TABLE.rights) == {r.name for r in RESOURCES}


def collection(place: Place, resource: Resource) -> str:
    """The path of a resource's list in a place."""
    if resource.parent is None:
        return resource.segment
    parent = place.floating_ip() if resource.parent.resource == "floatingip" else place.port
    return f"{BY_NAME[resource.parent.resource].segment}/{parent['id']}/{resource.collection}"


def made(place: Place, store: Store, resource: Resource, path: str) -> Row:
    """One of a resource that project A owns, as an administrator sees it."""
    body = PLACES[resource.name](place)
    if resource.name in ADMINS_ONLY:
        store.run(lambda tx: tx.add_host(body.get("host", f"host-{fresh()}")))
    if resource.name == "agent":
        row: Row = place.admin.get("agents")["agents"][0]
        return row
    if resource.owned:
        body["project_id"] = PROJECT_A
    answer = place.admin.send("POST", path, {resource.name: body})
    assert answer.status == 201, answer.body
    found: Row = answer.body[resource.name]
    return found


def expected(resource: Resource, role: str, own: bool, operation: str) -> tuple[int, str] | None:
    """How it is refused, or None where it is done."""
    if role == "admin":
        return None
    if role == "swiftoperator":
        return DENIED
    if not own and operation == "create" and resource.parent is None:
        return DENIED  # in the other's name
    hidden = BY_NAME[resource.parent.resource] if resource.parent is not None else resource
    if not own and (operation != "list" or resource.parent is not None):
        return (404, not_found(hidden.name, "").type)
    if resource.name == "agent":
        return None if operation == "list" else (404, "AgentNotFound")
    if resource.name in ADMINS_ONLY:
        return DENIED
    return DENIED if role == "reader" and operation not in ("list", "show", "tags") else None


OWNERSHIP = pytest.mark.parametrize("own", [True, False], ids=["own", "another's"])


@OWNERSHIP
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)
def test_who_may_do_what(api: Api, store: Store, resource: Resource, role: str, own: bool) -> None:
    place = Place(api)
    path = collection(place, resource)
    row = made(place, store, resource, path)
    one = f"{path}/{row[resource.key]}"
    caller = api.as_(ADMIN_PROJECT if role == "admin" else PROJECT_A if own else PROJECT_B, role)

    body = PLACES[resource.name](place)
    if "host" in body:
        store.run(lambda tx: tx.add_host(body["host"]))
    if resource.owned:
        body["project_id"] = PROJECT_A
    changes = CHANGES.get(resource.name, {"description": "changed"})
    requests: list[tuple[str, str, str, Any]] = [("list", "GET", path, None), ("show", "GET", one, None)]
    if resource.tags:
        requests += [("tags", "GET", f"{one}/tags", None), ("update", "PUT", f"{one}/tags", {"tags": ["x"]})]
        requests += [("update", "PUT", f"{one}/tags/y", None), ("update", "DELETE", f"{one}/tags", None)]
    if "create" in resource.operations:
        requests.append(("create", "POST", path, {resource.name: body}))
    if "update" in resource.operations:
        requests.append(("update", "PUT", one, {resource.name: changes}))
    requests.append(("delete", "DELETE", one, None))

    for operation, method, at, sent in requests:
        before = api.get(one)[resource.name]
        answer = caller.send(method, at, sent)
        refusal = expected(resource, role, own, operation)
        if refusal is not None:
            assert answer.error == refusal, (operation, at)
            assert api.get(one)[resource.name] == before
            continue
        assert answer.status in (200, 201, 204), (operation, at, answer.body)
        if operation == "list":
            listed = [found[resource.key] for found in answer.body[resource.collection]]
            assert (row[resource.key] in listed) is (role == "admin" or (own and resource.name not in ADMINS_ONLY))


@OWNERSHIP
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("resource", [r for r in RESOURCES if r.actions], ids=lambda r: r.name)
def test_who_may_act(api: Api, store: Store, resource: Resource, role: str, own: bool) -> None:
    place = Place(api)
    path = collection(place, resource)
    row = made(place, store, resource, path)
    caller = api.as_(ADMIN_PROJECT if role == "admin" else PROJECT_A if own else PROJECT_B, role)
    for action in resource.actions:
        answer = caller.send("PUT", f"{path}/{row[resource.key]}/{action}", {})
        refusal = expected(resource, role, own, "update")
        if refusal is None:
            assert answer.status in (200, 400, 409), answer.body  # what it was sent is empty
        else:
            assert answer.error == refusal, action
