"""What is said over the agent's socket, one JSON line each way."""

import msgspec

SOCKET = "agent.sock"


class PlugRequest(msgspec.Struct, frozen=True, kw_only=True, tag="plug"):
    """Attach an instance to a port.

    Attributes:
        port_id: the port.
        netns: name of the instance's namespace, or None for a tap device.
        device: name of the instance's end in `netns`.
        adopt: the device is here already and bears no mark (`ReleaseRequest` on another host took it off): keep it.
        wait: answer when the port is ACTIVE.
        timeout: seconds to wait at most.
    """

    port_id: str
    netns: str | None = None
    device: str = "eth0"
    adopt: bool = False
    wait: bool = True
    timeout: float = 30.0


class UnplugRequest(msgspec.Struct, frozen=True, kw_only=True, tag="unplug"):
    """Detach the instance of a port; answers when its device is gone."""

    port_id: str
    timeout: float = 30.0


class ReleaseRequest(msgspec.Struct, frozen=True, kw_only=True, tag="release"):
    """Forget a plug but leave its device, without our mark, down and off its bridge; answers when the agent will not
    touch it again."""

    port_id: str
    timeout: float = 30.0


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """How is the agent?"""


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """What would the agent do now? Reads everything back; does nothing."""


class CloudInitRequest(msgspec.Struct, frozen=True, kw_only=True, tag="cloud_init"):
    """The network-config for the guest of a port."""

    port_id: str


class AuditRequest(msgspec.Struct, frozen=True, kw_only=True, tag="audit"):
    """What is in the kernel that is not as it should be? Reads everything back; does nothing."""


class ShowPortRequest(msgspec.Struct, frozen=True, kw_only=True, tag="show_port"):
    """What is a port of this host, how is it, and what was refused of it?"""

    port_id: str


Request = (
    PlugRequest
    | UnplugRequest
    | ReleaseRequest
    | StatusRequest
    | PlanRequest
    | CloudInitRequest
    | ShowPortRequest
    | AuditRequest
)


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """It could not be done.

    Attributes:
        error: name of the class in `onehop.errors`.
        message: one sentence.
    """

    error: str
    message: str


class PortAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="port"):
    """After plug, unplug or release.

    Attributes:
        port_id: the port.
        device: name of its device on this host.
        state: of the port here: ACTIVE, DOWN, ERROR, or GONE.
        reason: why not ACTIVE.
        changed: False when it was so already.
    """

    port_id: str
    device: str
    state: str
    reason: str = ""
    changed: bool = True


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A resource or a kernel object that is not as it should be."""

    what: str
    reason: str


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """How the agent is.

    Attributes:
        host: its name.
        pid: its process.
        controller: address of the controller that it talks, or last talked, to.
        connected: whether it does now.
        controller_error: why not.
        wanted: newest revision that it knows of.
        applied: revision that the kernel was brought to.
        in_sync: everything that is known is applied, and nothing fails; without a controller more may be wanted.
        complete: there was a complete view in this life; before one nothing is removed.
        plugs: number of instances plugged here.
        resources: kind → state → number.
        objects: number of kernel objects wanted.
        failing: number of those that are not as they should be, leftovers included.
        writes: number of ops carried out in this life.
        problems: what fails, with the reason; at most 100.
        warnings: what is wrong with the agent itself (the local copy, the plug records).
        metrics: address of metrics and health, "" while there are none.
        notes: what an operator should know of the host around it (`onehop.kernel.surroundings`).
    """

    host: str
    pid: int
    controller: str
    connected: bool
    controller_error: str
    wanted: int
    applied: int
    in_sync: bool
    complete: bool
    plugs: int
    resources: dict[str, dict[str, int]]
    objects: int
    failing: int
    writes: int
    problems: list[Problem]
    warnings: list[str]
    notes: list[str]
    metrics: str = ""


class PlannedOp(msgspec.Struct, frozen=True, kw_only=True):
    """One op of a plan.

    Attributes:
        op: create, replace, delete or blocked.
        text: as `ip` or `nft` would be told.
        namespace: where; "" is the host's own.
        resource: kind and id of the resource that wants it; "" where nobody does any more.
        feature: the compiler's feature that says so.
    """

    op: str
    text: str
    namespace: str
    resource: str
    feature: str


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """What the agent would do now, in order."""

    complete: bool
    ops: list[PlannedOp]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Frames that protection did not let pass for one reason.

    Attributes:
        reason: its name.
        meaning: in words.
        packets, octets: since the port's rules were made or replaced.
    """

    reason: str
    meaning: str
    packets: int
    octets: int


class ShowPortAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="show_port"):
    """A port as this host knows it.

    Attributes:
        port_id, network_id, mac_address, addresses: as in the API.
        pairs: address pairs, as ``address`` or ``address (MAC)``.
        host: of its active binding, or "".
        device: name of its device on this host; "" where it is not plugged here.
        state, reason: of the port here.
        protected: `port_security_enabled`.
        refused: every reason, also those that never happened; none where nothing is checked here.
    """

    port_id: str
    network_id: str
    mac_address: str
    addresses: list[str]
    pairs: list[str]
    host: str
    device: str
    state: str
    reason: str
    protected: bool
    refused: list[Refused]


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="audit"):
    """What an agent found in its kernel; texts for people.

    Attributes:
        software: version of the agent.
        complete: there was a complete view; before one nothing else is said.
        drift: what is wanted and not there, or not so.
        leaks: what is ours and not wanted.
        blocked: what cannot be there because somebody else has the name.
        foreign: links of others in namespaces of ours.
        namespaces: namespaces of others with the name of a router.
        unprotected: taps of ports with port security that have no table.
    """

    software: str
    complete: bool
    drift: list[str]
    leaks: list[str]
    blocked: list[str]
    foreign: list[str]
    namespaces: list[str]
    unprotected: list[str]


class TextAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A document."""

    text: str


Answer = Failed | PortAnswer | StatusAnswer | PlanAnswer | ShowPortAnswer | AuditAnswer | TextAnswer
