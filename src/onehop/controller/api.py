"""The machinery: every operation of every resource, once, from its table.

An operation takes a context (transaction, caller), what the request says, and gives the answer's body. It knows
nothing of HTTP; routes are in `routes`. Order of checks: form of the body (400), existence for this caller (404),
rights (403), revision (412), then the resource's own logic.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from onehop.controller import body as bodies
from onehop.controller import listing, policy, view
from onehop.controller.agents import Agents
from onehop.controller.bindings import Bindings
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request, forbidden, not_found
from onehop.controller.floating_ips import FloatingIps
from onehop.controller.listing import Listing, Pairs
from onehop.controller.logic import Logic
from onehop.controller.networks import Networks
from onehop.controller.port_forwardings import PortForwardings
from onehop.controller.ports import Ports
from onehop.controller.rbac_policies import RbacPolicies
from onehop.controller.routers import Routers
from onehop.controller.security_groups import SecurityGroups
from onehop.controller.security_rules import SecurityRules
from onehop.controller.subnets import Subnets
from onehop.errors import NotFoundError
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME, RESOURCES
from onehop.net.identifier import is_uuid
from onehop.store import Id, Row, Where

_TYPES: Mapping[str, type[Logic]] = MappingProxyType(
    {
        "network": Networks,
        "rbac_policy": RbacPolicies,
        "subnet": Subnets,
        "security_group": SecurityGroups,
        "security_group_rule": SecurityRules,
        "port": Ports,
        "binding": Bindings,
        "router": Routers,
        "floatingip": FloatingIps,
        "port_forwarding": PortForwardings,
        "agent": Agents,
    }
)

LOGIC: Mapping[str, Logic] = MappingProxyType({r.name: _TYPES.get(r.name, Logic)(r) for r in RESOURCES})
"""Each resource's own logic."""


def store_id(resource: Resource, row: Row) -> Id:
    """How the store names a row."""
    if resource.attribute("id") is not None or resource.parent is None:
        return str(row["id"])
    return str(row[resource.parent.attribute]), str(row[resource.key])


