"""Whoever listens to what agents say of their hosts: a seam between the stream and what follows from it."""

from typing import Protocol

from onehop.net.identifier import HostName
from onehop.wire import Acting, PortUse


class Ear(Protocol):
    """Whoever is to know what an agent says of its host, besides statuses."""

    def hear(self, host: HostName, answering: tuple[str, ...], silent: tuple[str, ...]) -> None:
        """A sign of life, and which other hosts this one reaches."""
        ...

    def acting(self, host: HostName, acting: tuple[Acting, ...]) -> None:
        """Hosts agreed on these owners while no controller told."""
        ...

    def reach(self, host: HostName, physical_networks: tuple[str, ...]) -> None:
        """The host reaches other physical networks than before."""
        ...

    def use(self, host: HostName, uses: tuple[PortUse, ...]) -> None:
        """How far port blocks are used."""
        ...


class Deaf:
    """Nobody."""

    def hear(self, host: HostName, answering: tuple[str, ...], silent: tuple[str, ...]) -> None:
        """Nothing."""

    def acting(self, host: HostName, acting: tuple[Acting, ...]) -> None:
        """Nothing."""

    def reach(self, host: HostName, physical_networks: tuple[str, ...]) -> None:
        """Nothing."""

    def use(self, host: HostName, uses: tuple[PortUse, ...]) -> None:
        """Nothing."""
