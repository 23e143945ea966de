"""OpenAPI 3.1 of the API, derived from RESOURCES."""

from functools import cache

from onehop import __version__
from onehop.model.attribute import REQUIRED, Attribute
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME, RESOURCES

_ACTION_BODIES = {
    "add_router_interface": ("subnet_id", "port_id"),
    "remove_router_interface": ("subnet_id", "port_id"),
}


@cache
def document() -> dict[str, Json]:
    """The whole document."""
    paths: dict[str, Json] = {
        "/": {"get": _operation("versions", "Versions", {"200": _json({"type": "object"})})},
        "/v2.0/": {"get": _operation("resources", "Resources", {"200": _json({"type": "object"})})},
        "/v2.0/extensions": {"get": _operation("extensions", "Extensions", {"200": _json({"type": "object"})})},
        "/v2.0/floatingip-pools": {"get": _operation("pools", "Pools", {"200": _json({"type": "object"})})},
        "/v2.0/extensions/{alias}": {
            "parameters": [_path_parameter("alias")],
            "get": _operation("extension", "One extension", {"200": _json({"type": "object"})}),
        },
        "/onehop/v1/status": {"get": _operation("status", "State of hosts", {"200": _json({"type": "object"})})},
        "/onehop/v1/trace": {
            "parameters": [
                {"name": name, "in": "query", "required": needed, "schema": {"type": "string"}}
                for name, needed in (
                    ("source", True),
                    ("destination", True),
                    ("protocol", False),
                    ("port", False),
                    ("source_port", False),
                )
            ],
            "get": _operation("trace", "What becomes of a packet", {"200": _json({"type": "object"})}),
        },
    }
    schemas: dict[str, Json] = {"Error": _ERROR}
    for resource in RESOURCES:
        paths.update(_paths(resource))
        schemas[resource.name] = _schema(resource, [a for a in resource.attributes if a.view], required=())
        for method, chosen in (
            ("create", [a for a in resource.attributes if a.post]),
            ("update", [a for a in resource.attributes if a.put]),
        ):
            if method in resource.operations:
                required = tuple(a.name for a in chosen if a.default is REQUIRED and method == "create")
                schemas[f"{resource.name}_{method}"] = _schema(resource, chosen, required, closed=True)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onehop: OpenStack Networking API v2.0",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"basic": []}],
    }


_ERROR: dict[str, Json] = {
    "type": "object",
    "properties": {
        "NeutronError": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("type", "message", "detail")},
            "required": ["type", "message", "detail"],
        }
    },
    "required": ["NeutronError"],
}


def _schema(
    resource: Resource, attributes: list[Attribute], required: tuple[str, ...], closed: bool = False
) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    for attribute in attributes:
        schema = dict(attribute.kind.schema)
        if not closed and attribute.column is None and "type" in schema:
            schema = {"anyOf": [schema, {"type": "null"}]}
        properties[attribute.name] = schema
    if resource.tags and not closed:
        properties["tags"] = {"type": "array", "items": {"type": "string"}}
    found: dict[str, Json] = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    if closed:
        found["additionalProperties"] = False
    return found


def _paths(resource: Resource) -> dict[str, Json]:
    parent = BY_NAME[resource.parent.resource].collection if resource.parent is not None else None
    path = f"/v2.0/{resource.segment}" if parent is None else f"/v2.0/{parent}/{{parent_id}}/{resource.collection}"
    above = [_path_parameter("parent_id")] if parent is not None else []
    one = f"{path}/{{id}}"
    parameters = [*above, _path_parameter("id")]
    reference = {"$ref": f"#/components/schemas/{resource.name}"}
    enveloped = _envelope(resource.name, reference)
    found: dict[str, Json] = {path: {"parameters": above}, one: {"parameters": parameters}}
    if "list" in resource.operations:
        many = _envelope(resource.collection, {"type": "array", "items": reference})
        found[path]["get"] = _operation(f"list_{resource.collection}", "List", {"200": _json(many)}, _filters(resource))
    for operation, at, method, status in (("create", path, "post", "201"), ("update", one, "put", "200")):
        if operation in resource.operations:
            body = _envelope(resource.name, {"$ref": f"#/components/schemas/{resource.name}_{operation}"}, closed=True)
            made = _operation(f"{operation}_{resource.name}", operation.capitalize(), {status: _json(enveloped)})
            found[at][method] = {**made, "requestBody": {"required": True, **_content(body)}}
    if "show" in resource.operations:
        found[one]["get"] = _operation(f"show_{resource.name}", "Show", {"200": _json(enveloped)})
    if "delete" in resource.operations:
        found[one]["delete"] = _operation(f"delete_{resource.name}", "Delete", {"204": {"description": "Gone."}})
    for action in resource.actions:
        made = _operation(f"{action}_{resource.name}", action, {"200": _json({"type": "object"})})
        found[f"{one}/{action}"] = {"parameters": parameters, "put": {**made, **_action_body(resource, action)}}
    if resource.tags:
        found.update(_tag_paths(resource, one, parameters))
    return found


