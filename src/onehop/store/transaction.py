"""One transaction on the store: everything that the API and the stream may ask of it.

Resources are plain dicts in the API's attribute names with JSON-able values; only attributes with a `Column` are in
them, plus ``tags`` (sorted) where the resource has tags. `resource` is always the singular name (``"port"``). `id` is
the row's ``id``; of a child without one (``binding``) the pair of its parent's id and its key: ``(port id, host)``.

What the store writes by itself, whatever the caller sends:

- ``id`` (a new UUID unless given), ``created_at``, ``updated_at`` (``YYYY-MM-DDTHH:MM:SSZ``), ``revision_number`` (0 at
  first, one more with each change; the parent named by `Resource.bumps` likewise);
- a missing attribute: its `Attribute.default` when that is a value, else NULL, 0, False, "" or [] by its column;
- of a port: the allocation of every address in ``fixed_ips``, ``binding:host_id`` (the host of the ``ACTIVE`` binding,
  or ""), ``status`` and ``status_reason``; of a router ``status`` and ``status_reason``;
- one `Change` for each changed resource, all with one revision, at the commit.

Errors, besides those named below: every write in a `Store.read` transaction is refused with RuntimeError. After a
`TakenError` or `ReferencedError` from `insert`, `update` or `delete` the transaction can only be left: it is rolled
back even if the error is caught inside. All other errors leave it usable.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from onehop.model.topology import Ref, Value
from onehop.store import allocation, change, projection, query, row
from onehop.store.census import Census, census
from onehop.store.membership import Membership
from onehop.store.outside import Gateways
from onehop.store.record import Change, Row
from onehop.store.session import Session

Id = str | tuple[str, str]
Where = Mapping[str, Sequence[Any]]


class Transaction(Gateways, Membership):
    """A consistent view of the store and, from `Store.write` or `Store.run`, the right to change it.

    Attributes:
        session: for the store's own parts.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection, for tests and measurements; changes made through it are not logged."""
        return self.session.connection

    # resources ------------------------------------------------------------------------------------------------------

    def get(self, resource: str, id: Id) -> Row | None:
        """The resource of that id, or None."""
        return query.get(self.session, resource, id)

    def select(
        self,
        resource: str,
        where: Where | None = None,
        *,
        any_of: Sequence[Where] = (),
        sort: Sequence[tuple[str, str]] = (),
        limit: int | None = None,
        marker: str | None = None,
        reverse: bool = False,
    ) -> list[Row]:
        """The resources that match.

        Args:
            where: name → values, one of which it must equal (None is NULL; no values match nothing). All must hold.
                A name is a stored attribute, or

                - ``network_id.project_id``: an attribute of the row that a reference names;
                - ``granted.access_as_shared``: an `rbac_policy` grants it to one of these projects;
                - of ports ``fixed_ips.ip_address``, ``fixed_ips.subnet_id``, ``fixed_ips.ip_address_substr``; several
                  of these hold for one and the same address;
                - of ports ``security_groups``: has one of these;
                - of resources with tags ``tags`` (has all), ``tags-any``, ``not-tags`` (has not all), ``not-tags-any``;
                - ``changed_since``: ``updated_at`` is this time or later.
            any_of: if there are any, at least one of these must hold too (whose and shared things).
            sort: pairs of attribute and ``asc`` or ``desc``; ``id`` decides between equals. NULL counts as "" or 0.
            limit: at most so many.
            marker: id of the row after (with `reverse`: before) which to begin.
            reverse: the page that ends before the marker, or the last one; still in the order asked for.

        Raises:
            InputError: a name that cannot be filtered or sorted by.
            NotFoundError: no row has the marker's id.
        """
        return query.select(
            self.session, resource, where or {}, any_of=any_of, sort=sort, limit=limit, marker=marker, reverse=reverse
        )

    def count(self, resource: str, where: Where | None = None) -> int:
        """How many match; `where` and errors as for `select`."""
        return query.count(self.session, resource, where or {})

    def census(self) -> Census:
        """How many rows there are, and how they are."""
        return census(self.session)

    def insert(self, resource: str, values: Row) -> Row:
        """Add a resource; `values` may hold ``tags``. Answers the whole row.

        Raises:
            TakenError: `Resource.unique` forbids it, or (``resource`` = ``"allocation"``) an address in ``fixed_ips``
                belongs to another port.
            ReferencedError: something that it refers to does not exist.
            InputError: an attribute that is not stored.
        """
        return row.insert(self.session, resource, values)

    def update(self, resource: str, id: Id, changes: Row) -> Row:
        """Change some attributes (``tags`` too). Answers the whole row. Values that are equal already change nothing.

        Raises:
            NotFoundError: there is no such resource.
            TakenError, ReferencedError, InputError: as for `insert`.
        """
        return row.update(self.session, resource, id, changes)

    def delete(self, resource: str, id: Id) -> None:
        """Remove a resource with what hangs on it alone: tags, a port's addresses and bindings, statuses.

        Raises:
            NotFoundError: there is no such resource.
            ReferencedError: something else refers to it.
        """
        row.delete(self.session, resource, id)

    def touch(self, resource: str, id: Id) -> None:
        """Count a change of something that belongs to the resource: revision number, time, change log.

        Raises:
            NotFoundError: there is no such resource.
        """
        row.touch(self.session, resource, id)

    # allocation -----------------------------------------------------------------------------------------------------

    def allocate_ip(self, port_id: str, subnet_ids: Sequence[str]) -> dict[str, str]:
        """Take a free address of the allocation pools of the first of these subnets that has one.

        The port need not exist yet, but must when the transaction commits, with this address in its ``fixed_ips``
        (writing ``fixed_ips`` releases every address of the port that is not in it).

        Returns:
            ``{"subnet_id": …, "ip_address": …}``

        Raises:
            PoolFullError: every address of all their pools is taken.
            NotFoundError: there is no such subnet.
        """
        return allocation.allocate_ip(self.session, port_id, subnet_ids)

    def claim_ip(self, port_id: str, subnet_id: str, ip_address: str) -> dict[str, str]:
        """Take one address, in a pool or not; taking it twice for one port does nothing. Returns as `allocate_ip`.

        Raises:
            TakenError: it belongs to another port (``resource`` = ``"allocation"``).
        """
        return allocation.claim_ip(self.session, port_id, subnet_id, ip_address)

    def release_ips(self, port_id: str, addresses: Iterable[tuple[str, str]]) -> None:
        """Give back pairs of subnet id and address that the port took; others are left alone."""
        allocation.release_ips(self.session, port_id, addresses)

    def holder_of_ip(self, subnet_id: str, ip_address: str) -> str | None:
        """Id of the port that has the address, or None."""
        return allocation.holder_of_ip(self.session, subnet_id, ip_address)

    def allocate_mac(self, network_id: str, prefix: str = "fa:16:3e", lasting: str = "") -> str:
        """A MAC that no port of the network has, the same for one `lasting` if it is free; insert the port with it.

        Raises:
            PoolFullError: none was found below the prefix (three octets).
        """
        return allocation.allocate_mac(self.session, network_id, prefix, lasting)

    def allocate_vni(self, first: int, last: int) -> int:
        """A VNI in the closed range that no network and no router has; insert the network in this transaction.

        Raises:
            PoolFullError: all are taken.
        """
        return allocation.allocate_vni(self.session, first, last)

    # change log and data plane --------------------------------------------------------------------------------------

    def revision(self) -> int:
        """Revision of the last committed change that this transaction sees; 0 before the first."""
        return change.revision(self.session)

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """Changes after revision `since`, in commit order, at most one a resource and revision.

        A revision is never split: the answer ends with the last change of a revision even where that is beyond
        `limit`. An empty answer says that `since` is the newest.

        Raises:
            StaleError: the log does not reach back to `since` (or `since` lies in the future: another database);
                take a `snapshot`.
        """
        return change.changes(self.session, since, limit)

    def values(self, refs: Iterable[Ref]) -> dict[Ref, Value | None]:
        """The data plane's value of each ref; None for one that does not exist (or a host without VTEP)."""
        return projection.values(self.session, refs)

    def snapshot(self) -> tuple[int, list[Value]]:
        """The revision, and the data plane's values of everything at that revision."""
        return projection.snapshot(self.session)
