"""A host's agent without its controller: the agent's own engine, driven from a view to verified kernel state."""

import time
from collections.abc import Iterable

from benchmarks import scenario
from onehop.agent.engine import Engine
from onehop.compiler.state import Local
from onehop.kernel.linux import LinuxKernel
from onehop.kernel.shortcut.cut import Shortcut
from onehop.model.topology import Ref, Topology, ref


class NotRealisedError(Exception):
    """The kernel does not hold what it should, so that no number of this run means anything."""


class Host:
    """The measured host's engine on the kernel of the namespace in which this is made. A context manager."""

    def __init__(self, local: Local | None = None, short: bool = False) -> None:
        """Open it.

        Args:
            local: what the host knows of itself.
            short: established flows take the short cut.
        """
        self._kernel = LinuxKernel(shortcut=Shortcut() if short else None, quiet=0)
        self.engine = Engine(self._kernel, scenario.HERE, local or Local(), time.monotonic)

    def realise(self, view: Topology, changed: Iterable[Ref] | None = None) -> None:
        """Take a view, make the kernel hold it, and read it back.

        Args:
            view: the newer view.
            changed: what changed since the last one; None is everything.

        Raises:
            NotRealisedError: the kernel refused something, or does not hold it afterwards.
        """
        self.engine.see(view, map(ref, view) if changed is None else changed)
        self.settle()

    def settle(self) -> None:
        """Make passes until nothing is to be done.

        Raises:
            NotRealisedError: as `realise`.
        """
        while not self.engine.idle:
            self.engine.run()
        wrong = {key: why for failing in self.engine.failing.values() for key, why in failing.items()}
        if wrong:
            raise NotRealisedError(
                f"{len(wrong)} objects are not as they should be, such as {next(iter(wrong.items()))}"
            )

    def settle_ways(self) -> None:
        """Wait until every link that should have the short cut has it.

        Raises:
            NotRealisedError: none has.
        """
        if not self._kernel.settle_ways():
            raise NotRealisedError("no link has the short cut: the log says why")

    def close(self) -> None:
        """Give back the kernel's sockets and threads."""
        self._kernel.close()

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
