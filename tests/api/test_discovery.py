"""What the API says of itself, and what every answer has."""

from collections.abc import Callable

from onehop.model.resources import RESOURCES
from tests.api.client import Api


def test_the_root_names_the_version_with_a_link_to_where_the_client_came(api: Api) -> None:
    version = {
        "id": "v2.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": "http://localhost/v2.0/"}],
    }
    assert api.anonymous().get("/") == {"versions": [version]}


def test_links_follow_the_public_url_where_one_is_set(make_api: Callable[..., Api]) -> None:
    api = make_api(api_public_url="https://net.example/")
    assert api.get("/")["versions"][0]["links"][0]["href"] == "https://net.example/v2.0/"


def test_the_version_lists_its_resources_with_and_without_a_slash(api: Api) -> None:
    names = {r["name"]: r for r in api.get("/v2.0/")["resources"]}
    assert {"network", "subnet", "port", "router"} <= set(names)
    assert names["network"]["collection"] == "networks"
    assert names["network"]["links"] == [{"rel": "self", "href": "http://localhost/v2.0/networks"}]
    assert api.get("/v2.0") == api.get("/v2.0/")


def test_the_extensions_of_every_resource_are_announced_and_can_be_shown(api: Api) -> None:
    extensions = api.get("extensions")["extensions"]
    aliases = {e["alias"] for e in extensions}
    assert {e.alias for r in RESOURCES for e in r.extensions} <= aliases
    assert {"pagination", "sorting", "standard-attr-tag", "revision-if-match"} <= aliases
    assert all(set(e) == {"alias", "name", "description", "updated", "links"} for e in extensions)
    for alias in aliases:
        assert api.get(f"extensions/{alias}")["extension"]["alias"] == alias


def test_what_is_not_built_is_not_announced(api: Api) -> None:
    aliases = {e["alias"] for e in api.get("extensions")["extensions"]}
    assert not {"quotas", "dns-integration", "qos", "l3_agent_scheduler"} & aliases
    assert api.send("GET", "extensions/quotas").error == (404, "ExtensionNotFound")


def test_every_path_takes_a_json_suffix(api: Api) -> None:
    network = api.send("POST", "networks.json", {"network": {}}).body["network"]
    assert api.get(f"networks/{network['id']}.json")["network"] == network
    assert api.get("networks.json?name=")["networks"] == [network]
    assert api.get("extensions.json") == api.get("extensions")


def test_a_tag_may_end_like_a_suffix(api: Api) -> None:
    path = f"networks/{api.network()['id']}/tags"
    assert api.send("PUT", f"{path}/motd.json").status == 201
    assert api.get(f"{path}.json") == {"tags": ["motd.json"]}
    assert api.send("GET", f"{path}/motd").error == (404, "TagNotFound")
    api.delete(f"{path}/motd.json")
    assert api.get(path) == {"tags": []}


def test_an_unknown_path_is_404_with_a_body(api: Api) -> None:
    for path in ("/nowhere", "/v3/networks", "/v2.0/nothings", "/v2.0/networks/x/y/z"):
        assert api.send("GET", path).error == (404, "HTTPNotFound")


def test_a_method_that_a_path_does_not_have_is_405_with_a_body(api: Api) -> None:
    for method, path in (("PUT", "networks"), ("DELETE", "networks"), ("PATCH", "networks"), ("POST", "agents")):
        assert api.send(method, path, {"network": {}}).error == (405, "HTTPMethodNotAllowed")


def test_every_answer_has_a_request_id_of_its_own(api: Api) -> None:
    ids = {api.send("GET", path).headers["x-openstack-request-id"] for path in ("/", "networks", "/nowhere")}
    assert len(ids) == 3
    assert all(len(id) == len("req-") + 36 for id in ids)


def test_answers_are_json(api: Api) -> None:
    for path in ("/", "networks", "/nowhere", "/openapi.json"):
        assert api.send("GET", path).headers["content-type"] == "application/json"
