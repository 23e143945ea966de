"""`onehop agent`: puts source, worker, local copy and socket together, and ends cleanly."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from onehop.agent import audit, renewal, show, underlay
from onehop.agent.border import Border
from onehop.agent.desk import Desk
from onehop.agent.engine import Engine
from onehop.agent.gauges import Gauges
from onehop.agent.hub import Hub
from onehop.agent.legs import Legs
from onehop.agent.localcopy import LocalCopy
from onehop.agent.memory import Reigns
from onehop.agent.meter import Meter
from onehop.agent.outcome import Outcome
from onehop.agent.plugs import Plugs
from onehop.agent.prober import Prober
from onehop.agent.reach import Verdict, targets
from onehop.agent.request import (
    Answer,
    AuditRequest,
    CloudInitRequest,
    PlanRequest,
    PlugRequest,
    ReleaseRequest,
    Request,
    ShowPortRequest,
    StatusAnswer,
    StatusRequest,
    UnplugRequest,
)
from onehop.agent.sampler import Sampler
from onehop.agent.socket import serve
from onehop.agent.solicited import Solicited
from onehop.agent.source import Source
from onehop.agent.worker import Worker
from onehop.compiler.state import Local
from onehop.errors import LocalCopyError
from onehop.kernel import surroundings
from onehop.kernel.base import Kernel
from onehop.kernel.uplink import Uplinks
from onehop.log import logger
from onehop.metric.listener import Listener, token_of
from onehop.model.locality import changed_between
from onehop.model.reign import Reign
from onehop.model.topology import Ref, Topology, Value
from onehop.net.advertisement import Solicitation
from onehop.net.identifier import HostName, parse_host
from onehop.settings import AgentSettings
from onehop.system import notify, until_one_ends

LOG = logger("agent")
DISK_SECONDS = 30
NETNS_DIR = Path("/run/netns")


class Agent:
    """One host's agent.

    Args:
        settings: as configured.
        kernel: the host's.
        netns_dir: where namespaces are bound by name.

    Raises:
        LocalCopyError: the plug records cannot be read.
        SettingsError: strangers could ask for metrics.
    """

    def __init__(self, settings: AgentSettings, kernel: Kernel, netns_dir: Path = NETNS_DIR) -> None:
        host = parse_host(settings.host)
        state = Path(settings.state_dir)
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.settings = settings
        self._kernel = kernel
        self._disk = ThreadPoolExecutor(1, "onehop-disk")
        self._copy = LocalCopy(state, host)
        self._hub = Hub()
        plugs = Plugs(state)
        self._legs = Legs(settings.physical_networks, Uplinks(settings.physical_networks.values()), self._reached)
        facts = Local({}, self._ways(self._legs.reached), settings.vxlan_port)
        self._desk = Desk(host, self._hub, plugs, facts, netns_dir)
        self._plugs = plugs
        self._engine = Engine(kernel, host, self._desk.local(), time.monotonic)
        self._worker = Worker(self._engine, self._passed, settings.observe_seconds)
        self._hub.attach(self._worker)
        self._warnings: list[str] = []
        self._source = Source(settings, self._underlay_mtu(), self._view, self._snapshot, self._delta)
        self._solicited = Solicited(self._advertise, self._warnings.append)
        self._source.reaches(self._legs.reached)
        self._meter = Meter(self._hub, self._source.uses)
        self._border = Border(self._hub, self._source, self._legs.bridges)
        self._reigns = Reigns(state)
        self._sampler = Sampler(self._hub)
        self._gauges = Gauges(
            self._engine, self._worker, self._hub, self._source, self._meter, self._sampler, settings.observe_seconds
        )
        token = token_of(settings.metrics_listen, settings.metrics_token_file)
        self._listener = Listener(settings.metrics_listen, token, self._gauges.health(lambda: len(plugs.all)))
        self._prober = Prober(self._gateway_hosts, self._judged, settings.probe_seconds, self._heard, settings.vtep)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until cancelled.

        Args:
            ready: called once the socket is there.
        """
        self._loop = asyncio.get_running_loop()
        for note in await asyncio.to_thread(surroundings.notes):
            LOG.warning("about this host", note=note)
        self._load()
        stop_watching = self._kernel.watch(self._worker.noticed)
        self._worker.start()
        try:
            await until_one_ends(
                serve(Path(self.settings.run_dir), self._answer, ready),
                self._source.run(),
                self._prober.run(),
                self._solicited.run(),
                self._legs.run(),
                self._border.run(),
                self._meter.run(),
                self._sampler.run(),
                self._listener.run(),
                self._care_for_disk(),
                renewal.keep(Path(self.settings.state_dir), lambda: self._source.controller),
            )
        finally:
            stop_watching()
            await asyncio.to_thread(self._worker.stop)
            await asyncio.to_thread(self._disk.shutdown)

    def _load(self) -> None:
        """Begin with the view that was kept, so that the host comes up without a controller."""
        try:
            view = self._copy.load()
        except LocalCopyError as error:
            LOG.error("the local copy is not used; waiting for the controller", why=str(error))
            self._warnings.append(str(error))
            return
        try:
            self._engine.regency.remember(self._reigns.load())
        except LocalCopyError as error:
            LOG.error("who acted as routers' owner is asked for anew", why=str(error))
        if view is not None:
            LOG.info("begin with the view that was kept", revision=view.revision, values=sum(1 for _ in view))
            self._engine.see(view, changed_between(Topology(), view))

    def _underlay_mtu(self) -> int:
        interface = self.settings.underlay_interface or underlay.interface_of(self.settings.vtep)
        if interface is None:
            self._warnings.append(f"no interface of this host has the address {self.settings.vtep} (vtep)")
            LOG.warning("no interface has the address of the VTEP; tunnels will not work", vtep=self.settings.vtep)
            return 0
        return underlay.mtu_of(interface)

    def _ways(self, reached: frozenset[str]) -> dict[str, str]:
        return {name: bridge for name, bridge in self.settings.physical_networks.items() if name in reached}

    def _reached(self, reached: frozenset[str]) -> None:
        self._desk.reaches(self._ways(reached))
        self._worker.call(self._desk.equip)
        self._source.reaches(reached)

    async def _gateway_hosts(self) -> Mapping[HostName, str]:
        return await self._hub.ask(lambda engine: targets(engine.desire.view, engine.desire.host))

    def _judged(self, verdict: Verdict) -> None:
        self._source.judged(verdict)
        self._worker.call(lambda engine: engine.judged(verdict))

    def _heard(self, vtep: str, reigns: list[Reign]) -> None:
        self._worker.call(lambda engine: engine.told(vtep, reigns))

    async def _advertise(self, asked: set[Solicitation]) -> None:
        await self._hub.ask(lambda engine: engine.solicited(asked))

    # what the source brings

    async def _view(self) -> Topology | None:
        return await self._hub.ask(lambda engine: engine.regency.told if engine.complete else None)

    def _snapshot(self, revision: int, values: list[Value], requests: tuple[str, ...]) -> None:
        self._worker.snapshot(revision, values, requests)
        self._disk.submit(self._copy.snapshot, revision, values)

    def _delta(self, revision: int, upserts: list[Value], removes: list[Ref], requests: tuple[str, ...]) -> None:
        self._worker.delta(revision, upserts, removes, requests)
        if upserts or removes:
            self._disk.submit(self._copy.delta, revision, upserts, removes)

    def _passed(self, outcome: Outcome) -> None:
        """From the worker's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, outcome)

    def _tell(self, outcome: Outcome) -> None:
        self._hub.outcome(outcome)
        self._gauges.census.outcome(outcome)
        self._border.outcome(outcome)
        self._source.outcome(outcome)
        if outcome.said is not None:
            self._prober.say(outcome.said.words)
            self._source.acting(outcome.said.reigns)
            self._disk.submit(self._reigns.keep, outcome.said.reigns)

    async def _care_for_disk(self) -> None:
        while True:
            await asyncio.sleep(DISK_SECONDS)
            self._disk.submit(self._copy.retry)
            if self._source.connected:
                try:
                    await self._desk.tidy()
                except OSError as error:
                    LOG.warning("the plug records cannot be written", why=str(error))

    # what is asked

    async def _answer(self, request: Request) -> Answer:
        if isinstance(request, PlugRequest):
            return await self._desk.plug(request)
        if isinstance(request, UnplugRequest):
            return await self._desk.unplug(request)
        if isinstance(request, ReleaseRequest):
            return await self._desk.release(request)
        if isinstance(request, CloudInitRequest):
            return await self._desk.cloud_init(request)
        if isinstance(request, ShowPortRequest):
            return await self._desk.show_port(request)
        if isinstance(request, PlanRequest):
            return await self._hub.ask(show.planned)
        if isinstance(request, AuditRequest):
            return await self._hub.ask(audit.seen)
        return await self._status(request)

    async def _status(self, _request: StatusRequest) -> StatusAnswer:
        source, entries = self._source, dict(self._hub.entries)
        notes = await asyncio.to_thread(surroundings.notes)

        def look(engine: Engine) -> StatusAnswer:
            objects = sum(len(partition.claims) for partition in engine.desire.partitions.values())
            failing = sum(map(len, engine.failing.values()))
            wanted = max(source.wanted, engine.desire.view.revision)
            return StatusAnswer(
                host=self.settings.host,
                pid=os.getpid(),
                controller=source.controller,
                connected=source.connected,
                controller_error=source.error,
                wanted=wanted,
                applied=source.applied,
                in_sync=engine.idle and not failing and source.applied >= source.synced,
                complete=engine.complete,
                plugs=len(self._plugs.all),
                resources=show.counts(entries),
                objects=objects,
                failing=failing,
                writes=engine.writes,
                problems=show.problems(engine, entries),
                warnings=[*self._warnings, *self._legs.lost(), *([self._copy.trouble] if self._copy.trouble else [])],
                notes=notes,
                metrics=self._listener.bound,
            )

        return await self._hub.ask(look)


def run(settings: AgentSettings, kernel: Kernel) -> None:
    """Run the agent until SIGTERM or SIGINT."""
    asyncio.run(_main(settings, kernel))


async def _main(settings: AgentSettings, kernel: Kernel) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = Agent(settings, kernel)

    async def until_told() -> None:
        await stop.wait()

    def ready() -> None:
        LOG.info("agent is ready", host=settings.host, run_dir=settings.run_dir)
        notify("READY=1")

    try:
        await until_one_ends(agent.run(ready), until_told())
    finally:
        notify("STOPPING=1")
        kernel.close()
        LOG.info("agent ends; what it made stays", host=settings.host)
