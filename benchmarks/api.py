"""The API: ports made in a second, and a list of 1,000 of them, over HTTP, on SQLite and on PostgreSQL.

The baseline of making ports is one committed (synced) row a time in the same kind of database on the same disk, by the
same number of writers, with nothing around it. The baseline of the list is encoding and decoding its answer as JSON.
"""

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from benchmarks.client import Client, rate
from benchmarks.controller import controller, postgresql
from benchmarks.report import Row, main, say

CREATES = 400
LISTED = 1000
ROUNDS = 7
REACH = 200.0


def bare(insert: Callable[[int], object]) -> float:
    """Rows a second."""
    begin = time.perf_counter()
    for number in range(CREATES):
        insert(number)
    return CREATES / (time.perf_counter() - begin)


def bare_sqlite() -> float:
    """Rows that SQLite commits in a second, in the mode that our store uses."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder, "bare.sqlite"), isolation_level=None)) as database,
    ):
        database.execute("PRAGMA journal_mode = wal")
        database.execute("PRAGMA synchronous = full")
        database.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT)")
        return bare(lambda number: database.execute("INSERT INTO bare VALUES (?, ?)", (number, "x" * 500)))


def bare_postgresql(url: str) -> float:
    """Rows that PostgreSQL commits in a second."""
    where = make_url(url)
    words = f"host={where.query['host']} user={where.username} dbname={where.database}"
    with psycopg.connect(words, autocommit=True) as database:
        database.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT)")
        result = bare(lambda number: database.execute("INSERT INTO bare VALUES (%s, %s)", (number, "x" * 500)))
        database.execute("DROP TABLE bare")
        return result


def measure() -> Iterator[Row]:
    """Both databases."""
    yield from on("SQLite", "", bare_sqlite(), REACH)
    with postgresql() as url:
        yield from on("PostgreSQL", url, bare_postgresql(url), None)


def on(name: str, url: str, floor: float, reach: float | None) -> Iterator[Row]:
    """One database."""
    say(f"API on {name}: making ports")
    with controller(url) as (address, _):
        with closing(Client(address)) as client:
            network = client.network()
        for clients in (1, 4):
            made = rate(address, clients, CREATES, lambda one: one.port(network))
            met = None if reach is None or clients > 1 else made >= reach
            yield Row(
                what=f"API on {name}: ports made one by one by {clients} client{'s' if clients > 1 else ''}",
                value=made,
                unit="/s",
                baseline=floor,
                ratio=made / floor,
                reach=f"≥ {reach:g} /s" if met is not None else "",
                met=met,
            )
        with closing(Client(address)) as client:
            client.ports(network, LISTED - 2 * CREATES)
            yield listing(name, client)


def listing(name: str, client: Client) -> Row:
    """A list of all ports."""
    times, codec = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        answer = client.call("GET", "ports")
        middle = time.perf_counter()
        json.loads(json.dumps(answer))
        times.append((middle - begin) * 1e3)
        codec.append((time.perf_counter() - middle) * 1e3)
    assert len(answer["ports"]) == LISTED
    took, floor = statistics.median(times), statistics.median(codec)
    what = f"API on {name}: a list of {LISTED:,} ports"
    return Row(what=what, value=took, unit="ms", baseline=floor, ratio=took / floor)


if __name__ == "__main__":
    main("benchmarks.api", measure, private=False)
