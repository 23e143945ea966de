"""The messages of the stream, one WebSocket binary frame each, MessagePack inside.

A session, seen from the agent::

    → Hello(revision, digest of the view I have)
    ← Welcome
    ← nothing more (my view is that of now), or Delta… (what changed since), or Snapshot… (all of it)
    ← InSync(revision)          my view is complete
    → Ask(number) ← InSync      when somebody else claims what the view says is this host's
    → Reach(physical networks)  when a way outside is lost, or there again
    → Status(full)… → Applied   what became of every resource; later only what changed
    ← Delta… ← InSync           at every change of my share
    ↔ Heartbeat

Chunks of a Snapshot or Delta carry one revision and take effect together, when the InSync with that revision comes.
The controller keeps no queue for an agent: what changed while it was slow is sent as the newest value, once.

A host joins on a path of its own: JoinRequest, then Joined or Refused.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onehop.model.topology import Ref, Value

PROTOCOL_VERSION = 3
"""Raised with every change that the other side should know of. A session speaks the lower one of its two sides."""

OLDEST_VERSION = 2
"""The lowest that is still spoken here. Raised when who does not know a change would harm its host: since 2 there are
security groups. Fields that were added since have a default, and who does not know them passes over them; messages of
types that were added since go to nobody who speaks less.
"""

MAX_FRAME = 1 << 20
"""Octets; a longer frame ends the session."""

MAX_VALUES = 500
"""Values, removals or statuses in one message; senders make chunks."""

MAX_REQUESTS = 32
"""Ids of requests in one message; of more the newest."""

Revision = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Name = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=1024)]
Digest = Annotated[str, Meta(max_length=64)]
RequestId = Annotated[str, Meta(pattern="^req-[0-9a-f-]{36}$")]

State = Literal["ACTIVE", "DOWN", "ERROR", "GONE"]
"""Of a resource on a host; GONE: the host holds nothing of it any more."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """Agent: who I am, and what I have.

    Attributes:
        version: `PROTOCOL_VERSION` of the agent.
        host: must be the name in the certificate.
        software: version of onehop, for people.
        vtep: IP address that the others send VXLAN to.
        underlay_mtu: of the interface with `vtep`, or 0 where the agent cannot tell.
        physical_networks: names of the physical networks it reaches.
        gateway_host: it may own routers' external addresses.
        revision: of the view it has; 0 where it has none.
        digest: of that view (`onehop.wire.digest.digest_of`).
    """

    version: int
    host: Name
    software: Name = ""
    vtep: Name
    underlay_mtu: Annotated[int, Meta(ge=0, le=65_535)] = 0
    physical_networks: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    gateway_host: bool = False
    revision: Revision = 0
    digest: Digest = ""


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """Controller: go on.

    Attributes:
        version: that both speak.
        software: version of onehop, for people.
        heartbeat_seconds: how often the agent is to show that it is alive.
    """

    version: int
    software: Name = ""
    heartbeat_seconds: Seconds


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """Either side: this session ends, and why."""

    reason: Text


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """Controller: a part of everything that this host should know. The first chunk of a revision begins anew."""

    revision: Revision
    first: bool
    values: Annotated[tuple[Value, ...], Meta(max_length=MAX_VALUES)]


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta"):
    """Controller: a part of what is new, changed or gone; the newest values, not a history."""

    revision: Revision
    upserts: Annotated[tuple[Value, ...], Meta(max_length=MAX_VALUES)] = ()
    removes: Annotated[tuple[Ref, ...], Meta(max_length=MAX_VALUES)] = ()


class InSync(msgspec.Struct, frozen=True, kw_only=True, tag="in_sync"):
    """Controller: with what was sent so far you have all of your share at this revision.

    Attributes:
        revision: the newest.
        answers: number of the last Ask that came before it was looked what is the newest.
        requests: ids of requests to the API that what was sent may come from, for logs; not all where there are many,
            or where another controller answered them.
    """

    revision: Revision
    answers: Annotated[int, Meta(ge=0)] = 0
    requests: Annotated[tuple[RequestId, ...], Meta(max_length=MAX_REQUESTS)] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """Agent: is my view that of now? An InSync answers, after all that has to be sent for it to be so.

    Attributes:
        number: from 1, growing.
    """

    number: Annotated[int, Meta(ge=1)]


class ResourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one resource on this host: ACTIVE acknowledges it, ERROR and DOWN say why not.

    Attributes:
        kind, id: the resource.
        state: see `State`.
        reason: one sentence for a person where the state is not ACTIVE.
    """

    kind: Literal["network", "subnet", "port", "router", "floatingip"]
    id: Name
    state: State
    reason: Text = ""


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """Agent: states of resources that changed.

    Attributes:
        revision: of the view that this judges; a report of an older view never replaces one of a newer.
        full: part of a complete list, which the next Applied ends; what is not in it is gone.
    """

    revision: Revision
    full: bool = False
    statuses: Annotated[tuple[ResourceStatus, ...], Meta(max_length=MAX_VALUES)]


