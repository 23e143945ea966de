"""A scrape of a large host stops neither the event loop nor whoever counts. How long it takes is not asked here: what
would stop them is, work in the loop's own thread and many objects at once.
"""

import asyncio
import threading

from onehop.metric import scrape
from onehop.metric.catalog import METRICS
from onehop.metric.listener import Health, Readiness
from onehop.metric.tally import Tally
from onehop.model.protection import REASONS
from tests.unit.metric.test_scrape import sources

PORTS = 200
NAME = "onehop_port_drops_total"


def _dropped() -> Tally:
    """Every port dropped for every reason: the worst there can be."""
    drops = Tally()
    for number in range(PORTS):
        for reason in REASONS:
            drops.add(f"00000000-0000-4000-8000-{number:012d}", reason)
    return drops


def test_numbers_are_put_into_words_in_a_thread_of_their_own() -> None:
    threads = []

    def text() -> bytes:
        threads.append(threading.get_ident())
        return b"words"

    async def well() -> Readiness:
        return Readiness()

    _, _, body = asyncio.run(Health(text, well).answer("/metrics"))
    assert body == b"words"
    assert threads != [threading.get_ident()]


def test_many_series_are_put_into_words_a_few_at_a_time() -> None:
    metric = next(metric for metric in METRICS if metric.name == NAME)
    parts = [len(family.samples) for family in scrape._families(metric, _dropped())]
    assert sum(parts) == PORTS * len(REASONS)
    assert max(parts) <= scrape.CHUNK
    assert len(parts) > 1


def test_series_in_several_parts_are_one_metric_to_who_reads_them() -> None:
    text = scrape.Scrape("agent", {**sources("agent"), NAME: _dropped()}).text().decode()
    lines = [line for line in text.splitlines() if NAME in line]
    assert [line.split()[1] for line in lines if line.startswith("#")] == ["HELP", "TYPE"]
    assert len(lines) == 2 + PORTS * len(REASONS)
