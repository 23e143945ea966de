"""Bodies of requests: JSON, envelope, attributes; checked against a table and turned into canonical values."""

import copy
from typing import Literal

import msgspec

from onehop.controller.faults import FaultError, bad_request
from onehop.errors import ConversionError, ValidationError
from onehop.model.attribute import REQUIRED, Attribute, Unset
from onehop.model.kind import Json, shown, text
from onehop.model.resource import Resource
from onehop.store import Row

MAXIMUM_BULK = 1000
"""Of one create: writes wait for one another, so none may take long."""

MAXIMUM_TAGS = 50
MAXIMUM_TAG = 60

TAG = text(MAXIMUM_TAG)


def decode(octets: bytes) -> dict[str, Json]:
    """A body's JSON object.

    Raises:
        FaultError: 400 when it is not one.
    """
    if not octets:
        raise bad_request("The request has no body; send a JSON object.")
    try:
        value = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise bad_request(f"The body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.")
    return value


def one(resource_name: str, body: dict[str, Json]) -> Row:
    """The object in a body's envelope.

    Raises:
        FaultError: 400 when the envelope is missing, or is not alone.
    """
    if resource_name not in body:
        raise bad_request(f"Unable to find '{resource_name}' in request body")
    if len(body) > 1:
        extra = next(name for name in body if name != resource_name)
        raise bad_request(f"Unexpected {shown(extra)} beside '{resource_name}' in request body")
    value = body[resource_name]
    if not isinstance(value, dict):
        raise bad_request(f"'{resource_name}' in the request body must be an object")
    return value


def one_or_many(resource: Resource, body: dict[str, Json]) -> tuple[list[Row], bool]:
    """The objects in a create's body, and whether it is a bulk create.

    Raises:
        FaultError: 400.
    """
    if resource.collection not in body:
        return [one(resource.name, body)], False
    many = body[resource.collection]
    if len(body) > 1 or not isinstance(many, list) or not many:
        raise bad_request(f"'{resource.collection}' in the request body must be a list of objects, and alone")
    if len(many) > MAXIMUM_BULK:
        raise bad_request(f"At most {MAXIMUM_BULK} {resource.collection} can be created in one request")
    if not all(isinstance(item, dict) for item in many):
        raise bad_request(f"'{resource.collection}' in the request body must be a list of objects")
    return many, True


def attributes(resource: Resource, body: Row, method: Literal["POST", "PUT"]) -> Row:
    """The canonical values of what a client sent, without defaults; ``tenant_id`` is read as ``project_id``.

    Raises:
        FaultError: 400, naming the attribute.
    """
    given: Row = {}
    for name, value in body.items():
        attribute = resource.by_name.get(name)
        if attribute is None:
            if name == "tags" and resource.tags and method == "POST":
                given["tags"] = tags(value)
                continue
            raise bad_request(f"Unrecognized attribute(s) {shown(name)}")
        if not (attribute.post if method == "POST" else attribute.put):
            raise bad_request(f"Attribute '{name}' not allowed in {method}")
        given[name] = checked(attribute, value)
    if "tenant_id" in given:
        project = given.pop("tenant_id")
        if given.setdefault("project_id", project) != project:
            raise bad_request("'project_id' and 'tenant_id' do not match")
    return given


def with_defaults(resource: Resource, given: Row) -> Row:
    """What a create asks for, with the defaults of what it leaves out.

    Raises:
        FaultError: 400 when something required is missing.
    """
    values: Row = {}
    for attribute in resource.attributes:
        if attribute.name in given:
            values[attribute.name] = given[attribute.name]
        elif attribute.default is REQUIRED:
            raise bad_request(f"Failed to parse request. Required attribute '{attribute.name}' not specified")
        elif attribute.post and not isinstance(attribute.default, Unset):
            values[attribute.name] = copy.copy(attribute.default)
    if "tags" in given:
        values["tags"] = given["tags"]
    return values


def checked(attribute: Attribute, value: Json) -> Json:
    """The canonical form of an attribute's value.

    Raises:
        FaultError: 400, naming the attribute and the reason.
    """
    try:
        return attribute.kind.check(value)
    except ValidationError as error:
        raise bad_request(f"Invalid input for {attribute.name}. Reason: {error}.") from None
    except ConversionError as error:
        raise FaultError("InvalidInput", f"Invalid input for operation: {attribute.name}: {error}.") from None


def tag(value: Json) -> str:
    """One tag.

    Raises:
        FaultError: 400.
    """
    try:
        checked_tag = str(TAG.check(value))
    except ValidationError as error:
        raise bad_request(f"Invalid input for tags. Reason: {error}.") from None
    if not checked_tag or "," in checked_tag:
        raise bad_request("A tag must not be empty and must not contain a comma.")
    return checked_tag


def tags(value: Json) -> list[str]:
    """A list of tags, sorted, each once.

    Raises:
        FaultError: 400.
    """
    if not isinstance(value, list):
        raise bad_request("Invalid input for tags. Reason: it must be a list of strings.")
    found = sorted({tag(item) for item in value})
    if len(found) > MAXIMUM_TAGS:
        raise bad_request(f"A resource can have at most {MAXIMUM_TAGS} tags.")
    return found
