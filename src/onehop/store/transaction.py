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

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from onehop.model.topology import Ref, Value
from onehop.store import allocation, change, gateway, host, presence, projection, query, row, secret
from onehop.store.record import Certificate, Change, HostRow, Row, Status
from onehop.store.session import Session

Id = str | tuple[str, str]
Where = Mapping[str, Sequence[Any]]


class Transaction:
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

                - ``network_id.shared``: an attribute of the row that a reference names;
                - of ports ``fixed_ips.ip_address``, ``fixed_ips.subnet_id``, ``fixed_ips.ip_address_substr``; several
                  of these hold for one and the same address;
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

    def is_leg_mac(self, network_id: str, mac: str) -> bool:
        """Whether a router's external leg on the network has the MAC on some host."""
        return allocation.is_leg_mac(self.session, network_id, mac)

    # gateways -------------------------------------------------------------------------------------------------------

    def put_gateway(self, router_id: str, port_id: str, network_id: str, vnis: tuple[int, int]) -> None:
        """Give a router that has none a gateway: a VNI of the closed range, an owner, a place for each of its hosts.

        From then on every host that is a candidate, or on which a port of the router's component is bound, is given a
        place (number, MACs, transit address, port block) in the transaction that makes it so.

        Raises:
            PoolFullError: no VNI is free.
        """
        gateway.put(self.session, router_id, port_id, network_id, vnis)

    def clear_gateway(self, router_id: str) -> None:
        """Take a router's gateway away, with every place in it; the gateway port is left to the caller."""
        gateway.clear(self.session, router_id)

    def gateways(self, router_ids: Sequence[str]) -> dict[str, Row]:
        """What routers with a gateway were given, by id.

        ``port_id``, ``network_id``, ``vni``, ``owner``, ``generation``, ``candidates`` and ``hosts``: a list of
        ``host``, ``number``, ``mac_address``, ``transit_ip``, ``transit_mac``, ``blocks`` (``first``, ``size``).
        """
        return gateway.get(self.session, router_ids)

    def assign_owner(self, router_id: str, host: str | None) -> int:
        """Make a candidate (or nobody) the owner of a router's external addresses; the generation from then on.

        Raises:
            NotFoundError: the host is no candidate, or the router has no gateway.
        """
        return gateway.assign_owner(self.session, router_id, host)

    def hand_over(self, lost: Collection[str]) -> int:
        """Give every router that these hosts own to a candidate that is none of them, spread by load; how many.

        A router without another candidate keeps its owner. What these hosts said of floating IPs does not count any
        more; they have to say it again.
        """
        return gateway.hand_over(self.session, lost)

    def add_port_block(self, router_id: str, host: str) -> bool:
        """Give a host one more port block of a router; False where none is free.

        Raises:
            NotFoundError: the host has no place in the router.
        """
        return gateway.add_block(self.session, router_id, host)

    def refill_port_blocks(self) -> int:
        """Give a block to hosts that found none before; how many routers changed."""
        return gateway.refill(self.session)

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

    # statuses and hosts ---------------------------------------------------------------------------------------------

    def put_statuses(
        self, host: str, statuses: Iterable[Status], *, session: int, revision: int, full: bool = False
    ) -> list[Ref]:
        """Write down what a host says of resources, at the revision that it has applied.

        A port's ``status`` is what the host of its active binding said since it became that; else ``DOWN``. A router's
        is ``ERROR`` while any host says so or its gateway has no owner, else ``ACTIVE``. A floating IP's is ``ERROR``
        while any host says so, else ``ACTIVE`` if any does, since it leads where it leads; else ``DOWN``. Of other
        kinds it is only kept. Statuses are no part of the change log and of revision numbers: agents never hear of
        them, and a repeated one writes nothing at all. Dropped: reports of an older session, of an older revision than
        the host's last about the same resource, and of a revision before the port's active binding (where the floating
        IP leads to) last changed. That the host holds the resource is for the caller to check. With `full`, these are
        all that the host has to say: what it said of others is forgotten.

        Returns:
            the resources whose ``status`` or ``status_reason`` is different now.

        Raises:
            NotFoundError: there is no such host.
        """
        return presence.put(self.session, host, statuses, session, revision, full=full)

    def statuses(self, kind: str, id: str) -> dict[str, Status]:
        """What each host says of a resource, by host."""
        return presence.of(self.session, kind, id)

    def add_host(self, name: str) -> HostRow:
        """Add a host (a row of resource ``agent``).

        Raises:
            TakenError: there is one of this name.
            IdentifierError: not a host name.
        """
        return host.add(self.session, name)

    def remove_host(self, name: str) -> None:
        """Remove a host with its statuses and join tokens, and revoke its certificates.

        Raises:
            NotFoundError: there is no such host.
            ReferencedError: ports are bound to it.
        """
        host.remove(self.session, name)

    def hosts(self) -> list[HostRow]:
        """All hosts, by name."""
        return host.hosts(self.session)

    def host(self, name: str) -> HostRow | None:
        """One host, or None."""
        return host.get(self.session, name)

    def open_session(
        self, name: str, *, vtep: str, underlay_mtu: int, physical_networks: Sequence[str], details: Row | None = None
    ) -> int:
        """An agent said hello: keep what it said (as the agent's ``configurations``, with `details`), begin a session.

        Only a hello that differs from the last one is a change with a revision.

        Returns:
            the session's number, to be given with every report and heartbeat.

        Raises:
            NotFoundError: there is no such host.
            TakenError: another host has this VTEP (``attributes`` = ``("vtep",)``).
        """
        return host.open_session(self.session, name, vtep, underlay_mtu, physical_networks, details or {})

    # joining --------------------------------------------------------------------------------------------------------

    def create_join_token(self, host: str, lifetime: float = 3600) -> str:
        """A new one-time token for a host, good for `lifetime` seconds; earlier ones end. Only its hash is kept.

        Raises:
            NotFoundError: there is no such host.
        """
        return secret.create_token(self.session, host, lifetime)

    def redeem_join_token(self, token: str) -> str:
        """Use a token up, once it commits. Returns the host's name.

        Raises:
            NotFoundError: unknown, used or expired; one sentence for all three.
        """
        return secret.redeem_token(self.session, token)

    def add_certificate(self, host: str, serial: str, not_after: float) -> None:
        """Write down a certificate that was issued.

        Raises:
            TakenError: the serial number was used before.
        """
        secret.add_certificate(self.session, host, serial, not_after)

    def certificate(self, serial: str) -> Certificate | None:
        """The certificate of that serial number, or None if we never issued it."""
        return secret.certificate(self.session, serial)

    def revoke_certificates(self, host: str, keep: str | None = None) -> int:
        """Revoke a host's certificates, but for the one of serial `keep`; how many."""
        return secret.revoke(self.session, host, keep)
