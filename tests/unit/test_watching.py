"""Dashboard, alerts and the page about metrics are held to the one list of metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from onehop.metric.catalog import LIBRARY, METRICS
from scripts.alerts import ALERTS
from scripts.dashboard import ROWS

ROOT = Path(__file__).parents[2]
_METRIC = re.compile(r"\b(?:onehop|process)_[a-z_]+")
_BY = re.compile(r"\bby \(([^)]*)\)")
_MATCHER = re.compile(r"\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_OF_PROMETHEUS = {"instance", "job", "le"}
_BY_NAME = {metric.name: metric for metric in METRICS}
QUERIES = [query for _, row in ROWS for panel in row for query in panel.lines]
EXPRESSIONS = [alert.expression for alert in ALERTS]


def told() -> set[str]:
    """Every name that a scrape may hold."""
    parts = {f"{m.name}_{part}" for m in METRICS if m.type == "histogram" for part in ("bucket", "count", "sum")}
    return {m.name for m in METRICS if m.type != "histogram"} | parts | set(LIBRARY)


def named(query: str) -> set[str]:
    return set(_METRIC.findall(query))


def labels_of(query: str) -> Iterator[str]:
    for group in _BY.findall(query):
        yield from (label.strip() for label in group.split(","))
    for matchers in _MATCHER.findall(query):
        yield from _LABEL.findall(matchers)


def family(name: str) -> str:
    """A metric's name, of the name of one of its series."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return base if base in _BY_NAME else name


@pytest.mark.parametrize("query", [*QUERIES, *EXPRESSIONS])
def test_a_query_names_only_metrics_and_labels_that_are_told(query: str) -> None:
    assert named(query) - told() == set()
    known = {label for name in named(query) if family(name) in _BY_NAME for label in _BY_NAME[family(name)].labels}
    assert set(labels_of(query)) - known - _OF_PROMETHEUS == set()
    assert query.count("(") == query.count(")")


def test_an_alert_says_what_to_do_and_only_what_it_knows() -> None:
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert re.fullmatch(r"Onehop[A-Za-z]+", alert.name)
        assert alert.summary.endswith("."), alert.name
        assert alert.action.endswith((".", "?")), alert.name
        grouped = _BY.findall(alert.expression)
        names = [family(name) for name in named(alert.expression)]
        kept = {label.strip() for label in grouped[0].split(",")} if grouped else {
            label for name in names for label in _BY_NAME[name].labels
        }  # fmt: skip
        said = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.action))
        assert said <= kept | {"instance"}, alert.name
        assert "instance" not in said or not grouped or "instance" in kept, alert.name


def test_a_legend_names_only_labels_that_its_query_keeps() -> None:
    for _, row in ROWS:
        for panel in row:
            for query, legend in panel.lines.items():
                said = set(re.findall(r"\{\{(\w+)\}\}", legend))
                grouped = _BY.findall(query)
                metrics = [_BY_NAME[family(n)] for n in named(query) if family(n) in _BY_NAME]
                kept = (
                    {label.strip() for label in grouped[0].split(",")}
                    if grouped
                    else {"instance"} | {label for metric in metrics for label in metric.labels}
                )
                assert said <= kept, (panel.title, query)


def test_every_metric_is_seen_somewhere_and_is_documented() -> None:
    seen = {family(name) for query in [*QUERIES, *EXPRESSIONS] for name in named(query)}
    unseen = {
        # Told for whoever asks about one host; sums and lags of them are seen.
        "onehop_agent_lag_revisions", "onehop_agent_view_revision", "onehop_agent_objects", "onehop_agent_plugs",
        "onehop_agent_resources", "onehop_drops_age_seconds", "onehop_owned_routers",
    }  # fmt: skip
    assert set(_BY_NAME) - seen == unseen
    page = (ROOT / "docs/metrics.md").read_text()
    assert [metric.name for metric in METRICS if f"| `{metric.name}` |" not in page] == []
    assert [alert.name for alert in ALERTS if f"| `{alert.name}` |" not in page] == []


def test_the_dashboard_is_what_grafana_reads() -> None:
    found = json.loads((ROOT / "packaging/grafana/onehop.json").read_text())
    panels = found["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == sum(1 + len(row) for _, row in ROWS)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(target["refId"] for panel in panels for target in panel.get("targets", ()))


def test_the_rules_are_what_prometheus_reads() -> None:
    found = yaml.safe_load((ROOT / "packaging/prometheus/onehop.rules.yml").read_text())
    (group,) = found["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule, alert in zip(group["rules"], ALERTS, strict=True):
        assert (rule["expr"], rule["annotations"]["action"]) == (alert.expression, alert.action)
        assert re.fullmatch(r"\d+m", rule["for"])
