"""The prober: asks the other gateway hosts' kernels each second whether they are there (ICMP echo on the underlay)."""

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
        seconds: float = 1.0,
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
        loop = asyncio.get_running_loop()
        sockets: dict[int, socket.socket] = {}
        try:
            while True:
                targets = await self._targets()
                self._hosts = {vtep: host for host, vtep in targets.items()}
                self._reach.probing(frozenset(targets))
                self._tell()
                self._sequence = (self._sequence + 1) & 0xFFFF
                for vtep in targets.values():
                    version = address.version(vtep)
                    if version not in sockets:
                        sockets[version] = self._open(loop, version)
                    self._send(sockets[version], version, vtep)
                await asyncio.sleep(self._seconds)
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
