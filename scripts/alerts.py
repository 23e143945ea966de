"""ALERTS: what is worth waking somebody for, and what to do then: Prometheus' rules, and a table in docs/metrics.md."""

import json
from typing import Literal

import msgspec


class Alert(msgspec.Struct, frozen=True):
    """One alert.

    Attributes:
        name: as it is shown.
        expression: PromQL; what it finds is wrong.
        minutes: for so long, before anybody hears of it.
        severity: ``page``: packets are lost, or will be with the next failure; ``ticket``: in the morning.
        summary: what is wrong, in one sentence, with labels as ``{{ $labels.… }}``.
        action: what to do, in a sentence or two.
    """

    name: str
    expression: str
    minutes: int
    severity: Literal["page", "ticket"]
    summary: str
    action: str


def _grown(metric: str, by: str, time: str) -> str:
    """Counters that grew; one that appears has grown too, which `increase` does not see."""
    return (
        f"sum by ({by}) (increase({metric}[{time}])) > 0 or sum by ({by}) ({metric} unless {metric} offset {time}) > 0"
    )


ALERTS = (
    Alert(
        "OnehopDaemonDown",
        'up{job=~"onehop.*"} == 0',
        1,
        "page",
        "{{ $labels.instance }} does not tell its metrics.",
        "systemctl status onehop-agent (or onehop-controller) there. Packets go on without either; changes do not.",
    ),
    Alert(
        "OnehopAgentDisconnected",
        "onehop_agent_connected == 0",
        5,
        "page",
        "The agent {{ $labels.instance }} has had no controller for 5 minutes.",
        "onehop status says why: address, certificate, or no controller runs. The host goes on with its last view, and "
        "owners fail over without a controller, but nothing new reaches it.",
    ),
    Alert(
        "OnehopHostSilent",
        "onehop_host_silent_seconds > 60",
        1,
        "page",
        "The agent of {{ $labels.host }} has given no sign of life to any controller for a minute.",
        "If the host answers ping its agent is dead: journalctl -u onehop-agent. If not, its floating IPs are down "
        "until it is back, or its instances are moved.",
    ),
    Alert(
        "OnehopHostLags",
        "onehop_host_lag_seconds > 30",
        1,
        "ticket",
        "{{ $labels.host }} has been behind the newest revision for 30 seconds.",
        "onehop status there: what fails, or is it busy (onehop_pass_seconds)? It holds what was wanted before.",
    ),
    Alert(
        "OnehopControllerLags",
        "onehop_feed_lag_revisions > 0 and onehop_store_up == 1",
        2,
        "page",
        "The controller {{ $labels.instance }} does not follow the change log.",
        "Look for 'the change log could not be read' in its log; restart it if there is nothing. Other controllers and "
        "all hosts go on.",
    ),
    Alert(
        "OnehopStoreUnreadable",
        "onehop_store_up == 0",
        1,
        "page",
        "The controller {{ $labels.instance }} cannot read its database.",
        "Its /readyz says what the database says. Hosts go on; the API answers 503. After a full disk: make room, "
        "nothing else has to be done.",
    ),
    Alert(
        "OnehopNotInSync",
        "onehop_agent_in_sync == 0 and onehop_agent_complete == 1",
        10,
        "ticket",
        "The kernel of {{ $labels.instance }} has not been as it should be for 10 minutes.",
        "onehop status names what fails and why, onehop plan what would be done. What fails is tried again by itself.",
    ),
    Alert(
        "OnehopNoView",
        "onehop_agent_complete == 0",
        2,
        "page",
        "The agent {{ $labels.instance }} has neither a view of a controller nor a copy.",
        "Until it has one it changes nothing: a host that was rebooted forwards nothing. Give it a controller.",
    ),
    Alert(
        "OnehopNotLooking",
        "onehop_agent_look_age_seconds > 300",
        1,
        "ticket",
        "{{ $labels.instance }} has not read its whole kernel back for 5 minutes.",
        "Drift that the kernel does not tell of is not found. Look for 'could not read the host back' in the log, and "
        "whether observe_seconds is longer than that.",
    ),
    Alert(
        "OnehopObjectsFail",
        "sum by (instance, kind) (onehop_agent_failing_objects) > 0",
        10,
        "ticket",
        "{{ $value }} {{ $labels.kind }} objects of {{ $labels.instance }} fail.",
        "onehop status gives each with its reason; the resource that wants it is ERROR with the same reason.",
    ),
    Alert(
        "OnehopDrift",
        _grown("onehop_drift_repairs_total", "instance, kind, part", "15m"),
        0,
        "ticket",
        "Somebody changes {{ $labels.kind }} objects of {{ $labels.part }} partitions on {{ $labels.instance }}.",
        "Everything was put right. The log says which ('repaired what somebody else changed'); find the other "
        "software, or the person, that did it: until the repair packets may have been lost.",
    ),
    Alert(
        "OnehopLeak",
        _grown('onehop_leaks_removed_total{when="running"}', "instance, kind", "1h"),
        0,
        "ticket",
        "{{ $labels.instance }} removed {{ $labels.kind }} objects that bear our mark and that nobody wanted.",
        "This should stay 0: if nobody made them by hand it is a bug of onehop. Report it with the lines around "
        "'removed what is ours and nobody wants'.",
    ),
    Alert(
        "OnehopNoOwner",
        "onehop_routers_without_owner > 0",
        1,
        "page",
        "{{ $value }} routers with a gateway have no owner: their external addresses do not answer.",
        "No gateway host reaches their physical network: onehop host list, then the gateway hosts' cables and bridges.",
    ),
    Alert(
        "OnehopOwnersFlap",
        "sum by (instance) (increase(onehop_owner_changes_total[10m])) > 50",
        0,
        "ticket",
        "Routers change their owner again and again on {{ $labels.instance }}.",
        "Unless a host is being drained: look at the underlay between the gateway hosts (loss, MTU), and at "
        "onehop_hosts_lost_total.",
    ),
    Alert(
        "OnehopHostLost",
        "increase(onehop_hosts_lost_total[10m]) > 0",
        0,
        "page",
        "A host was lost; others own what it owned.",
        "The controller's log names it ('a host is lost'). Connections went on, but there is one gateway host less.",
    ),
    Alert(
        "OnehopPortsExhausted",
        _grown("onehop_port_block_exhausted_total", "instance, router", "10m"),
        0,
        "page",
        "Connections of router {{ $labels.router }} on {{ $labels.instance }} found no source port.",
        "Give the router a larger port_block_size or another external address, or those who call most a floating IP.",
    ),
    Alert(
        "OnehopPortBlocksNearlyGone",
        "onehop_port_block_free_ports < 2048",
        10,
        "ticket",
        "A gateway address has {{ $value }} source ports left that no host holds.",
        "Hosts that come next send through the owner, and hosts that need more get none: add an external address to "
        "that router, or make its port_block_size smaller.",
    ),
    Alert(
        "OnehopSpoofing",
        "sum by (instance, port, reason) (rate(onehop_port_drops_total[5m])) > 10",
        10,
        "ticket",
        "Port {{ $labels.port }} sends {{ $labels.reason }} frames that are refused, 10 a second and more.",
        "onehop port show PORT says what it may send. Either it attacks, or it is set up wrongly: an address pair that "
        "is missing, a temporary IPv6 address.",
    ),
    Alert(
        "OnehopApplySlow",
        "histogram_quantile(0.99, sum by (instance, le) (rate(onehop_apply_seconds_bucket[10m]))) > 5",
        10,
        "ticket",
        "One change in a hundred takes more than 5 seconds on {{ $labels.instance }}.",
        "Is the host short of CPU (onehop_reconcile_cpu_seconds_total), or is something retried (onehop status)?",
    ),
    Alert(
        "OnehopApiErrors",
        'sum by (instance) (rate(onehop_api_requests_total{status=~"5.."}[5m])) > 0.1',
        5,
        "page",
        "The API of {{ $labels.instance }} fails.",
        "Its log has 'request failed' with the request's id and the reason; the database first.",
    ),
)
"""Every alert, the gravest kinds first."""

_HEAD = """\
# Alerts for Prometheus. Written by `make docs` from scripts/alerts.py: edit there.
# What each metric means, and these with what to do, are in docs/metrics.md.
"""


def rules() -> str:
    """packaging/prometheus/onehop.rules.yml."""
    lines = [_HEAD + "groups:", "  - name: onehop", "    rules:"]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {json.dumps(alert.expression)}",
            f"        for: {alert.minutes}m",
            "        labels:",
            f"          severity: {alert.severity}",
            "        annotations:",
            f"          summary: {json.dumps(alert.summary)}",
            f"          action: {json.dumps(alert.action)}",
        ]
    return "\n".join(lines) + "\n"
