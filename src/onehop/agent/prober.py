"""The prober: asks the other gateway hosts' kernels, again and again, whether they are there (ICMP echo, underlay)."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping

from onehop.agent.reach import Reach, Verdict
from onehop.log import logger
from onehop.net import address, echo
from onehop.net.identifier import HostName

LOG = logger("agent")
_FAMILY = {4: (socket.AF_INET, socket.IPPROTO_ICMP), 6: (socket.AF_INET6, socket.IPPROTO_ICMPV6)}


class Prober:
    """Probes until cancelled.

    Args:
        targets: gives whom to probe: host → VTEP.
        changed: told of each new verdict.
        seconds: between probes.
    """

    def __init__(
        self,
        targets: Callable[[], Awaitable[Mapping[HostName, str]]],
        changed: Callable[[Verdict], None],
        seconds: float = 0.5,
    ) -> None:
        self._targets = targets
        self._changed = changed
        self._seconds = seconds
        self._reach = Reach()
        self._identifier = secrets.randbelow(1 << 16)
        self._hosts: dict[str, HostName] = {}
        self._told = Verdict()
        self._sequence = 0

    async def run(self) -> None:
        """Send, listen and tell."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._probe())

    async def _look(self) -> None:
        """Keep up with whom to probe; a kernel that is busy for long delays this, but no probe."""
        while True:
            targets = await self._targets()
            self._hosts = {vtep: host for host, vtep in targets.items()}
            await asyncio.sleep(self._seconds)

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        sockets: dict[int, socket.socket] = {}
        due = loop.time()
        try:
            while True:
                self._reach.probing(frozenset(self._hosts.values()))
                self._tell()
                self._sequence = (self._sequence + 1) & 0xFFFF
                for vtep in self._hosts:
                    version = address.version(vtep)
                    if version not in sockets:
                        sockets[version] = self._open(loop, version)
                    self._send(sockets[version], version, vtep)
                # By the clock, so that detection does not become slower with the load; what was missed is not made up
                # for, as probes sent all at once would all miss their answers.
                due = max(due + self._seconds, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            for raw in sockets.values():
                loop.remove_reader(raw)
                raw.close()

    def _open(self, loop: asyncio.AbstractEventLoop, version: int) -> socket.socket:
        family, protocol = _FAMILY[version]
        raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        loop.add_reader(raw, self._receive, raw, version)
        return raw

    def _send(self, raw: socket.socket, version: int, vtep: str) -> None:
        try:
            raw.sendto(echo.request(version, self._identifier, self._sequence), (vtep, 0))
        except OSError as error:
            # No way there is what a probe is to find out: it counts as not answered.
            LOG.debug("a gateway host could not be probed", vtep=vtep, why=error.strerror)

    def _receive(self, raw: socket.socket, version: int) -> None:
        try:
            data, sender = raw.recvfrom(2048)
        except BlockingIOError:
            return
        answer = echo.reply(version, data)
        host = self._hosts.get(sender[0])
        if answer is not None and answer[0] == self._identifier and host is not None:
            self._reach.answered(host)
            self._tell()

    def _tell(self) -> None:
        verdict = self._reach.verdict()
        if verdict != self._told:
            for host in sorted(verdict.silent - self._told.silent):
                LOG.warning("a gateway host does not answer over the underlay", silent=host)
            self._told = verdict
            self._changed(verdict)
