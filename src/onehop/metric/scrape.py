"""The text that a scrape is answered with: everything in the catalog of one daemon, and nothing that is not in it."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from onehop import __version__
from onehop.metric.catalog import BUILD, METRICS, Daemon, Metric
from onehop.metric.tally import Distribution, Sample, Tally

Source = Tally | Distribution | Callable[[], Iterable[Sample]]
"""Where the numbers of a metric come from; a function gives them as they are now, and may be called in any thread."""

CHUNK = 250
"""Series that are put into words at a time."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Scrape:
    """What one daemon tells.

    Args:
        daemon: which.
        sources: name → where its numbers come from; what is missing or too much is a KeyError.
    """

    def __init__(self, daemon: Daemon, sources: Mapping[str, Source]) -> None:
        mine = {metric.name: metric for metric in METRICS if metric.daemon in (daemon, "both")}
        given = {**sources, BUILD: lambda: [((daemon, __version__), 1.0)]}
        if mine.keys() != given.keys():
            raise KeyError(f"not the metrics of the {daemon}: {sorted(mine.keys() ^ given.keys())}")
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        self._sources = [(metric, given[name]) for name, metric in mine.items()]

    def text(self) -> bytes:
        """All of it in Prometheus' text format. Takes its time where there is much: call it in a thread of its own."""
        parts = [generate_latest(self._process)]
        for metric, source in self._sources:
            for number, family in enumerate(_families(metric, source)):
                text = generate_latest(_Only(family))
                # Help and type are said once, before the first part.
                parts.append(text if number == 0 else text.split(b"\n", 2)[2])
        return b"".join(parts)


class _Only(Collector):
    """One family, as the client library wants it."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        """It."""
        yield self._family


def _families(metric: Metric, source: Source) -> Iterator[Family]:
    """A metric as it is now, a part at a time: many objects at once would call the collector of cycles, for which every
    thread stands still (25 ms and more), and building one text of megabytes is no better.
    """
    if isinstance(source, Distribution):
        yield _histogram(metric, source)
        return
    samples = iter(source.samples() if isinstance(source, Tally) else source())
    chunk = list(itertools.islice(samples, CHUNK))
    while True:
        family = _family(metric)
        for values, number in chunk:
            family.add_sample(metric.name, dict(zip(metric.labels, values, strict=True)), number)
        yield family
        chunk = list(itertools.islice(samples, CHUNK))
        if not chunk:
            return


def _histogram(metric: Metric, source: Distribution) -> Family:
    family = _family(metric)
    for values, buckets, total in source.histograms():
        labels = dict(zip(metric.labels, values, strict=True))
        for bound, number in buckets:
            family.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, number)
        family.add_sample(f"{metric.name}_count", labels, buckets[-1][1])
        family.add_sample(f"{metric.name}_sum", labels, total)
    return family


def _family(metric: Metric) -> Family:
    return Family(metric.name.removesuffix("_total"), metric.help, metric.type)
