"""Resources are written here: rows, what hangs on them, and their place in the change log."""

from functools import cache, lru_cache
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from onehop.errors import InputError, NotFoundError
from onehop.model.attribute import Attribute, Unset
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.port import INTERFACE_OWNERS
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME
from onehop.store import allocation, belonging, gateway, presence, query, tag
from onehop.store.prepared import Prepared
from onehop.store.query import Id
from onehop.store.record import Row
from onehop.store.session import Session
from onehop.store.table import TABLES

_EMPTY: dict[str, Any] = {"text": "", "int": 0, "bool": False, "json": []}
_FOLLOWS = "binding:host_id follows the port's bindings: insert, update or delete those"
_TOUCH = {
    name: Prepared(
        sa.update(table)
        .where(table.c.id == sa.bindparam("which"))
        .values(revision_number=table.c.revision_number + 1, updated_at=sa.bindparam("time"))
    )
    for name, table in TABLES.items()
    if "revision_number" in table.c
}
_LEADS = frozenset({"port_id", "fixed_ip_address", "router_id"})
"""Where a floating IP leads to."""
_FORWARDS = frozenset(
    {"protocol", "external_first", "external_last", "internal_port_id", "internal_ip_address", "internal_first"}
)
"""Where a port forwarding leads to."""

_STAMPS = frozenset({"created_at", "updated_at", "revision_number"})


def insert(session: Session, resource: str, values: Row) -> Row:
    """Add a resource; see `Transaction.insert`."""
    spec = _spec(resource)
    _refuse_unknown(spec, values)
    if resource == "port" and values.get("binding:host_id"):
        raise InputError(_FOLLOWS)
    row = {a.name: values[a.name] if a.name in values else _default(a) for a in spec.columns}
    for name in ("created_at", "updated_at"):
        if name in row:
            row[name] = session.now
    if "id" in row and not row["id"]:
        row["id"] = str(uuid4())
    if spec.tags:
        row["tags"] = sorted(values.get("tags", ()))
    session.change(_insert(resource), _columns(spec, row))
    if spec.tags and row["tags"]:
        tag.put(session, resource, row["id"], row["tags"])
    if resource == "port":
        allocation.sync(session, row["id"], row["fixed_ips"], fresh=True)
        belonging.put(session, row["id"], row["security_groups"])
        if row["device_owner"] in INTERFACE_OWNERS:
            gateway.joined(session, row["network_id"])
    if resource == "network":
        allocation.claim_vni(session, row["provider:segmentation_id"], "network", row["id"])
    if resource == "port_forwarding":
        presence.reset_floating_ip(session, row["floatingip_id"])
    _log(session, spec, row)
    if resource == "binding":
        gateway.bound(session, row["port_id"], row["host"])
    return row


def update(session: Session, resource: str, id: Id, changes: Row) -> Row:
    """Change some attributes; see `Transaction.update`."""
    spec = _spec(resource)
    _refuse_unknown(spec, changes)
    row = _existing(session, resource, id)
    if "tags" in changes:
        changes = {**changes, "tags": sorted(changes["tags"])}
    different = {n: v for n, v in changes.items() if row[n] != v and n not in _STAMPS}
    if not different:
        return row
    if resource == "port" and "binding:host_id" in different:
        raise InputError(_FOLLOWS)
    row.update(different)
    if "revision_number" in row:
        different["revision_number"] = row["revision_number"] = row["revision_number"] + 1
        different["updated_at"] = row["updated_at"] = session.now
    new = _columns(spec, different)
    session.change(_update(resource, tuple(new)), {**new, **query.key(resource, id)})
    if "tags" in different:
        tag.put(session, resource, row["id"], row["tags"])
    if resource == "port" and "fixed_ips" in different:
        allocation.sync(session, row["id"], row["fixed_ips"])
        if row["device_owner"] == GATEWAY_OWNER:
            session.mark("router", row["device_id"])
            gateway.readdress(session, row["device_id"])
    if resource == "port" and "security_groups" in different:
        belonging.clear(session, row["id"])
        belonging.put(session, row["id"], row["security_groups"])
    if resource == "port" and not {"device_owner", "device_id"}.isdisjoint(different):
        gateway.joined(session, row["network_id"])
    if resource == "subnet":
        session.pools.pop(row["id"], None)
    if resource == "agent" and "admin_state_up" in different:
        gateway.host_changed(session)
    if resource == "network" and "provider:segmentation_id" in different:
        allocation.claim_vni(session, row["provider:segmentation_id"], "network", row["id"])
    if resource == "floatingip" and not _LEADS.isdisjoint(different):
        presence.reset_floating_ip(session, row["id"])
        row.update(status="DOWN", status_reason="")
    if resource == "port_forwarding" and not _FORWARDS.isdisjoint(different):
        presence.reset_floating_ip(session, row["floatingip_id"])
    _log(session, spec, row)
    return row


