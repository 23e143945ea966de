"""Numbers, and the text that they become."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onehop.metric.catalog import BUILD, LIBRARY, METRICS, Daemon
from onehop.metric.scrape import Scrape, Source
from onehop.metric.tally import Distribution, Tally


def sources(daemon: Daemon) -> dict[str, Source]:
    """A number for every label of every metric."""
    found: dict[str, Source] = {}
    for metric in METRICS:
        if metric.daemon != daemon or metric.name == BUILD:
            continue
        if metric.type == "histogram":
            found[metric.name] = Distribution()
            found[metric.name].add(0.3, *metric.labels)
        else:
            found[metric.name] = Tally()
            found[metric.name].add(*metric.labels, number=7)
    return found


@pytest.mark.parametrize("daemon", ["agent", "controller"])
def test_a_scrape_holds_just_what_the_catalog_names(daemon: Daemon) -> None:
    text = Scrape(daemon, sources(daemon)).text().decode()
    told = {family.name for family in text_string_to_metric_families(text)}
    wanted = {m.name for m in METRICS if m.daemon in (daemon, "both")} | set(LIBRARY)
    assert told == {name.removesuffix("_total") for name in wanted}


@pytest.mark.parametrize("daemon", ["agent", "controller"])
def test_a_number_that_nobody_named_and_a_name_without_a_number_are_bugs(daemon: Daemon) -> None:
    given = sources(daemon)
    with pytest.raises(KeyError, match="onehop_surprise"):
        Scrape(daemon, {**given, "onehop_surprise": Tally()})
    lacking = next(iter(given))
    del given[lacking]
    with pytest.raises(KeyError, match=lacking):
        Scrape(daemon, given)


def test_names_and_labels_are_as_prometheus_wants_them() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"onehop_[a-z_]+", metric.name)
        assert (metric.type == "counter") == metric.name.endswith("_total"), metric.name
        assert (metric.type == "histogram") <= metric.name.endswith("_seconds"), metric.name
        assert metric.help.endswith(".")
        assert bool(metric.labels) == (metric.bound != "1") or metric.name == BUILD, metric.name


def test_no_label_holds_what_somebody_wrote() -> None:
    closed = {"address", "by", "chain", "change", "daemon", "host", "kind", "operation", "op", "part", "port", "reason",
              "resource", "router", "state", "status", "version", "way", "when", "why"}  # fmt: skip
    assert {label for metric in METRICS for label in metric.labels} <= closed


def test_a_histogram_is_cumulative() -> None:
    seconds = Distribution((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3.0):
        seconds.add(value, "port")
    ((labels, buckets, total),) = seconds.histograms()
    assert labels == ("port",)
    assert buckets == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert total == pytest.approx(3.65)


def test_what_is_known_is_told_before_it_happens() -> None:
    tally = Tally([("lost",)])
    assert list(tally.samples()) == [(("lost",), 0.0)]
    tally.add("drained")
    tally.add("lost", number=2)
    assert dict(tally.samples()) == {("lost",): 2.0, ("drained",): 1.0}
    tally.keep({"lost"})
    assert dict(tally.samples()) == {("lost",): 2.0}


def test_a_label_cannot_forge_a_line() -> None:
    given = sources("agent")
    tally = Tally()
    tally.add('x"} 1\nonehop_agent_connected 0\n#', "source-mac")
    text = Scrape("agent", {**given, "onehop_port_drops_total": tally}).text().decode()
    assert "onehop_agent_connected 0" not in text.splitlines()
