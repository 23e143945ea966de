"""The OpenAPI document."""

from onehop.model.resources import RESOURCES
from tests.api.client import Api


def test_every_resource_path_and_action_is_described(api: Api) -> None:
    document = api.get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    assert document["paths"].keys() >= {"/", "/v2.0/", "/v2.0/extensions", "/v2.0/extensions/{alias}"}
    for resource in RESOURCES:
        schema = document["components"]["schemas"][resource.name]
        assert set(schema["properties"]) - {"tags"} == {a.name for a in resource.attributes if a.view}
        for action in resource.actions:
            assert any(path.endswith(f"/{{id}}/{action}") for path in document["paths"])
        if resource.parent is None:
            methods = document["paths"][f"/v2.0/{resource.segment}"]
            assert ("post" in methods) is ("create" in resource.operations)


def test_every_operation_has_an_id_of_its_own(api: Api) -> None:
    paths = api.get("/openapi.json")["paths"]
    ids = [o["operationId"] for path in paths.values() for method, o in path.items() if method != "parameters"]
    assert len(ids) == len(set(ids)) > 30