def _action_body(resource: Resource, action: str) -> dict[str, Json]:
    if action in _ACTION_BODIES:
        properties = {name: {"type": "string", "format": "uuid"} for name in _ACTION_BODIES[action]}
        body: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {"requestBody": {"required": True, **_content(body)}}
    if action.endswith("_extraroutes"):
        routes = resource.by_name["routes"].kind.schema
        inner = {"type": "object", "properties": {"routes": routes}, "required": ["routes"]}
        return {"requestBody": {"required": True, **_content(_envelope(resource.name, inner, closed=True))}}
    return {}


def _tag_paths(resource: Resource, one: str, parameters: list[Json]) -> dict[str, Json]:
    tags = _envelope("tags", {"type": "array", "items": {"type": "string", "maxLength": 60}, "maxItems": 50})
    body = {"requestBody": {"required": True, **_content(tags)}}
    name = resource.name
    nothing = {"description": "Done."}
    return {
        f"{one}/tags": {
            "parameters": parameters,
            "get": _operation(f"list_{name}_tags", "Tags", {"200": _json(tags)}),
            "put": {**_operation(f"replace_{name}_tags", "Replace tags", {"200": _json(tags)}), **body},
            "post": {**_operation(f"add_{name}_tags", "Add tags", {"201": _json(tags)}), **body},
            "delete": _operation(f"clear_{name}_tags", "Remove all tags", {"204": nothing}),
        },
        f"{one}/tags/{{tag}}": {
            "parameters": [*parameters, _path_parameter("tag")],
            "get": _operation(f"has_{name}_tag", "Has the tag", {"204": nothing}),
            "put": _operation(f"add_{name}_tag", "Add a tag", {"201": nothing}),
            "delete": _operation(f"remove_{name}_tag", "Remove a tag", {"204": nothing}),
        },
    }


def _filters(resource: Resource) -> list[Json]:
    names = [a.name for a in resource.attributes if a.filter and a.name != "fixed_ips"]
    if resource.tags:
        names += ["tags", "tags-any", "not-tags", "not-tags-any"]
    sortable = [a.name for a in resource.attributes if a.sort]
    parameters = [_query(name, {"type": "string"}) for name in names]
    parameters += [
        _query("fields", {"type": "array", "items": {"type": "string"}}),
        _query("limit", {"type": "integer", "minimum": 0}),
        _query("marker", {"type": "string"}),
        _query("page_reverse", {"type": "boolean"}),
        _query("sort_key", {"type": "array", "items": {"enum": sortable}}),
        _query("sort_dir", {"type": "array", "items": {"enum": ["asc", "desc"]}}),
    ]
    return parameters


def _query(name: str, schema: Json) -> dict[str, Json]:
    return {"name": name, "in": "query", "schema": schema}


def _path_parameter(name: str) -> dict[str, Json]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _envelope(name: str, inner: Json, closed: bool = False) -> dict[str, Json]:
    found: dict[str, Json] = {"type": "object", "properties": {name: inner}, "required": [name]}
    if closed:
        found["additionalProperties"] = False
    return found


def _content(schema: Json) -> dict[str, Json]:
    return {"content": {"application/json": {"schema": schema}}}


def _json(schema: Json) -> dict[str, Json]:
    return {"description": "The answer.", **_content(schema)}


def _operation(
    id: str, summary: str, responses: dict[str, Json], parameters: list[Json] | None = None
) -> dict[str, Json]:
    error = {"description": "An error.", **_content({"$ref": "#/components/schemas/Error"})}
    found: dict[str, Json] = {
        "operationId": id,
        "summary": summary,
        "responses": {**responses, "4XX": error, "503": error},
    }
    if parameters:
        found["parameters"] = parameters
    return found
