"""The measurement of scale, as small as it can be: it runs to its end and counts what it should."""

import asyncio

import pytest

from benchmarks import scale
from benchmarks.curve import drawn
from benchmarks.scale_site import Size

pytestmark = pytest.mark.slow


def test_scale_measures_every_span_who_is_told_and_both_storms() -> None:
    size = Size(hosts=12, ports=60, spans=(1, 4), changes=2, idle=0.5, reconnect=0.3)
    rows = {row.what: row for row in asyncio.run(scale.run(size))}
    for what in ("1 host", "4 hosts"):
        assert rows[f"a port on a network of {what}: request to the last agent (median)"].value > 0
    assert rows["a floating IP: agents that are told"].value == 1
    assert rows["a floating IP: gateway hosts that are told, of 2"].value == 2
    assert rows["12 agents come back with their views: values sent"].value == 0
    assert rows["12 agents come back without a view: values sent"].value > 60
    assert drawn(rows.values()).count("<circle") == 4
