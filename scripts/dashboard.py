"""ROWS: what a Grafana dashboard shows of controllers and agents; packaging/grafana/onehop.json comes from it."""

import json
from typing import Any, Literal

import msgspec

WIDTH, HEIGHT, ACROSS = 8, 8, 3
"""Of a panel, in Grafana's grid of 24 columns."""

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_BY_INSTANCE = '{instance=~"$instance"}'
_PART = f"onehop_port_block_used_ports{_BY_INSTANCE} / onehop_port_block_ports{_BY_INSTANCE}"
_USE = f"max by (instance, router) ({_PART})"


class Panel(msgspec.Struct, frozen=True):
    """One panel.

    Attributes:
        title: what is seen.
        lines: PromQL → legend.
        unit: Grafana's name of the unit.
        type: how it is drawn.
    """

    title: str
    lines: dict[str, str]
    unit: str = "short"
    type: Literal["timeseries", "stat"] = "timeseries"


def _rate(metric: str, by: str, legend: str = "") -> dict[str, str]:
    query = f"sum by ({by}) (rate({metric}{_BY_INSTANCE}[$__rate_interval]))"
    return {query: legend or " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))}


def _top(number: int, metric: str, by: str, legend: str) -> dict[str, str]:
    return {f"topk({number}, sum by ({by}) (rate({metric}{_BY_INSTANCE}[$__rate_interval])))": legend}


def _quantile(metric: str, by: str, legend: str) -> dict[str, str]:
    return {
        f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket{_BY_INSTANCE}[$__rate_interval])))": (
            f"{legend} p{int(q * 100)}"
        )
        for q in (0.5, 0.99)
    }


