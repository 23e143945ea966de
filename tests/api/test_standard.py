"""Standard attributes: times, revision numbers, If-Match, tags; the same for every resource that has them."""

from typing import Any

import pytest

from tests.api.client import Api

KINDS = ["network", "subnet", "port", "router"]


def make(api: Api, kind: str) -> dict[str, Any]:
    if kind in ("network", "router"):
        return api.create(kind)
    network = api.network()
    return api.subnet(network) if kind == "subnet" else api.port(network)


kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_a_new_resource_has_times_and_a_revision(api: Api, kind: str) -> None:
    row = make(api, kind)
    assert row["created_at"] == row["updated_at"]
    assert len(row["created_at"]) == len("2026-01-31T12:00:00Z")
    assert row["created_at"].endswith("Z")
    assert isinstance(row["revision_number"], int)
    assert row["tags"] == []
    assert row["description"] == ""
    assert row["project_id"] == row["tenant_id"]


@kinds
def test_a_change_raises_the_revision_and_no_change_does_not(api: Api, kind: str) -> None:
    row = make(api, kind)
    changed = api.update(kind, row["id"], description="x")
    assert changed["revision_number"] > row["revision_number"]
    assert changed["created_at"] == row["created_at"]
    assert changed["updated_at"] >= row["updated_at"]
    assert api.update(kind, row["id"], description="x") == changed


@kinds
def test_if_match_lets_only_the_known_revision_be_changed(api: Api, kind: str) -> None:
    row = make(api, kind)
    path, stale = f"{kind}s/{row['id']}", {"If-Match": f"revision_number={row['revision_number']}"}
    assert api.send("PUT", path, {kind: {"name": "a"}}, headers=stale).status == 200
    refused = (412, "RevisionNumberConstraintFailed")
    assert api.send("PUT", path, {kind: {"name": "b"}}, headers=stale).error == refused
    assert api.send("PUT", f"{path}/tags", {"tags": ["a"]}, headers=stale).error == refused
    assert api.send("DELETE", path, headers=stale).error == refused
    current = api.get(path)[kind]
    assert current["name"] == "a"
    fresh = {"If-Match": f"revision_number={current['revision_number']}"}
    assert api.send("DELETE", path, headers=fresh).status == 204


def test_an_if_match_that_names_no_revision_is_400(api: Api) -> None:
    network = api.network()
    for header in ("revision_number=x", "5", 'W/"x"', "revision_number="):
        answer = api.send("DELETE", f"networks/{network['id']}", headers={"If-Match": header})
        assert answer.error == (400, "HTTPBadRequest")


def test_a_network_changes_with_its_subnets_and_a_router_with_its_interfaces(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    with_subnet = api.get(f"networks/{network['id']}")["network"]
    assert with_subnet["revision_number"] > network["revision_number"]
    assert with_subnet["subnets"] == [subnet["id"]]
    router = api.router()
    assert api.interface(router, subnet_id=subnet["id"]).status == 200
    with_leg = api.get(f"routers/{router['id']}")["router"]
    assert with_leg["revision_number"] > router["revision_number"]
    (leg,) = api.ids(f"ports?device_id={router['id']}")
    api.update("port", leg, fixed_ips=[{"subnet_id": subnet["id"], "ip_address": "10.0.0.77"}])
    assert api.get(f"routers/{router['id']}")["router"]["revision_number"] > with_leg["revision_number"]


@kinds
def test_tags_are_set_added_asked_and_removed(api: Api, kind: str) -> None:
    row = make(api, kind)
    path = f"{kind}s/{row['id']}/tags"
    assert api.put(path, {"tags": ["red", "blue", "red"]}) == {"tags": ["blue", "red"]}
    assert api.get(path) == {"tags": ["blue", "red"]}
    assert api.send("PUT", f"{path}/green").status == 201
    assert api.send("PUT", f"{path}/green").status == 201
    assert api.send("GET", f"{path}/green").status == 204
    assert api.send("POST", path, {"tags": ["grey"]}).body == {"tags": ["blue", "green", "grey", "red"]}
    assert api.send("GET", f"{path}/yellow").error == (404, "TagNotFound")
    assert api.send("DELETE", f"{path}/yellow").error == (404, "TagNotFound")
    api.delete(f"{path}/red")
    shown = api.get(f"{kind}s/{row['id']}")[kind]
    assert shown["tags"] == ["blue", "green", "grey"]
    assert shown["revision_number"] > row["revision_number"]
    api.delete(path)
    assert api.get(path) == {"tags": []}


@kinds
def test_resources_are_found_by_tags(api: Api, kind: str) -> None:
    both, red, none = (make(api, kind)["id"] for _ in range(3))
    api.put(f"{kind}s/{both}/tags", {"tags": ["red", "blue"]})
    api.put(f"{kind}s/{red}/tags", {"tags": ["red"]})
    found = {
        "tags=red,blue": {both},
        "tags=red": {both, red},
        "tags-any=red,blue": {both, red},
        "tags-any=green": set(),
        "not-tags=red,blue": {red, none},
        "not-tags-any=red,blue": {none},
        "tags=red&not-tags=blue": {red},
    }
    for query, expected in found.items():
        assert set(api.ids(f"{kind}s?{query}")) == expected, query


def test_tags_in_a_create_are_kept(api: Api) -> None:
    network = api.network(tags=["b", "a"])
    assert network["tags"] == ["a", "b"]
    assert api.get("networks?tags=a")["networks"] == [api.get(f"networks/{network['id']}")["network"]]


def test_tags_that_cannot_be_are_400(api: Api) -> None:
    path = f"networks/{api.network()['id']}/tags"
    wrong = (["x" * 61], [""], [7], "x", None, [f"t{i}" for i in range(51)], ["a,b"])
    for tags in wrong:
        assert api.send("PUT", path, {"tags": tags}).error == (400, "HTTPBadRequest")
    assert api.send("PUT", path, {"tag": []}).error == (400, "HTTPBadRequest")
    assert api.send("PUT", f"{path}/{'x' * 61}").error == (400, "HTTPBadRequest")
    assert api.put(path, {"tags": [f"t{i}" for i in range(50)]})["tags"]
    assert api.send("PUT", f"{path}/one-more").error == (400, "HTTPBadRequest")


def test_tags_of_what_does_not_exist_are_404(api: Api) -> None:
    path = "ports/11111111-1111-4111-8111-111111111111/tags"
    for method in ("GET", "DELETE"):
        assert api.send(method, path).error == (404, "PortNotFound")
    assert api.send("PUT", path, {"tags": []}).error == (404, "PortNotFound")
