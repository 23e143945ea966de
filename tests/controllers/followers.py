"""Simulated agents: the real protocol, source, engine and compiler over a kernel in memory, all in one event loop."""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from onehop.agent.engine import Engine
from onehop.agent.source import Source
from onehop.compiler.host import compile_host
from onehop.compiler.state import Local
from onehop.kernel.memory import MemoryKernel
from onehop.model.locality import changed_between
from onehop.model.topology import Ref, Topology, Value
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import KernelObject, Key, Namespace, Sysctl
from onehop.objects.agreement import agrees
from onehop.reconciler.plan import Scope
from onehop.settings import AgentSettings
from onehop.wire import PortUse
from tests.controllers.history import Block, Reign, Sight

USES = 6
"""How often an agent says that its source ports are used up: it is given more each time."""


class Follower:
    """One host's agent.

    Attributes:
        host: its name.
        view: the last whole one; None before.
        sights: what it was told to be whole, in order.
    """

    def __init__(self, number: int, gateway: bool, state_dir: Path, controllers: Sequence[str]) -> None:
        self.host = HostName(state_dir.name)
        self.view: Topology | None = None
        self.sights: list[Sight] = []
        self._kernel = MemoryKernel()
        self._gateway = gateway
        self._uses = 0
        self._settings = AgentSettings(
            host=self.host,
            controller=tuple(controllers),
            vtep=f"192.0.2.{number}",
            physical_networks={"external": "br-external"} if gateway else {},
            gateway_host=gateway,
            state_dir=str(state_dir),
            reconnect_seconds=1.0,
        )
        self._task: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self.source = Source(
            self._settings,
            1500,
            self._told,
            lambda revision, values, _: self._snapshot(revision, values),
            lambda revision, upserts, removes, _: self._delta(revision, upserts, removes),
        )
        self._engine = Engine(self._kernel, self.host, Local(), time.monotonic)
        if self.view is not None:
            self._see(self.view)

    def start(self) -> None:
        """Follow, in the event loop that runs."""
        self._task = asyncio.ensure_future(self.source.run())

    @property
    def failure(self) -> str:
        """Why it ended by itself; empty while it did not."""
        return repr(self._task.exception()) if self._task and self._task.done() and not self._task.cancelled() else ""

    async def stop(self) -> None:
        """End; the kernel and the view stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def restart(self) -> None:
        """As after kill -9, with the local copy of the last view."""
        await self.stop()
        self._begin()
        self.start()

    def cut(self) -> None:
        """Break its connection, if it has one."""
        if self.source._connection is not None:
            self.source._connection.transport.abort()

    async def _told(self) -> Topology | None:
        return self.view

    def _snapshot(self, revision: int, values: list[Value]) -> None:
        self._see(Topology(revision, values))

    def _delta(self, revision: int, upserts: list[Value], removes: list[Ref]) -> None:
        assert self.view is not None
        self._see(self.view.apply(revision, upserts, removes))

    def _see(self, view: Topology) -> None:
        self.view = view
        self._engine.see(view, changed_between(self._engine.desire.view, view))
        while not self._engine.idle:
            self.source.outcome(self._engine.run())
        self.sights.append(self._sight(view))
        if not self._gateway and len(self.sights) % 4 == 0 and self._uses < USES:
            routers = [router.id for router in view.routers.values() if router.gateway is not None]
            self._uses += bool(routers)
            self.source.uses(tuple(PortUse(router=router, used=60_000) for router in routers))

    def _sight(self, view: Topology) -> Sight:
        ports = frozenset(port.id for port in view.ports.values() if not port.device_owner)
        gateways = {router.id: router.gateway for router in view.routers.values() if router.gateway is not None}
        return Sight(
            self.host,
            view.revision,
            None if self._gateway else ports,
            tuple(Reign(router, found.generation, found.owner or "") for router, found in gateways.items()),
            {
                router: tuple(
                    Block(b.address, b.first, b.size, place.host) for place in found.hosts for b in place.blocks
                )
                for router, found in gateways.items()
            },
        )

    def holds_its_view(self) -> bool:
        """Whether the kernel has what a cold compile of the view wants, and nothing else of ours."""
        state = compile_host(self.view or Topology(), self.host, Local())
        claims = [claim.object for partition in state.values() for claim in partition.claims.values()]
        wanted = {found.key: found for found in claims if not isinstance(found, Sysctl)}
        ours = self._ours()
        return ours.keys() == wanted.keys() and all(agrees(ours[key], wanted[key]) for key in wanted)

    def _ours(self) -> dict[Key, KernelObject]:
        found = dict(self._kernel.observe(Scope(namespace=naming.HOST)).objects)
        for space in [one.namespace for one in found.values() if isinstance(one, Namespace)]:
            found.update(self._kernel.observe(Scope(namespace=space)).objects)
        return {key: value for key, value in found.items() if not isinstance(value, Sysctl)}


class Followers:
    """All agents, in an event loop and thread of their own."""

    def __init__(self, agents: Sequence[Follower]) -> None:
        self._thread = threading.Thread(target=self._run, name="followers")
        self.all = agents
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        """Let every agent begin."""
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        for follower in self.all:
            self._loop.call_soon(follower.start)
        self._loop.run_forever()
        self._loop.run_until_complete(asyncio.gather(*(follower.stop() for follower in self.all)))
        self._loop.close()

    def cut(self, follower: Follower) -> None:
        """Break an agent's connection."""
        self._loop.call_soon_threadsafe(follower.cut)

    def restart(self, follower: Follower) -> None:
        """Kill an agent and start it again."""
        asyncio.run_coroutine_threadsafe(follower.restart(), self._loop).result(60)

    def end(self) -> None:
        """Stop every agent; it may have been done."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(60)
