"""The part of a transaction that is about hosts: what they say of resources, their sessions, and how they join."""

from collections.abc import Iterable, Sequence

from onehop.model.topology import Ref
from onehop.store import host, presence, secret
from onehop.store.record import Approval, Certificate, HostRow, Row, Status
from onehop.store.session import Session


class Membership:
    """What `Transaction` may be asked of hosts.

    Attributes:
        session: of the transaction.
    """

    session: Session

    # statuses and hosts ---------------------------------------------------------------------------------------------

    def put_statuses(
        self, host: str, statuses: Iterable[Status], *, session: int, revision: int, full: bool = False
    ) -> list[Ref]:
        """Write down what a host says of resources, at the revision that it has applied.

        A port's ``status`` is what the host of its active binding said since it became that; else ``DOWN``. A router's
        is ``ERROR`` while any host says so or its gateway has no owner, else ``ACTIVE``; a network's is ``ERROR`` while
        any host says so. A router interface's and a floating IP's is ``ERROR`` while any host says so, else ``ACTIVE``
        if any does (a floating IP's: since it leads where it leads), else ``DOWN``. Of other kinds it is only kept.
        Statuses are no part of the change log and of revision numbers: agents never hear of
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

    def add_host(self, name: str, *, gateway_host: bool = False, physical_networks: Sequence[str] = ()) -> HostRow:
        """Add a host (a row of resource ``agent``), and say what it may be; see `approve_host`.

        Raises:
            TakenError: there is one of this name.
            IdentifierError: not a host name.
        """
        return host.add(self.session, name, Approval(gateway_host, tuple(physical_networks)))

    def approve_host(
        self, name: str, *, gateway_host: bool | None = None, physical_networks: Sequence[str] | None = None
    ) -> HostRow:
        """Say what a host may be, whatever its agent says that it is; takes effect at once. None leaves it as it is.

        Raises:
            NotFoundError: there is no such host.
        """
        return host.approve(self.session, name, gateway_host, physical_networks)

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

        That its host is a gateway host (`details`) and reaches physical networks counts as far as it was approved.
        Only a hello that differs from the last one is a change with a revision.

        Returns:
            the session's number, to be given with every report and heartbeat.

        Raises:
            NotFoundError: there is no such host.
            TakenError: another host has this VTEP (``attributes`` = ``("vtep",)``).
        """
        return host.open_session(self.session, name, vtep, underlay_mtu, physical_networks, details or {})

    def reach(self, name: str, physical_networks: Sequence[str]) -> HostRow:
        """A host says that it reaches these physical networks now: who may own routers' external addresses follows
        from those of them that were approved.

        Raises:
            NotFoundError: there is no such host.
        """
        return host.reach(self.session, name, physical_networks)

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

    def certificates(self) -> list[Certificate]:
        """All that were issued, the revoked ones too."""
        return secret.certificates(self.session)

    def revoke_certificates(self, host: str, keep: str | None = None) -> int:
        """Revoke a host's certificates, but for the one of serial `keep`; how many."""
        return secret.revoke(self.session, host, keep)
