"""The small values that the store takes and gives beside resources: changes, statuses, hosts, certificates."""

from typing import Any, Literal

import msgspec

Row = dict[str, Any]
"""A resource as a plain dict: API attribute names, JSON-able values."""


class Rules(msgspec.Struct, frozen=True):
    """What an operator may choose about allocation.

    Attributes:
        mac_prefix: first three octets of the MACs given to routers' external legs.
        quarantine_seconds: how long a port block that was given back is given to no other host.
        port_share: the part of a gateway address's ports beyond which one host is given no further block.
    """

    mac_prefix: str = "fa:16:3e"
    quarantine_seconds: float = 600.0
    port_share: float = 0.75


class Change(msgspec.Struct, frozen=True):
    """One changed resource in one transaction.

    Attributes:
        revision: of the transaction; all changes of one transaction share it.
        kind: the resource's name, or ``host``.
        id: of the resource; a host's name.
        deleted: it does not exist at this revision.
    """

    revision: int
    kind: str
    id: str
    deleted: bool


class Status(msgspec.Struct, frozen=True):
    """What a host says of one resource.

    Attributes:
        kind, id: the resource.
        state: ``ACTIVE`` (the kernel holds all it needs), ``DOWN``, ``ERROR``, or None: the host does not hold it
            any more, forget what it said.
        reason: one sentence for ``ERROR``, else "".
    """

    kind: str
    id: str
    state: Literal["ACTIVE", "DOWN", "ERROR"] | None
    reason: str = ""


class Approval(msgspec.Struct, frozen=True):
    """What a host may be beyond instances' host: what an operator approved, or what an agent claims.

    Attributes:
        gateway_host: it may own routers' external addresses.
        physical_networks: that it may reach, sorted.
    """

    gateway_host: bool = False
    physical_networks: tuple[str, ...] = ()

    def __and__(self, other: "Approval") -> "Approval":
        """What both allow."""
        common = tuple(name for name in self.physical_networks if name in other.physical_networks)
        return Approval(self.gateway_host and other.gateway_host, common)

    def __sub__(self, other: "Approval") -> "Approval":
        """What this one has beyond the other."""
        more = tuple(name for name in self.physical_networks if name not in other.physical_networks)
        return Approval(self.gateway_host and not other.gateway_host, more)


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """A host as the controller knows it.

    Attributes:
        id: UUID (the id of its row in the API's agents).
        name: unique; the name in its certificate.
        vtep: None until its agent said hello for the first time.
        underlay_mtu: in octets; None likewise.
        physical_networks: that it reaches and may, sorted.
        gateway_host: whether it may own routers' external addresses, and says so.
        approved: what an operator lets it be.
        refused: what its agent claims beyond that; it counts for nothing.
        admin_state_up, description: as set through the API.
        created_at, started_at: ``YYYY-MM-DDTHH:MM:SSZ``; of the row, and of the agent's present session (None before).
        session: number of the agent's sessions so far; reports of an older one are dropped.
        heartbeat_at: last sign of life, in seconds since the epoch; None before the first.
        connected: whether a controller has a stream to it.
        applied: revision that the host's kernel holds, 0 before the first.
    """

    id: str
    name: str
    vtep: str | None
    underlay_mtu: int | None
    physical_networks: tuple[str, ...]
    gateway_host: bool
    approved: Approval
    refused: Approval
    admin_state_up: bool
    description: str
    created_at: str
    started_at: str | None
    session: int
    heartbeat_at: float | None
    connected: bool
    applied: int


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign of life of a host.

    Attributes:
        host: name.
        session: as `Transaction.open_session` gave it; an older one is dropped.
        connected: False says that the stream has ended.
        applied: revision that the host's kernel holds.
    """

    host: str
    session: int
    connected: bool
    applied: int


class Certificate(msgspec.Struct, frozen=True):
    """A certificate that was issued to a host.

    Attributes:
        serial: in hexadecimal, lower case.
        host: name in it; the row outlives the host, so that a removed host stays locked out.
        not_after: seconds since the epoch.
        revoked_at: seconds since the epoch, or None while it is good.
    """

    serial: str
    host: str
    not_after: float
    revoked_at: float | None