class Applied(msgspec.Struct, frozen=True, kw_only=True, tag="applied"):
    """Agent: the kernel was brought to this revision and read back; failures are in the statuses sent before.

    Attributes:
        revision: of the view.
        errors: number of kernel objects that are not as they should be.
    """

    revision: Revision
    errors: Annotated[int, Meta(ge=0)] = 0


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts as a router's owner without a controller's word; see `onehop.model.reign`.

    Attributes:
        router: its id.
        generation: of the last owner that a controller chose, as this host knows.
        epoch: how many took over since then.
        owner: who acts; or acted last, where it is `vacant`.
        vacant: nobody does.
    """

    router: Name
    generation: Revision
    epoch: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
    owner: Name
    vacant: bool = False


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat"):
    """Either side: I am alive.

    Attributes:
        revision: controller: the newest; agent: the one applied.
        answering, silent: agent of a gateway host: other gateway hosts whose kernels answer it on the underlay, or do
            not (any more).
        acting: agent: owners that hosts agreed on while no controller told, until one has taken that up.
    """

    revision: Revision
    answering: Annotated[tuple[Name, ...], Meta(max_length=4096)] = ()
    silent: Annotated[tuple[Name, ...], Meta(max_length=4096)] = ()
    acting: Annotated[tuple[Acting, ...], Meta(max_length=4096)] = ()


class Reach(msgspec.Struct, frozen=True, kw_only=True, tag="reach"):
    """Agent: which physical networks this host reaches now; said when it is different from the Hello or the last Reach.

    Attributes:
        physical_networks: their names.
    """

    physical_networks: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()


class PortUse(msgspec.Struct, frozen=True, kw_only=True):
    """How far a host's port blocks of one router are used.

    Attributes:
        router: its id.
        address: the gateway address whose ports they are; empty is all of them.
        used: source ports (and ICMP ids) in use, of the destination protocol that uses most.
        failed: connections that found no port since the last time it was said.
    """

    router: Name
    address: Name = ""
    used: Annotated[int, Meta(ge=0)]
    failed: Annotated[int, Meta(ge=0)] = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True, tag="usage"):
    """Agent: routers whose port blocks on this host are nearly used up, or were, or found no port for somebody."""

    routers: Annotated[tuple[PortUse, ...], Meta(max_length=MAX_VALUES)] = ()


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """A host that has no certificate yet, or one that is about to end: make me one.

    Attributes:
        version: `PROTOCOL_VERSION` of the agent.
        token: the secret of its join token; empty from a host that shows its certificate.
        request: certificate signing request, PEM; its names are ignored, the token or the certificate says the name.
    """

    version: int
    token: Name
    request: Annotated[str, Meta(max_length=16_384)]


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag="joined"):
    """Controller: here it is.

    Attributes:
        host: the name in the certificate.
        certificate: PEM.
    """

    host: Name
    certificate: Annotated[str, Meta(max_length=65_536)]


FromAgent = Hello | Status | Applied | Heartbeat | Ask | Reach | Usage | Refused
FromController = Welcome | Snapshot | Delta | InSync | Heartbeat | Refused
