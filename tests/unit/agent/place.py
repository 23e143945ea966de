"""A controller, and one host with an agent over a kernel in memory, for tests of the agent as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from onehop.agent.call import call
from onehop.agent.daemon import Agent
from onehop.agent.join import join
from onehop.agent.request import (
    Request,
    StatusAnswer,
    StatusRequest,
)
from onehop.controller.join import add_host
from onehop.kernel.memory import MemoryKernel
from onehop.objects import Namespace
from onehop.settings import AgentSettings
from tests.store import rows
from tests.unit.controller.streams import LIMIT, Site

T = TypeVar("T", bound=msgspec.Struct)


class Place:
    """A controller, and host-1 with an agent that can be stopped and started."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.kernel = MemoryKernel()
        self.netns = site.directory / "netns"
        self.netns.mkdir()
        self.run_dir = site.directory / "run"
        self.state_dir = site.directory / "state"
        self.agent: Agent | None = None

    async def join(self) -> None:
        token = add_host(self.site.store, self.site.settings, "host-1", self.site.address)
        await asyncio.to_thread(join, token, self.state_dir)

    @asynccontextmanager
    async def running(self, address: str | tuple[str, ...] = "") -> AsyncIterator[Agent]:
        settings = AgentSettings(
            host="host-1",
            controller=address or self.site.address,
            vtep="192.0.2.1",
            state_dir=str(self.state_dir),
            run_dir=str(self.run_dir),
            reconnect_seconds=0.3,
            metrics_listen="127.0.0.1:0",
        )
        agent = Agent(settings, self.kernel, self.netns)
        ready = asyncio.Event()
        task = asyncio.ensure_future(agent.run(ready.set))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((task, waiting), timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        try:
            yield agent
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Agent]:
        """The controller, and an agent that has joined it."""
        async with self.site.running():
            await self.join()
            async with self.running() as agent:
                yield agent

    async def ask(self, request: Request, answer: type[T]) -> T:
        return await asyncio.to_thread(call, self.run_dir, request, answer)

    async def status(self) -> StatusAnswer:
        return await self.ask(StatusRequest(), StatusAnswer)

    async def until(self, condition: Callable[[StatusAnswer], bool]) -> StatusAnswer:
        async with asyncio.timeout(LIMIT):
            while not condition(answer := await self.status()):
                await asyncio.sleep(0.02)
        return answer

    def make_namespace(self, name: str) -> None:
        """An instance's namespace, as the agent sees it in the file system and in the kernel."""
        (self.netns / name).touch()
        self.kernel.plant(Namespace(namespace=name, mark=""))

    def port(self, host: str = "host-1", **values: object) -> str:
        """A port on a routed network of its own."""

        def make(tx: rows.Transaction) -> str:
            network = rows.network(tx)
            subnet = rows.subnet(tx, network["id"], "10.0.0.0/24", ("10.0.0.10", "10.0.0.99"), gateway_ip="10.0.0.1")
            return str(rows.port(tx, network["id"], subnet["id"], host=host, **values)["id"])

        return self.site.store.run(make)

    def leg(self, port: str) -> str:
        """An interface of a new router on the port's network."""

        def make(tx: rows.Transaction) -> str:
            network = rows.known(tx, "port", port)["network_id"]
            (subnet,) = tx.select("subnet", {"network_id": [network]})
            leg = {"device_id": rows.router(tx)["id"], "device_owner": "network:router_interface_distributed"}
            return str(rows.port(tx, network, subnet["id"], **leg)["id"])

        return self.site.store.run(make)

    def port_status(self, port: str) -> str:
        with self.site.store.read() as tx:
            return str(rows.known(tx, "port", port)["status"])
