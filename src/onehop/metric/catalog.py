"""METRICS: the one list of what can be measured. Scrapes, docs/metrics.md, dashboard and alert rules are held to it.

Labels are bounded by what there is: kinds, states and reasons are closed lists; hosts, routers and ports are ours, and
what is gone is forgotten. No label holds what somebody wrote (names, descriptions, paths), and none a secret.
"""

from typing import Final, Literal

import msgspec

Daemon = Literal["agent", "controller", "both"]
BUILD: Final = "onehop_build_info"


class Metric(msgspec.Struct, frozen=True):
    """One metric.

    Attributes:
        name: as Prometheus has it; what only grows ends in ``_total``.
        type: ``counter``, ``gauge`` or ``histogram``.
        daemon: who tells it.
        help: what the number is, in one sentence.
        labels: names, in order.
        bound: what bounds the number of series.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    daemon: Daemon
    help: str
    labels: tuple[str, ...] = ()
    bound: str = "1"


def _agent(
    name: str, type_: Literal["counter", "gauge", "histogram"], help_: str, *labels: str, bound: str = "1"
) -> Metric:
    return Metric(f"onehop_{name}", type_, "agent", help_, labels, bound)


def _controller(
    name: str, type_: Literal["counter", "gauge", "histogram"], help_: str, *labels: str, bound: str = "1"
) -> Metric:
    return Metric(f"onehop_{name}", type_, "controller", help_, labels, bound)


METRICS: Final[tuple[Metric, ...]] = (
    Metric(BUILD, "gauge", "both", "1; the labels say which daemon and version this is.", ("daemon", "version")),
    # the agent and its view
    _agent("agent_connected", "gauge", "Whether the stream to a controller is open and the view complete."),
    _agent("agent_view_revision", "gauge", "Newest revision that a controller told of."),
    _agent("agent_applied_revision", "gauge", "Revision that the kernel was brought to and read back at."),
    _agent("agent_lag_revisions", "gauge", "Revisions between the two."),
    _agent("agent_complete", "gauge", "Whether there is a view, from a controller or from the local copy."),
    _agent("agent_in_sync", "gauge", "Whether nothing is left to do and nothing fails."),
    _agent("agent_look_age_seconds", "gauge", "Seconds since the whole kernel was last read back."),
    _agent("agent_plugs", "gauge", "Instances' ports that are plugged here."),
    _agent("agent_resources", "gauge", "Resources on this host.", "kind", "status", bound="kinds x states"),
    _agent("agent_objects", "gauge", "Kernel objects that are wanted on this host.", "kind", bound="kernel kinds"),
    _agent(
        "agent_failing_objects", "gauge", "Kernel objects that are not as they should be.", "kind", bound="kernel kinds"
    ),
    _agent(
        "flow_packets_total",
        "counter",
        "IPv4 packets of instances that may have a short cut: `short` passed by bridge, router and "
        "rules, `long` did not, `learnt` are those of the long that taught their flow the way.",
        "way",
        bound="3",
    ),
    # what the worker does
    _agent(
        "apply_seconds", "histogram", "From the arrival of a change of the view until it was carried out and verified."
    ),
    _agent("pass_seconds", "histogram", "How long passes of the reconciler took."),
    _agent("reconcile_cpu_seconds_total", "counter", "CPU time of the thread that compares and changes the kernel."),
    _agent("kernel_ops_total", "counter", "Changes that were made in the kernel."),
    _agent(
        "drift_repairs_total",
        "counter",
        "Objects that were put right although nothing else was wanted of them: somebody changed the kernel.",
        "kind",
        "op",
        "part",
        bound="kernel kinds x 3 x 5",
    ),
    _agent(
        "leaks_removed_total",
        "counter",
        "Objects of ours that nobody wanted and that were removed: found at start, or while running.",
        "kind",
        "when",
        bound="kernel kinds x 2",
    ),
    # owners
    _agent(
        "owner_changes_total",
        "counter",
        "Routers of which this host became owner, or is not any more.",
        "change",
        "by",
        bound="4",
    ),
    _agent("owned_routers", "gauge", "Routers whose external addresses this host owns."),
    # what was dropped
    _agent(
        "drops_total", "counter", "Frames that ports' protection refused on this host, by reason.", "reason", bound="9"
    ),
    _agent(
        "port_drops_total",
        "counter",
        "Frames of a port that its protection refused; a reason that never happened is not listed.",
        "port",
        "reason",
        bound="ports plugged here x 9",
    ),
    _agent(
        "router_drops_total",
        "counter",
        "Packets that a router's rules dropped, by chain; a chain that never dropped is not listed.",
        "router",
        "chain",
        bound="routers here x chains",
    ),
    _agent(
        "external_leg_drops_total",
        "counter",
        "Frames kept from, or by, a router's external leg at its bridge; one that never dropped is not listed.",
        "router",
        "chain",
        bound="routers here x 2",
    ),
    _agent(
        "drops_age_seconds", "gauge", "Age of the oldest of the numbers above: large hosts are read a part at a time."
    ),
    # port blocks
    _agent(
        "port_block_ports",
        "gauge",
        "Source ports that this host may use for a gateway address of a router.",
        "router",
        "address",
        bound="gateway addresses here",
    ),
    _agent(
        "port_block_used_ports",
        "gauge",
        "Of these in use towards the busiest destination; exact where it matters, else an upper bound.",
        "router",
        "address",
        bound="gateway addresses here",
    ),
    _agent(
        "port_block_exhausted_total",
        "counter",
        "Connections that found no free source port.",
        "router",
        bound="routers here",
    ),
    # the controller
    _controller("revision", "gauge", "Revision of the view that this controller sends to agents."),
    _controller("feed_lag_revisions", "gauge", "Revisions of the store that this controller has not taken up yet."),
    _controller(
        "resources",
        "gauge",
        "Resources in the store; those without a status have the status none.",
        "kind",
        "status",
        bound="kinds x states",
    ),
    _controller("store_up", "gauge", "Whether the store could be read for this scrape."),
    _controller("hosts", "gauge", "Hosts whose agents gave a sign of life in time, and others.", "state", bound="2"),
    _controller(
        "host_silent_seconds",
        "gauge",
        "Seconds since a host's agent gave a sign of life to any controller.",
        "host",
        bound="hosts",
    ),
    _controller(
        "host_lag_revisions",
        "gauge",
        "Revisions that a host connected to this controller has not applied yet.",
        "host",
        bound="hosts",
    ),
    _controller(
        "host_lag_seconds", "gauge", "Seconds for which a connected host has not caught up.", "host", bound="hosts"
    ),
    _controller(
        "host_owed_refs", "gauge", "Values that wait until a connected host is ready for them.", "host", bound="hosts"
    ),
    _controller("stream_connections", "gauge", "Open connections of the stream with a host's certificate."),
    _controller("stream_sessions", "gauge", "Agents that are connected to this controller."),
    _controller("host_owned_routers", "gauge", "Routers whose external addresses a host owns.", "host", bound="hosts"),
    _controller("routers_without_owner", "gauge", "Routers with a gateway that no host owns."),
    _controller("owner_moves_total", "counter", "Routers that were given to another owner, and why.", "why", bound="3"),
    _controller("hosts_lost_total", "counter", "Hosts that were judged lost."),
    _controller("port_blocks", "gauge", "Port blocks that hosts hold."),
    _controller("port_block_free_ports", "gauge", "Source ports of the fullest gateway address that no host holds."),
    _controller(
        "port_block_shortages_total",
        "counter",
        "Times that a host said that connections found no source port.",
    ),
    _controller(
        "api_requests_total",
        "counter",
        "Requests to the API.",
        "resource",
        "operation",
        "status",
        bound="resources x operations x status codes",
    ),
    _controller(
        "api_request_seconds",
        "histogram",
        "How long requests took.",
        "resource",
        "operation",
        bound="resources x operations",
    ),
)
"""Every metric of ours."""

LIBRARY: Final = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
"""What the client library tells of the process, of both daemons."""
