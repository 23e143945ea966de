"""Instances that ask for routers: heard here, answered by the engine between two passes."""

import asyncio
from collections.abc import Awaitable, Callable

from onehop.errors import KernelError
from onehop.kernel.solicitation import Solicitations
from onehop.log import logger
from onehop.net.advertisement import Solicitation

LOG = logger("agent")


class Solicited:
    """Listens until cancelled.

    Args:
        answer: told of all that asked since it returned last; while it works nothing is read, so that whoever asks too
            often only fills a buffer of the kernel.
        trouble: told in one sentence why nobody can be heard.
    """

    def __init__(self, answer: Callable[[set[Solicitation]], Awaitable[None]], trouble: Callable[[str], None]) -> None:
        self._answer = answer
        self._trouble = trouble

    async def run(self) -> None:
        """Listen; a host on which that cannot be goes on with unsolicited advertisements."""
        try:
            heard = Solicitations()
        except (KernelError, OSError) as error:
            LOG.warning("instances that ask for routers are not heard", why=str(error))
            self._trouble(f"instances that ask for routers wait for the next advertisement: {error}")
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(heard, ready.set)
        try:
            while True:
                await ready.wait()
                ready.clear()
                found = heard.read()
                if found:
                    loop.remove_reader(heard)
                    await self._answer(found)
                    loop.add_reader(heard, ready.set)
        finally:
            loop.remove_reader(heard)
            heard.close()