def _now(metric: str, legend: str) -> dict[str, str]:
    return {metric + _BY_INSTANCE: legend}


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is all well?",
        (
            Panel("Hosts", {"max by (state) (onehop_hosts)": "{{state}}"}, type="stat"),
            Panel("Agents not in sync", {"sum(1 - onehop_agent_in_sync)": "not in sync"}, type="stat"),
            Panel("Routers without owner", {"max(onehop_routers_without_owner)": "routers"}, type="stat"),
            Panel("Resources", {"max by (kind, status) (onehop_resources)": "{{kind}} {{status}}"}),
            Panel(
                "Failing kernel objects",
                {"sum by (instance, kind) (onehop_agent_failing_objects) > 0": "{{instance}} {{kind}}"},
            ),
            Panel(
                "Versions",
                {"count by (daemon, version) (onehop_build_info)": "{{daemon}} {{version}}"},
                type="stat",
            ),
        ),
    ),
    (
        "Changes",
        (
            Panel(
                "Revision",
                {
                    **_now("onehop_revision", "{{instance}}"),
                    **_now("onehop_agent_applied_revision", "{{instance}} applied"),
                },
            ),
            Panel(
                "Hosts behind",
                {
                    **_now("onehop_host_lag_revisions", "{{host}}"),
                    **_now("onehop_feed_lag_revisions", "feed of {{instance}}"),
                },
            ),
            Panel("Hosts behind for", _now("onehop_host_lag_seconds", "{{host}}"), "s"),
            Panel(
                "From a change to the kernel, verified",
                _quantile("onehop_apply_seconds", "instance", "{{instance}}"),
                "s",
            ),
            Panel("Passes of the reconciler", _quantile("onehop_pass_seconds", "instance", "{{instance}}"), "s"),
            Panel("CPU of reconciling", _rate("onehop_reconcile_cpu_seconds_total", "instance"), "percentunit"),
            Panel("Changes in the kernel", _rate("onehop_kernel_ops_total", "instance"), "ops"),
            Panel("Packets of flows, by their way", _rate("onehop_flow_packets_total", "instance, way"), "pps"),
            Panel("Silent for", _now("onehop_host_silent_seconds", "{{host}}"), "s"),
            Panel("Values that wait for a host", _now("onehop_host_owed_refs", "{{host}}")),
        ),
    ),
    (
        "Drift and leaks",
        (
            Panel("Repairs", _rate("onehop_drift_repairs_total", "instance, kind, op, part")),
            Panel("Leaks removed", _rate("onehop_leaks_removed_total", "instance, kind, when")),
            Panel("Kernel last read back", _now("onehop_agent_look_age_seconds", "{{instance}}"), "s"),
        ),
    ),
    (
        "Owners and source ports",
        (
            Panel("Routers owned", {"max by (host) (onehop_host_owned_routers)": "{{host}}"}),
            Panel(
                "Changes of owner",
                {
                    **_rate("onehop_owner_changes_total", "instance, change, by"),
                    **_rate("onehop_owner_moves_total", "why", "controller: {{why}}"),
                },
            ),
            Panel("Hosts lost", _rate("onehop_hosts_lost_total", "instance")),
            Panel(
                "Source ports in use",
                {_USE: "{{instance}} {{router}}"},
                "percentunit",
            ),
            Panel(
                "Connections without a source port",
                {
                    **_rate("onehop_port_block_exhausted_total", "instance, router"),
                    **_rate("onehop_port_block_shortages_total", "instance", "told to {{instance}}"),
                },
            ),
            Panel(
                "Port blocks",
                {
                    "max(onehop_port_blocks)": "held",
                    "min(onehop_port_block_free_ports)": "ports left of the fullest address",
                },
            ),
        ),
    ),
    (
        "What was dropped",
        (
            Panel("By ports' protection", _rate("onehop_drops_total", "reason"), "pps"),
            Panel(
                "Ports that send most of it",
                {**_top(10, "onehop_port_drops_total", "port, reason", "{{port}} {{reason}}")},
                "pps",
            ),
            Panel(
                "By routers",
                {
                    **_top(10, "onehop_router_drops_total", "router, chain", "{{router}} {{chain}}"),
                    **_top(5, "onehop_external_leg_drops_total", "router, chain", "leg of {{router}} {{chain}}"),
                },
                "pps",
            ),
        ),
    ),
    (
        "API, stream, processes",
        (
            Panel("Requests", _rate("onehop_api_requests_total", "resource, operation, status"), "reqps"),
            Panel("Requests take", _quantile("onehop_api_request_seconds", "operation", "{{operation}}"), "s"),
            Panel(
                "Stream",
                {
                    **_now("onehop_stream_sessions", "{{instance}} agents"),
                    **_now("onehop_stream_connections", "{{instance}} connections"),
                },
            ),
            Panel("CPU", _rate("process_cpu_seconds_total", "instance"), "percentunit"),
            Panel("Memory", _now("process_resident_memory_bytes", "{{instance}}"), "bytes"),
            Panel("Open files", _now("process_open_fds", "{{instance}}")),
        ),
    ),
)


def dashboard() -> str:
    """packaging/grafana/onehop.json."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_panel(len(panels), title, "row", 0, top, 24, 1))
        top += 1
        for number, panel in enumerate(row):
            left, below = number % ACROSS * WIDTH, number // ACROSS * HEIGHT
            shown = _panel(len(panels), panel.title, panel.type, left, top + below, WIDTH, HEIGHT)
            shown["datasource"] = _SOURCE
            shown["fieldConfig"] = {"defaults": {"unit": panel.unit}, "overrides": []}
            shown["targets"] = [
                {"datasource": _SOURCE, "expr": query, "legendFormat": legend, "refId": chr(ord("A") + place)}
                for place, (query, legend) in enumerate(panel.lines.items())
            ]
            panels.append(shown)
        top += -(-len(row) // ACROSS) * HEIGHT
    return json.dumps(_whole(panels), indent=2) + "\n"


def _panel(number: int, title: str, type_: str, left: int, top: int, width: int, height: int) -> dict[str, Any]:
    place = {"x": left, "y": top, "w": width, "h": height}
    return {"id": number + 1, "title": title, "type": type_, "gridPos": place}


def _whole(panels: list[dict[str, Any]]) -> dict[str, Any]:
    instance = {
        "name": "instance",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(onehop_build_info, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": "onehop",
        "title": "onehop",
        "description": "Written by `make docs` from scripts/dashboard.py: edit there.",
        "tags": ["onehop"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}, instance]},
        "panels": panels,
    }
