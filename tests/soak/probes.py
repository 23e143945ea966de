"""Questions to the model and to real packets: what the model says is what has to be, at once or within a limit."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from onehop.lab import live, plan
from onehop.verify.trace import Trace
from tests.dataplane.north import North

AT_ONCE = 6
PAUSE = 0.1
"""Seconds between two tries."""


class Probe(msgspec.Struct, frozen=True):
    """One question, with the model's answer to it.

    Attributes:
        source: an instance's name, or ``outside``.
        destination, protocol: as asked.
        hosts: that the packet or its answer may need.
        trace: what the model says.
    """

    source: str
    destination: str
    protocol: str
    hosts: frozenset[str]
    trace: Trace

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.source} to {self.destination} by {self.protocol}"


class Wrong(msgspec.Struct, frozen=True):
    """A question that real packets answered otherwise than the model."""

    text: str
    model: str
    packets: str


class Probes:
    """Asks random questions of a world, many at a time.

    Args:
        north: the world.
        chance: of the questions.

    Attributes:
        asked: how many questions so far.
        translated: whether the outside knows the way back to instances without a floating IP.
    """

    def __init__(self, north: North, chance: random.Random) -> None:
        self.asked = 0
        self.translated = True
        self._north = north
        self._chance = chance
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()

    def choose(self, number: int) -> list[Probe]:
        """Random questions, with what the model says of each now; the controller must answer."""
        return [self._probe(*self._question()) for _ in range(number)]

    def _question(self) -> tuple[str, str, str]:
        """Who asks, which address, and how."""
        north, pick = self._north, self._chance
        inner = [address for box in north.boxes.values() for address in (box.v4, box.v6)]
        outer = [str(one["floating_ip_address"]) for one in north.floating.values()]
        source = pick.choice(["outside", *north.boxes, *north.boxes])
        addresses = outer if source == "outside" else [*inner, *outer, *([plan.OUTSIDE] if self.translated else [])]
        return source, pick.choice(addresses), pick.choice(("icmp", "tcp"))

    def _probe(self, source: str, destination: str, protocol: str) -> Probe:
        north = self._north
        asker = north.boxes[source].port if source != "outside" else "outside"
        asked: dict[str, Any] = {"source": asker, "destination": destination, "protocol": protocol, "port": "7"}
        document = north.site.client.get("/onehop/v1/trace", **asked)
        trace = msgspec.convert(document["trace"], Trace)
        hosts = {step.host for step in (*trace.there, *trace.back)}
        hosts |= {box.host for name, box in north.boxes.items() if name == source or destination in (box.v4, box.v6)}
        return Probe(source, destination, protocol, frozenset(hosts), trace)

    def ask(self, probes: Sequence[Probe]) -> list[tuple[Probe, Wrong]]:
        """Send them; those that were answered otherwise."""
        self.asked += len(probes)
        directory = self._north.site.directory
        seen = self._pool.map(lambda probe: live.ask(directory, probe.trace), probes)
        return [
            (probe, Wrong(probe.text, f"{probe.trace.outcome}: {probe.trace.summary}", f"{answer.outcome}"))
            for probe, answer in zip(probes, seen, strict=True)
            if answer.agrees is False
        ]

    def settle(self, probes: Sequence[Probe], limit: float, anew: bool) -> tuple[float, list[Wrong]]:
        """Ask until all is as the model says; after how many seconds, and what is still wrong when the limit is over.

        Args:
            probes: what to ask; who answered as the model says is not asked again.
            limit: seconds.
            anew: the model is asked again too; else it is what it said before something broke that counts.
        """
        begin, left, pause = time.monotonic(), list(probes), threading.Event()
        while True:
            wrong = self.ask(left)
            spent = time.monotonic() - begin
            if not wrong or spent > limit:
                return spent, [one for _, one in wrong]
            pause.wait(PAUSE)
            left = [self._probe(p.source, p.destination, p.protocol) if anew else p for p, _ in wrong]
