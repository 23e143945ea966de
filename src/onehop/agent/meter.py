"""The meter: looks again and again how far port blocks are used, a part of the routers at a time."""

import asyncio
import time
from collections.abc import Callable

from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from onehop.agent.ports import Ports, blocks_on
from onehop.errors import KernelError
from onehop.log import logger
from onehop.metric.tally import Sample, Tally
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.wire import PortUse

LOG = logger("agent")
STEP_SECONDS = 0.1
AT_ONCE = 4
"""Routers that are looked at in one step, by and by all of them: one costs about 0.7 ms, for which a change waits."""

AGAIN_SECONDS = 30.0


class Meter:
    """Measures until cancelled.

    Args:
        hub: leads to the engine.
        tell: takes what the controller is to know.
    """

    def __init__(self, hub: Hub, tell: Callable[[tuple[PortUse, ...]], None]) -> None:
        self._hub = hub
        self._tell = tell
        self._ports = Ports()
        self._said: dict[RouterId, str] = {}
        self._next = 0
        self._measured: dict[tuple[RouterId, str], tuple[int, int]] = {}

    @property
    def exhausted(self) -> Tally:
        """Connections that found no source port, by router."""
        return self._ports.exhausted

    def room(self) -> list[Sample]:
        """Source ports of this host, by router and gateway address."""
        return [(place, float(room)) for place, (room, _) in list(self._measured.items())]

    def used(self) -> list[Sample]:
        """Of these in use, as measured last."""
        return [(place, float(used)) for place, (_, used) in list(self._measured.items())]

    async def run(self) -> None:
        """Measure."""
        again = time.monotonic()
        while True:
            await asyncio.sleep(STEP_SECONDS)
            if time.monotonic() - again > AGAIN_SECONDS:
                again = time.monotonic()
                self._ports.again()
            uses = await self._hub.ask(self.measure)
            if uses:
                self._tell(uses)

    def measure(self, engine: Engine) -> tuple[PortUse, ...]:
        """Look at the next of an engine's routers; what the controller is to know of them. In the engine's thread."""
        partitions = engine.desire.partitions
        held = sorted(RouterId(name.removeprefix("router/")) for name in partitions if name.startswith("router/"))
        known = set(held)
        self._ports.keep(known)
        for gone in [place for place in self._measured if place[0] not in known]:
            del self._measured[gone]
        self._next = self._next if self._next < len(held) else 0
        chosen, self._next = held[self._next : self._next + AT_ONCE], self._next + AT_ONCE
        uses: list[PortUse] = []
        now = time.monotonic()
        for router, blocks in blocks_on(engine.desire.view, engine.desire.host, chosen):
            try:
                before = self._ports.before(router, blocks, now)
                load = engine.load(naming.router_namespace(router), blocks.gateway, blocks.enough, before)
            except KernelError as error:
                LOG.debug("the use of ports could not be measured", router=router, why=str(error))
                continue
            self._measured[router, blocks.gateway] = (blocks.room, load.used)
            use = self._ports.take(router, blocks, load, now, before is not None)
            if use is not None:
                uses.append(use)
        short = dict(self._ports.short(now))
        if short != self._said:
            for router in short.keys() - self._said.keys():
                LOG.warning("connections found no free source port", router=router, why=short[router])
            self._said = short
            engine.shortage(short)
        return tuple(uses)
