"""Query strings of lists: fields, filters, sort, pages; and the links from page to page."""

import re
from collections.abc import Collection, Sequence
from urllib.parse import urlencode

import msgspec

from onehop.controller.faults import FaultError, bad_request
from onehop.errors import ConversionError, ValidationError
from onehop.model.attribute import Attribute
from onehop.model.kind import Json, ip, is_storable, shown
from onehop.model.resource import Resource

Pairs = Sequence[tuple[str, str]]
"""A query string, parsed: repeated names stay in order."""

_TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
_CONTROL = frozenset(("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"))
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:Z|[+-]00:?00)?")
_IP = ip()
MAXIMUM_LIMIT = 1_000_000
MAXIMUM_VALUES = 10_000
MAXIMUM_SUBSTRINGS = 100
"""Parts of addresses in one query: each is a search through all addresses."""


class Listing(msgspec.Struct):
    """What a list request asks for.

    Attributes:
        fields: names to show, or () for all.
        where: filters that the store answers.
        late: filters on attributes that are worked out when read: name → texts.
        sort: pairs of attribute and direction.
        limit: page size, or None for everything.
        marker, reverse: where the page begins, and whether it ends there instead.
    """

    fields: tuple[str, ...]
    where: dict[str, list[Json]]
    late: dict[str, list[Json]]
    sort: list[tuple[str, str]]
    limit: int | None
    marker: str | None
    reverse: bool


def parse(resource: Resource, pairs: Pairs, hidden: Collection[str] = ()) -> Listing:
    """Check a list's query string; nobody filters or sorts by what is hidden.

    Raises:
        FaultError: 400 for an unknown filter or sort key, or a value that cannot be.
    """
    if len(pairs) > MAXIMUM_VALUES:
        raise bad_request(f"The query has more than {MAXIMUM_VALUES} parameters.")
    listing = Listing(_fields(pairs), {}, {}, _sort(resource, pairs, hidden), None, None, False)
    for name, value in pairs:
        if not is_storable(value):
            raise bad_request(f"The value of {shown(name)} contains a character that cannot be stored.")
        if name == "limit":
            listing.limit = _limit(value)
        elif name == "marker":
            listing.marker = value
        elif name == "page_reverse":
            listing.reverse = value.lower() in ("true", "1")
        elif name not in _CONTROL:
            _filter(resource, listing, name, value, hidden)
    return listing


def _fields(pairs: Pairs) -> tuple[str, ...]:
    return tuple(value for name, value in pairs if name == "fields" and value)


def fields(pairs: Pairs) -> tuple[str, ...]:
    """The ``fields`` of a show request's query string; () is all."""
    return _fields(pairs)


def _limit(value: str) -> int | None:
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise bad_request(f"limit must be a number that is not negative, not {shown(value)}.")
    number = int(value)
    return min(number, MAXIMUM_LIMIT) if number else None


def _sort(resource: Resource, pairs: Pairs, hidden: Collection[str]) -> list[tuple[str, str]]:
    keys = [_stored_name(value) for name, value in pairs if name == "sort_key"]
    directions = [value for name, value in pairs if name == "sort_dir"]
    if directions and len(keys) != len(directions):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    for key in keys:
        attribute = resource.attribute(key)
        if attribute is None or not attribute.sort or key in hidden:
            raise bad_request(f"{shown(key)} is invalid attribute for sort keys")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise bad_request(f"sort_dir must be asc or desc, not {shown(direction)}")
    decided: dict[str, str] = {}
    for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True):
        # What is equal by a key stays equal when it is named again, and every key costs the database.
        decided.setdefault(key, direction)
    return list(decided.items())


def _stored_name(name: str) -> str:
    return "project_id" if name == "tenant_id" else name


def _filter(resource: Resource, listing: Listing, name: str, value: str, hidden: Collection[str]) -> None:
    name = _stored_name(name)
    if name in _TAG_FILTERS and resource.tags:
        listing.where.setdefault(name, []).extend(tag for tag in value.split(",") if tag)
        return
    if name == "changed_since" and resource.attribute("updated_at") is not None:
        if _TIME.fullmatch(value) is None:
            raise FaultError(
                "InvalidInput", f"changed_since must be a time such as 2026-01-31T12:00:00Z, not {shown(value)}."
            )
        listing.where[name] = [value[:10] + "T" + value[11:19] + "Z"]
        return
    attribute = resource.attribute(name)
    if attribute is None or not attribute.filter or name in hidden:
        raise bad_request(f"[{shown(name)}] is invalid attribute for filtering")
    if attribute.name == "fixed_ips":
        _fixed_ips(listing, value)
        return
    parsed = _parse(attribute, value)
    target = listing.where if attribute.column is not None else listing.late
    target.setdefault(name, []).append(parsed)
    if value == "" and attribute.column is not None and attribute.column.nullable:
        target[name].append(None)


def _parse(attribute: Attribute, value: str) -> Json:
    column = attribute.column
    if value == "" and column is not None and column.nullable:
        return None
    try:
        return attribute.kind.parse_filter(value)
    except ConversionError as error:
        raise FaultError("InvalidInput", f"Invalid input for operation: {attribute.name}: {error}.") from None
    except ValidationError as error:
        raise bad_request(f"Invalid input for {attribute.name}. Reason: {error}.") from None


def _fixed_ips(listing: Listing, value: str) -> None:
    key, equals, text = value.partition("=")
    if not equals or key not in ("ip_address", "subnet_id", "ip_address_substr"):
        raise bad_request(
            "Invalid input for fixed_ips. Reason: write fixed_ips=ip_address=…, fixed_ips=subnet_id=… or "
            "fixed_ips=ip_address_substr=…."
        )
    parsed = _IP.parse_filter(text) if key == "ip_address" else text.lower()
    values = listing.where.setdefault(f"fixed_ips.{key}", [])
    if parsed not in values:
        values.append(parsed)
    if key == "ip_address_substr" and len(values) > MAXIMUM_SUBSTRINGS:
        raise bad_request(f"At most {MAXIMUM_SUBSTRINGS} parts of addresses can be searched for in one query.")


def links(url: str, pairs: Pairs, listing: Listing, ids: Sequence[str]) -> list[dict[str, str]]:
    """Links to the next and the previous page of a page with these ids.

    A page that is not full is the last one in its direction and has no link further.
    """
    if listing.limit is None:
        return []
    found = []
    full = len(ids) >= listing.limit
    kept = [(name, value) for name, value in pairs if name not in ("marker", "page_reverse")]
    if full or listing.reverse:
        ahead = [("marker", ids[-1])] if ids else []
        found.append({"rel": "next", "href": f"{url}?{urlencode([*kept, *ahead])}"})
    if full or not listing.reverse:
        back = [("marker", ids[0])] if ids else []
        found.append({"rel": "previous", "href": f"{url}?{urlencode([*kept, *back, ('page_reverse', 'True')])}"})
    return found
