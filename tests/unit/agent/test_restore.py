"""An older backup is restored under agents that know more: they come to it, and say so. The controller is a process."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from onehop.agent.daemon import Agent
from onehop.agent.request import PlugRequest, PortAnswer
from onehop.agent.worker import REPLACED
from onehop.errors import ConflictError
from onehop.model.reign import Reign
from onehop.net import naming
from onehop.net.identifier import HostName, RouterId
from onehop.store import Store
from onehop.store.backup import backup
from onehop.store.restore import restore
from onehop.system import listen
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows
from tests.unit.agent.place import Place
from tests.unit.controller.streams import LIMIT, Site, eventually
from tests.unit.controller.test_daemon import Controller

pytestmark = pytest.mark.slow

HOST = HostName("host-1")


class Stage:
    """A controller as a process, which listens on the same socket in each of its lives, and a place for an agent."""

    def __init__(self, directory: Path, url: str, listener: socket.socket) -> None:
        for name in ("site", "controller"):
            (directory / name).mkdir()
        self.url = url
        self.store = Store.open(url)
        self.site = Site(self.store, directory / "site")
        self.site.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.place = Place(self.site)
        self._listener = listener
        self.controller = Controller(directory / "controller", url)
        self._configure(f"{directory}/controller/pki", str(self.site.pki))

    def _configure(self, old: str, new: str) -> None:
        self.controller.config.write_text(self.controller.config.read_text().replace(old, new))

    def lose_database(self, url: str) -> None:
        """Nothing of it is left; there is an empty one."""
        self._configure(self.url, url)
        self.url = url

    def reopen(self) -> None:
        self.store = self.site.store = Store.open(self.url)

    def start(self) -> None:
        shell = f'exec 3<&{self._listener.fileno()}; exec "$@"'
        self.controller.start(
            "bash", "-c", shell, "bash",
            pass_fds=(self._listener.fileno(),), LISTEN_FDS="1", LISTEN_FDNAMES="stream",
        )  # fmt: skip

    def applied(self) -> int:
        with self.store.read() as tx:
            (host,) = [host for host in tx.hosts() if host.name == HOST]
            return host.applied if host.connected else -1

    def newest(self) -> bool:
        return self.applied() >= self.store.revision()

    def status_of(self, port: str) -> str | None:
        with self.store.read() as tx:
            row = tx.get("port", port)
            return None if row is None else str(row["status"])


@pytest.fixture
def stage_of(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Iterator[Callable[[str], Stage]]:
    made: list[Stage] = []
    with closing(listen("127.0.0.1", 0)) as listener:

        def make(kind: str) -> Stage:
            made.append(Stage(tmp_path, new_database_url(kind, True), listener))
            return made[-1]

        yield make
        for stage in made:
            stage.controller.close()
            stage.store.close()


def _wan(store: Store, network_id: str) -> RouterId:
    """A router with a leg on a network and a gateway, which one of the gateway hosts owns."""

    def make(tx: rows.Transaction) -> RouterId:
        external = rows.external(tx)
        router = rows.router(tx, network_id)
        rows.gateway(tx, router["id"], external)
        return RouterId(router["id"])

    return store.run(make)


def _network_of(store: Store, port: str) -> str:
    with store.read() as tx:
        return str(rows.known(tx, "port", port)["network_id"])


def _acting(agent: Agent, router: RouterId) -> HostName | None:
    """Who acts as a router's owner, as far as the agent knows."""
    return agent._worker.call(lambda engine: engine.regency.succession.owner(router)).result(LIMIT)


def _agree(agent: Agent, reign: Reign) -> None:
    """Hosts agree on an owner while there is no controller."""
    agent._worker.call(lambda engine: engine.regency.succession.told([reign], 0.0)).result(LIMIT)


@pytest.mark.parametrize(("kind", "lost"), [(SQLITE, True), pytest.param("postgresql", False, marks=POSTGRESQL.marks)])
def test_agents_that_know_more_come_to_the_store_that_was_restored(
    stage_of: Callable[[str], Stage],
    new_database_url: Callable[[str, bool], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    lost: bool,
) -> None:
    stage = stage_of(kind)
    place, file = stage.place, tmp_path / "backup"
    for number in (8, 9):
        rows.add_gateway_host(stage.store, number)

    async def scenario() -> None:
        await asyncio.to_thread(stage.start)
        await place.join()
        async with place.running() as agent:
            old = place.port()
            router = _wan(stage.store, _network_of(stage.store, old))
            await place.ask(PlugRequest(port_id=old), PortAnswer)
            await eventually(lambda: stage.status_of(old) == "ACTIVE")
            revision = (await asyncio.to_thread(backup, stage.url, file)).revision
            with stage.store.read() as tx:
                owner = tx.gateways([router])[router]["owner"]

            # What the backup knows nothing of.
            other = {"gw-8": "gw-9", "gw-9": "gw-8"}[owner]
            new = place.port()
            await place.ask(PlugRequest(port_id=new), PortAnswer)
            stage.store.run(lambda tx: tx.assign_owner(router, other))
            await eventually(lambda: stage.status_of(new) == "ACTIVE" and stage.newest())
            known = await agent._view()
            assert known is not None
            gateway = known.routers[router].gateway
            assert gateway is not None
            assert gateway.generation > revision
            assert naming.tap(new) in place.kernel.world.spaces[""].devices  # type: ignore[arg-type]  # a plain id

            stage.store.close()
            with pytest.raises(ConflictError, match="stop every controller"):
                await asyncio.to_thread(partial(restore, file, stage.url, replace=True))
            assert (await asyncio.to_thread(stage.controller.end))[0] == 0
            assert stage.controller.systemd.recv(100) == b"STOPPING=1"
            await eventually(lambda: not agent._source.connected)
            assert _acting(agent, router) == other
            _agree(
                agent, Reign(router=router, generation=gateway.generation, epoch=3, owner=HostName(owner), vacant=True)
            )
            assert _acting(agent, router) is None

            if lost:
                stage.lose_database(new_database_url(kind, False))
            restored = await asyncio.to_thread(partial(restore, file, stage.url, replace=not lost))
            assert restored.manifest.revision == revision
            newest = restored.revision
            assert newest > known.revision
            stage.reopen()
            assert stage.store.revision() == newest

            await asyncio.to_thread(stage.start)
            await eventually(stage.newest)
            view = await agent._view()
            assert view is not None
            assert view.revision >= newest
            gateway = view.routers[router].gateway
            assert gateway is not None
            assert (gateway.owner, gateway.generation) == (owner, newest)
            assert _acting(agent, router) == owner
            assert stage.status_of(old) == "ACTIVE"
            assert stage.status_of(new) is None
            assert naming.tap(old) in place.kernel.world.spaces[""].devices  # type: ignore[arg-type]  # a plain id
            await eventually(lambda: naming.tap(new) not in place.kernel.world.spaces[""].devices)  # type: ignore[arg-type]  # a plain id
            # And life goes on.
            third = place.port()
            await place.ask(PlugRequest(port_id=third), PortAnswer)
            await eventually(lambda: stage.status_of(third) == "ACTIVE")

    asyncio.run(scenario())
    assert REPLACED in capsys.readouterr().out
