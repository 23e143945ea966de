"""Legs: which physical networks this host reaches now, of those that its settings name."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from onehop.errors import KernelError
from onehop.log import logger

LOG = logger("agent")
LOOK_SECONDS = 10.0
LOST_SECONDS, BACK_SECONDS = 0.3, 1.0
"""How long a way must be lost, or there again, until it counts: a cable that is touched changes nothing."""


class Ways(Protocol):
    """What is known of the bridges that lead to physical networks; see `onehop.kernel.uplink.Uplinks`."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...

    def changed(self) -> bool: ...

    def leading(self) -> frozenset[str]: ...


class Legs:
    """Looks after the ways outside until cancelled.

    Args:
        networks: physical network → bridge, as configured.
        ways: of these bridges.
        changed: told which physical networks are reached, when that is different.

    Attributes:
        reached: the physical networks that are reached.
    """

    def __init__(self, networks: Mapping[str, str], ways: Ways, changed: Callable[[frozenset[str]], None]) -> None:
        self._networks = networks
        self._ways = ways
        self._changed = changed
        self._news = asyncio.Event()
        self.reached = self._look(frozenset())

    def bridges(self) -> set[str]:
        """The provider bridges of the physical networks that are reached."""
        return {self._networks[name] for name in self.reached}

    def lost(self) -> list[str]:
        """A sentence for each physical network that is configured and not reached."""
        return [
            f"physical network {name} is not reached: bridge {bridge} is missing, down or without a carrier"
            for name, bridge in sorted(self._networks.items())
            if name not in self.reached
        ]

    async def run(self) -> None:
        """Look when the kernel tells of something, and now and then."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._ways.fileno(), self._heard)
        try:
            while True:
                found = self._look(self.reached)
                if found != self.reached:
                    await asyncio.sleep(LOST_SECONDS if self.reached - found else BACK_SECONDS)
                    found = self._look(found)
                if found != self.reached:
                    for name in sorted(self.reached - found):
                        LOG.warning("a physical network is not reached any more", network=name)
                    for name in sorted(found - self.reached):
                        LOG.info("a physical network is reached again", network=name)
                    self.reached = found
                    self._changed(found)
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    continue
                finally:
                    self._news.clear()
        finally:
            loop.remove_reader(self._ways.fileno())
            self._ways.close()

    def _heard(self) -> None:
        if self._ways.changed():
            self._news.set()

    def _look(self, otherwise: frozenset[str]) -> frozenset[str]:
        if not self._networks:
            return frozenset()
        try:
            leading = self._ways.leading()
        except KernelError as error:
            LOG.warning("the ways outside could not be looked at", why=str(error))
            return otherwise
        return frozenset(name for name, bridge in self._networks.items() if bridge in leading)
