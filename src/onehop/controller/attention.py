"""Attention: what agents say of their hosts, besides statuses, and what follows from it in the store.

Whom a host reaches over the underlay goes to `Liveness`. Which physical networks it reaches decides who may own
external addresses. Who owns them since no controller told is taken up. How far port blocks are used decides who gets
another one. Only the newest word of a host counts.
"""

import asyncio
import time
from collections.abc import Callable

from onehop.controller.liveness import Liveness
from onehop.errors import NotFoundError, OnehopError
from onehop.log import logger
from onehop.metric.tally import Tally
from onehop.net.identifier import HostName
from onehop.store import Store, Transaction
from onehop.store.record import Approval
from onehop.wire import Acting, PortUse

LOG = logger("stream")
RETRY_SECONDS = 1.0
VACANT_SECONDS = 1.0
"""How long whoever has followed may take to say so, before a router that its owner laid down is given to another."""


class Attention:
    """Listens to agents; an `Ear` of sessions.

    Args:
        store: where it is written down.
        liveness: told of signs of life.

    Attributes:
        shortages: how often a host said that connections found no source port.
    """

    def __init__(self, store: Store, liveness: Liveness) -> None:
        self._store = store
        self._liveness = liveness
        self._reached: dict[HostName, tuple[str, ...]] = {}
        self._uses: dict[tuple[HostName, str, str], PortUse] = {}
        self._acting: dict[tuple[HostName, str], Acting] = {}
        self._vacant: dict[HostName, dict[tuple[str, int, int], float]] = {}
        self._wake = asyncio.Event()
        self.shortages = Tally([()])

    def hear(self, host: HostName, answering: tuple[str, ...], silent: tuple[str, ...]) -> None:
        """A sign of life, and which other hosts this one reaches."""
        self._liveness.hear(host, time.monotonic(), answering, silent)

    def acting(self, host: HostName, acting: tuple[Acting, ...]) -> None:
        """Hosts agreed on these owners; what they say until it is taken up is the same again and again."""
        now = time.monotonic()
        before = self._vacant.get(host, {})
        # Only what this host still says: nobody makes this grow.
        self._vacant[host] = {_reign(said): before.get(_reign(said), now) for said in acting if said.vacant}
        for said in acting:
            since = self._vacant[host].get(_reign(said), 0.0) if said.vacant else 0.0
            known = self._acting.get((host, said.router))
            if now - since >= VACANT_SECONDS and (known is None or _order(known) <= _order(said)):
                self._acting[host, said.router] = said
        if self._acting:
            self._wake.set()

    def reach(self, host: HostName, physical_networks: tuple[str, ...]) -> None:
        """A host reaches other physical networks than before."""
        self._reached[host] = physical_networks
        self._wake.set()

    def use(self, host: HostName, uses: tuple[PortUse, ...]) -> None:
        """How far port blocks are used."""
        for use in uses:
            self._uses[host, use.router, use.address] = use
            if use.failed:
                self.shortages.add()
        self._wake.set()

    def forget(self, host: HostName) -> None:
        """A host said hello: what it said before is of the past."""
        self._reached.pop(host, None)
        self._vacant.pop(host, None)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            reached, self._reached = self._reached, {}
            for host, networks in reached.items():
                LOG.info("a host says that it reaches other physical networks", host=host, networks=networks)
                if not await self._write(_reaching(host, networks)):
                    self._reached = {host: networks, **self._reached}
                    self._wake.set()
            acting, self._acting = self._acting, {}
            if acting:
                # The latest reign first; whether its host may speak of it is seen there, so that no stranger's word
                # hides one that counts.
                latest = sorted(acting.items(), key=lambda found: _order(found[1]), reverse=True)
                await self._write(_adopting([(host, said) for (host, _), said in latest]))
                for (host, _), said in latest:
                    self._vacant.get(host, {}).pop(_reign(said), None)
            uses, self._uses = self._uses, {}
            if uses:
                await self._write(_using([(key[0], use) for key, use in uses.items()]))

    async def _write(self, what: Callable[[Transaction], object]) -> bool:
        """Whether that is done; if not, some time has passed."""
        try:
            await asyncio.to_thread(self._store.run, what)
        except NotFoundError:
            return True
        except (OnehopError, OSError) as error:
            LOG.error("what an agent said could not be written to the store", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            return False
        return True


def warn_of_claims(host: HostName, refused: Approval) -> None:
    """Tell that an agent claims for its host what no operator let it be."""
    LOG.warning(
        "an agent claims what its host was not approved for, and it is ignored; `onehop host set` approves",
        host=host,
        gateway_host=refused.gateway_host,
        physical_networks=refused.physical_networks,
    )


def _reaching(host: HostName, networks: tuple[str, ...]) -> Callable[[Transaction], object]:
    def reach(tx: Transaction) -> None:
        refused = tx.reach(host, networks).refused
        if set(refused.physical_networks) & set(networks):
            warn_of_claims(host, refused)

    return reach


def _reign(said: Acting) -> tuple[str, int, int]:
    return (said.router, said.generation, said.epoch)


def _order(said: Acting) -> tuple[int, int]:
    return (said.generation, said.epoch)


def _adopting(acting: list[tuple[HostName, Acting]]) -> Callable[[Transaction], object]:
    def adopt(tx: Transaction) -> None:
        for host, said in acting:
            owner = tx.adopt_owner(said.router, said.generation, said.owner, host)
            if owner is not None:
                LOG.warning("hosts chose an owner while no controller told", router=said.router, owner=owner, by=host)

    return adopt


def _using(uses: list[tuple[HostName, PortUse]]) -> Callable[[Transaction], object]:
    return lambda tx: tx.use_ports([(host, use.router, use.used, use.failed, use.address) for host, use in uses])
