"""Which values to use for kernel objects: msgspec.Struct or frozen, slotted dataclass.

usage: python -m benchmarks.values [--json FILE]

Measured on what the agent holds most of, a neighbour (five strings), for a host with 500 routers of 150 objects. Each
number is the best of several runs. The rows' baseline is the dataclass.
The decision is docs/decisions/0001-values.md.
"""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from benchmarks.report import Row, main

COUNT = 75_000
RUNS = 9


class StructValue(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen msgspec.Struct."""

    namespace: str
    link: str
    address: str
    mac: str
    scope: str = "global"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """As kernel objects have one."""
        return ("neighbour", self.namespace, self.link, self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataValue:
    """A frozen dataclass with slots."""

    namespace: str
    link: str
    address: str
    mac: str
    scope: str = "global"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """As kernel objects have one."""
        return ("neighbour", self.namespace, self.link, self.address)


Kind = type[StructValue] | type[DataValue]
INPUTS = [
    (
        f"qrouter-{n // 150:08x}-0000-4000-8000-000000000000",
        f"qr-{n // 50:08x}",
        f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}",
    )
    for n in range(COUNT)
]
MACS = [f"fa:16:3e:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in range(COUNT)]


def make(kind: Kind) -> list[Any]:
    """Values, of strings that are there already."""
    return [
        kind(namespace=namespace, link=link, address=address, mac=mac)
        for (namespace, link, address), mac in zip(INPUTS, MACS, strict=True)
    ]


def best(work: Callable[[], object]) -> float:
    """Nanoseconds a value, of the best run."""
    times = []
    for _ in range(RUNS):
        gc.collect()
        gc.disable()
        begin = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - begin)
        gc.enable()
    return min(times) / COUNT


def octets(kind: Kind) -> float:
    """Octets a value takes, beside its strings."""
    gc.collect()
    tracemalloc.start()
    values = make(kind)
    size = tracemalloc.get_traced_memory()[0] - sys.getsizeof(values)
    tracemalloc.stop()
    return size / COUNT


def decoder(kind: Kind) -> Callable[[], object]:
    """Reading all of them from JSON, as a saved view or a message."""
    text = msgspec.json.encode(make(kind))
    decode = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]  # the kind is a parameter
    return lambda: decode.decode(text)


def changed(kind: Kind, values: list[Any]) -> Callable[[], object]:
    """A copy with one field changed, of each."""
    if issubclass(kind, msgspec.Struct):
        return lambda: [msgspec.structs.replace(value, mac="02:00:00:00:00:01") for value in values]
    return lambda: [replace(value, mac="02:00:00:00:00:01") for value in values]


def collection(kind: Kind) -> float:
    """Milliseconds of one full garbage collection while all are held."""
    values = make(kind)
    gc.collect()
    spent = []
    for _ in range(RUNS):
        begin = time.perf_counter_ns()
        gc.collect()
        spent.append((time.perf_counter_ns() - begin) / 1e6)
    assert len(values) == COUNT
    return min(spent)


def measure(kind: Kind) -> dict[str, tuple[float, str]]:
    """All numbers of one kind."""
    values, others = make(kind), make(kind)
    first, second = {v.key: v for v in values}, {v.key: v for v in others}
    return {
        "create": (best(lambda: make(kind)), "ns"),
        "compare with an equal one": (best(lambda: [a == b for a, b in zip(values, others, strict=True)]), "ns"),
        "hash": (best(lambda: [hash(value) for value in values]), "ns"),
        "build a dict by key": (best(lambda: {value.key: value for value in values}), "ns"),
        "equality pass over two dicts": (best(lambda: [k for k, v in second.items() if first.get(k) != v]), "ns"),
        "change one field": (best(changed(kind, values)), "ns"),
        "read from JSON": (best(decoder(kind)), "ns"),
        "memory": (octets(kind), "octets"),
        "a full collection with all held": (collection(kind), "ms"),
    }


def rows() -> list[Row]:
    """The table: Struct beside dataclass."""
    struct, data = measure(StructValue), measure(DataValue)
    return [
        Row(
            what=f"a value as msgspec.Struct: {what}",
            value=value,
            unit=unit,
            baseline=data[what][0],
            ratio=value / data[what][0],
        )
        for what, (value, unit) in struct.items()
    ]


if __name__ == "__main__":
    main("benchmarks.values", rows, private=False)
