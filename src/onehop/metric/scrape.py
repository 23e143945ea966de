"""The text that a scrape is answered with: everything in the catalog of one daemon, and nothing that is not in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from onehop import __version__
from onehop.metric.catalog import BUILD, METRICS, Daemon, Metric
from onehop.metric.tally import Distribution, Sample, Tally

Source = Tally | Distribution | Callable[[], Iterable[Sample]]
"""Where the numbers of a metric come from; a function gives them as they are now, and may be called in any thread."""

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
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Families([(metric, given[name]) for name, metric in mine.items()]))

    def text(self) -> bytes:
        """All of it in Prometheus' text format. Takes its time where there is much: call it in a thread of its own."""
        return generate_latest(self._registry)


class _Families(Collector):
    """Metrics as the client library wants them."""

    def __init__(self, sources: list[tuple[Metric, Source]]) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Family]:
        """Nothing: the catalog has no name twice."""
        return ()

    def collect(self) -> Iterator[Family]:
        """As it is now."""
        for metric, source in self._sources:
            yield _family(metric, source)


def _family(metric: Metric, source: Source) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.type)
    if isinstance(source, Distribution):
        for values, buckets, total in source.histograms():
            labels = dict(zip(metric.labels, values, strict=True))
            for bound, number in buckets:
                family.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, number)
            family.add_sample(f"{metric.name}_count", labels, buckets[-1][1])
            family.add_sample(f"{metric.name}_sum", labels, total)
        return family
    for values, number in source.samples() if isinstance(source, Tally) else source():
        family.add_sample(metric.name, dict(zip(metric.labels, values, strict=True)), number)
    return family