class Operations:
    """The operations of one resource, for one request.

    Args:
        context: the request's transaction and caller.
        resource: which.
        parent_id: of a child's parent, from the path.
    """

    def __init__(self, context: Context, resource: Resource, parent_id: str | None = None) -> None:
        self._context = context
        self._resource = resource
        self._logic = LOGIC[resource.name]
        self._parent: Where = {}
        self._owner: Row | None = None
        if not context.caller.may_read:
            raise forbidden(f"get_{resource.name}")
        if resource.parent is not None:
            parent = find(context, BY_NAME[resource.parent.resource], parent_id or "")
            self._parent = {resource.parent.attribute: [parent["id"]]}
            self._owner = None if resource.owned else parent
            if not context.caller.is_admin and not policy.rights(context.caller, resource).see:
                raise forbidden(f"{resource.parent.resource}_{resource.name}")

    def lacks(self) -> bool:
        """Whether something must be made before a list can be shown."""
        return self._logic.lacks(self._context)

    def prepare(self) -> None:
        """Make what is lacking."""
        self._logic.prepare(self._context)

    def list_all(self, pairs: Pairs, url: str) -> Row:
        """All that match a query string; `url` is the list's own, for links."""
        asked = listing.parse(self._resource, pairs, policy.hidden(self._context.caller, self._resource))
        rows = self._select(asked)
        answer: Row = {
            self._resource.collection: view.shown_all(self._resource, self._context.caller, rows, asked.fields)
        }
        ids = [str(row[self._resource.key]) for row in rows]
        if asked.limit is not None:
            answer[f"{self._resource.collection}_links"] = listing.links(url, pairs, asked, ids)
        return answer

    def show(self, id: str, pairs: Pairs = ()) -> Row:
        """One."""
        return self._one(self._found(id), listing.fields(pairs))

    def create(self, body: dict[str, Json]) -> Row:
        """One, or several: all or none."""
        items, bulk = bodies.one_or_many(self._resource, body)
        given = [bodies.attributes(self._resource, item, "POST") for item in items]
        wanted = [bodies.with_defaults(self._resource, item) for item in given]
        for item in given:
            policy.require_change(self._context.caller, self._resource, "create", self._owner)
            policy.require_attributes(self._context.caller, self._resource, "create", item)
        rows = []
        for values in wanted:
            if self._resource.owned:
                values["project_id"] = policy.project_for(self._context.caller, values.get("project_id"))
            values.update({name: some[0] for name, some in self._parent.items()})
            rows.append(self._logic.create(self._context, values))
        self._logic.complete(self._context, rows)
        shown = view.shown_all(self._resource, self._context.caller, rows)
        return {self._resource.collection: shown} if bulk else {self._resource.name: shown[0]}

    def update(self, id: str, body: dict[str, Json], revision: int | None = None) -> Row:
        """Change one; with `revision` only if that is still its revision."""
        changes = bodies.attributes(self._resource, bodies.one(self._resource.name, body), "PUT")
        row = self._found(id)
        policy.require_change(self._context.caller, self._resource, "update", self._owner or row)
        policy.require_attributes(self._context.caller, self._resource, "update", changes)
        _require_revision(row, revision)
        return self._one(self._logic.update(self._context, row, changes))

    def delete(self, id: str, revision: int | None = None) -> None:
        """Remove one; with `revision` only if that is still its revision."""
        row = self._found(id)
        policy.require_change(self._context.caller, self._resource, "delete", self._owner or row)
        _require_revision(row, revision)
        self._logic.delete(self._context, row)

    def act(self, id: str, action: str, body: dict[str, Json], revision: int | None = None) -> Json:
        """Carry out an action on one."""
        row = self._found(id)
        policy.require_change(self._context.caller, self._resource, action, row)
        _require_revision(row, revision)
        answer = self._logic.act(self._context, row, action, body)
        if isinstance(answer, dict) and set(answer) == {self._resource.name}:
            inner = answer[self._resource.name]
            return {self._resource.name: view.shown(self._resource, self._context.caller, inner)}
        return answer

    def tags(self, id: str) -> Row:
        """The tags of one."""
        return {"tags": self._found(id)["tags"]}

    def has_tag(self, id: str, tag: str) -> None:
        """Refuse (404) if one does not have the tag."""
        if tag not in self._found(id)["tags"]:
            raise _tag_not_found(tag)

    def change_tags(
        self,
        id: str,
        *,
        put: Sequence[str] | None = None,
        add: Sequence[str] = (),
        remove: str | None = None,
        revision: int | None = None,
    ) -> Row:
        """Replace (`put`), add or remove tags of one; the answer's body."""
        row = self._found(id)
        policy.require_change(self._context.caller, self._resource, "update", row)
        _require_revision(row, revision)
        tags = set(row["tags"] if put is None else put) | set(add)
        if remove is not None:
            if remove not in tags:
                raise _tag_not_found(remove)
            tags.remove(remove)
        new = bodies.tags(sorted(tags))
        self._context.tx.update(self._resource.name, store_id(self._resource, row), {"tags": new})
        return {"tags": new}

    def _found(self, id: str) -> Row:
        if self._resource.parent is None:
            return find(self._context, self._resource, id)
        parent = next(iter(self._parent.values()))[0]
        if self._resource.attribute("id") is not None:
            child = find(self._context, self._resource, id)
            if child[next(iter(self._parent))] != parent:
                raise not_found(self._resource.name, id)
            return child
        row = self._context.tx.get(self._resource.name, (parent, id)) if "\0" not in id else None
        if row is None:
            raise FaultError("PortBindingNotFound", f"Binding for port {parent} for host {id[:64]} could not be found.")
        return row

    def _one(self, row: Row, fields: Sequence[str] = ()) -> Row:
        self._logic.complete(self._context, [row])
        return {self._resource.name: view.shown(self._resource, self._context.caller, row, fields)}

    def _select(self, asked: Listing) -> list[Row]:
        visible = policy.visible(self._context.caller, self._resource)
        if visible == []:
            return []
        where: dict[str, Sequence[Json]] = {**asked.where, **self._parent}
        late = {name: where.pop(name) for name in self._logic.shown_otherwise & where.keys()}
        for name, values in asked.late.items():
            if name in self._logic.renamed:
                where[self._logic.renamed[name]] = values
            else:
                late[name] = values
        if asked.marker is not None:
            self._found(asked.marker)
        page = {} if late else {"limit": asked.limit, "marker": asked.marker, "reverse": asked.reverse}
        try:
            rows = self._context.tx.select(self._resource.name, where, any_of=visible or (), sort=asked.sort, **page)  # type: ignore[arg-type]  # a dict of the page's keywords
        except NotFoundError:
            raise not_found(self._resource.name, asked.marker or "") from None
        self._logic.complete(self._context, rows)
        return _page(self._resource, _matching(self._resource, rows, late), asked) if late else rows


def find(context: Context, resource: Resource, id: str) -> Row:
    """A row that the caller may see, by the id in a path.

    Raises:
        FaultError: 404; a name, or anything else that is no UUID, is never found.
    """
    if not is_uuid(id.lower()):
        raise not_found(resource.name, id)
    return policy.find(context.tx, context.caller, resource, id.lower())


def _matching(resource: Resource, rows: list[Row], late: Mapping[str, Sequence[Json]]) -> list[Row]:
    """Filters on attributes that are worked out when read; null equals the empty text."""
    for name, values in late.items():
        neutral = resource.by_name[name].kind.neutral
        constant = neutral[0] if neutral else None
        rows = [row for row in rows if _equals(row.get(name, constant), values)]
    return rows


def _equals(value: Json, values: Sequence[Json]) -> bool:
    return value in values or (value in (None, []) and "" in values)


def _page(resource: Resource, rows: list[Row], asked: Listing) -> list[Row]:
    """The page of rows that were filtered here."""
    if asked.marker is not None:
        keys = [row[resource.key] for row in rows]
        at = keys.index(asked.marker) if asked.marker in keys else None
        if at is not None:
            rows = rows[:at] if asked.reverse else rows[at + 1 :]
    if asked.limit is None:
        return rows
    return rows[-asked.limit :] if asked.reverse else rows[: asked.limit]


def _require_revision(row: Row, revision: int | None) -> None:
    if revision is None:
        return
    if "revision_number" not in row:
        raise bad_request("This resource has no revision numbers, so If-Match cannot be met.")
    if row["revision_number"] != revision:
        raise FaultError(
            "RevisionNumberConstraintFailed",
            f"Constrained to {revision}, but current revision is {row['revision_number']}",
        )


def _tag_not_found(tag: str) -> FaultError:
    return FaultError("TagNotFound", f"Tag {tag[:60]} could not be found.")