def delete(session: Session, resource: str, id: Id) -> None:
    """Remove a resource; see `Transaction.delete`."""
    spec = _spec(resource)
    row = _existing(session, resource, id)
    if resource == "agent":
        presence.forget_host(session, row["host"])
    session.change(_delete(resource), query.key(resource, id))
    if "id" in row:
        tag.forget(session, resource, row["id"])
        presence.forget(session, resource, row["id"])
    if resource == "network":
        allocation.claim_vni(session, None, "network", row["id"])
    if resource == "subnet":
        session.pools.pop(row["id"], None)
    if resource == "port_forwarding":
        presence.reset_floating_ip(session, row["floatingip_id"])
    if resource == "agent":
        gateway.forget_host(session, row["host"])
    _log(session, spec, row, deleted=True)


def touch(session: Session, resource: str, id: Id) -> None:
    """Count a change of something that belongs to it; see `Transaction.touch`. Once in a transaction is enough."""
    spec = _spec(resource)
    if (resource, str(id)) in session.touched:
        return
    if resource not in _TOUCH:
        raise InputError(f"{resource} has no revision number to grow")
    if not session.change(_TOUCH[resource], {"which": id, "time": session.now}).rowcount:
        raise _not_found(resource, id)
    session.touched.add((resource, str(id)))
    session.mark(spec.name, str(id))


@cache
def _insert(resource: str) -> Prepared:
    names = _column_names(resource)
    return Prepared(sa.insert(TABLES[resource]), [names[name] for name in sorted(_names(resource))])


@lru_cache(maxsize=256)
def _update(resource: str, columns: tuple[str, ...]) -> Prepared:
    return Prepared(sa.update(TABLES[resource]).where(query.is_key(resource)), columns)


@cache
def _delete(resource: str) -> Prepared:
    return Prepared(sa.delete(TABLES[resource]).where(query.is_key(resource)))


def _log(session: Session, spec: Resource, row: Row, *, deleted: bool = False) -> None:
    if spec.name == "agent":
        session.mark("host", row["host"], deleted=deleted)
    elif spec.logged == "self":
        session.mark(spec.name, row["id"], deleted=deleted)
    if spec.name == "binding":
        presence.follow_binding(session, row["port_id"])
    if spec.bumps is not None:
        touch(session, spec.bumps.resource, row[spec.bumps.attribute])


def _existing(session: Session, resource: str, id: Id) -> Row:
    row = query.get(session, resource, id)
    if row is None:
        raise _not_found(resource, id)
    return row


def _not_found(resource: str, id: Id) -> NotFoundError:
    return NotFoundError(f"there is no {resource} {id if isinstance(id, str) else ' '.join(id)}")


def _spec(resource: str) -> Resource:
    try:
        return BY_NAME[resource]
    except KeyError:
        raise InputError(f"there is no resource {resource!r}") from None


@cache
def _names(resource: str) -> frozenset[str]:
    spec = BY_NAME[resource]
    return frozenset(a.name for a in spec.columns) | (frozenset({"tags"}) if spec.tags else frozenset())


def _refuse_unknown(spec: Resource, values: Row) -> None:
    unknown = values.keys() - _names(spec.name)
    if unknown:
        raise InputError(f"{spec.name} does not store {', '.join(sorted(unknown))}")


@cache
def _column_names(resource: str) -> dict[str, str]:
    return {a.name: a.column_name for a in BY_NAME[resource].columns} | {"tags": "tags"}


def _columns(spec: Resource, values: Row) -> dict[str, Any]:
    names = _column_names(spec.name)
    return {names[name]: value for name, value in values.items()}


def _default(attribute: Attribute) -> Any:
    if not isinstance(attribute.default, Unset):
        return attribute.default
    column = attribute.column
    if column is None or column.nullable:
        return None
    return _EMPTY[column.type]
