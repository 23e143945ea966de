"""The prober: asks the other gateway hosts' kernels, again and again, whether they are there (ICMP echo, underlay).

The questions carry what hosts have to tell each other without a controller (`onehop.wire.word`).
"""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

from onehop.agent.reach import Reach, Verdict
from onehop.errors import WireError
from onehop.log import logger
from onehop.model.reign import Reign
from onehop.net import address, echo
from onehop.net.identifier import HostName
from onehop.wire import word

LOG = logger("agent")
_FAMILY = {4: (socket.AF_INET, socket.IPPROTO_ICMP), 6: (socket.AF_INET6, socket.IPPROTO_ICMPV6)}


class Prober:
    """Probes until cancelled.

    Args:
        targets: gives whom to probe: host → VTEP.
        changed: told of each new verdict.
        seconds: between probes.
        heard: told of what others say: VTEP, and who acts.
        vtep: this host's.
    """

    def __init__(
        self,
        targets: Callable[[], Awaitable[Mapping[HostName, str]]],
        changed: Callable[[Verdict], None],
        seconds: float = 0.5,
        heard: Callable[[str, list[Reign]], None] = lambda _vtep, _reigns: None,
        vtep: str = "127.0.0.1",
    ) -> None:
        self._targets = targets
        self._changed = changed
        self._seconds = seconds
        self._reach = Reach()
        self._identifier = secrets.randbelow(1 << 16)
        self._hosts: dict[str, HostName] = {}
        self._told = Verdict()
        self._sequence = 0
        self._heard = heard
        self._vtep = vtep
        self._sockets: dict[int, socket.socket] = {}
        self._words: dict[str, deque[bytes]] = {}

    def say(self, words: Mapping[str, Iterable[Reign]]) -> None:
        """Tell hosts, by VTEP, who acts: now, and with each probe from now on some of it."""
        self._words = {vtep: deque(word.said(reigns)) for vtep, reigns in words.items()}
        for vtep, contents in self._words.items():
            for content in contents:
                self._send(vtep, content)

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
        due = loop.time()
        self._socket(address.version(self._vtep))  # to be told, also where nobody is probed
        try:
            while True:
                self._reach.probing(frozenset(self._hosts.values()))
                self._tell()
                self._sequence = (self._sequence + 1) & 0xFFFF
                for vtep in self._hosts.keys() | self._words.keys():
                    contents = self._words.get(vtep)
                    if contents:
                        contents.rotate(-1)
                    self._send(vtep, contents[0] if contents else b"")
                # By the clock, so that detection does not become slower with the load; what was missed is not made up
                # for, as probes sent all at once would all miss their answers.
                due = max(due + self._seconds, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            while self._sockets:
                _, raw = self._sockets.popitem()
                loop.remove_reader(raw)
                raw.close()

    def _socket(self, version: int) -> socket.socket:
        if version not in self._sockets:
            family, protocol = _FAMILY[version]
            raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            asyncio.get_running_loop().add_reader(raw, self._receive, raw, version)
            self._sockets[version] = raw
        return self._sockets[version]

    def _send(self, vtep: str, content: bytes) -> None:
        version = address.version(vtep)
        try:
            self._socket(version).sendto(echo.request(version, self._identifier, self._sequence, content), (vtep, 0))
        except OSError as error:
            # No way there is what a probe is to find out: it counts as not answered.
            LOG.debug("a gateway host could not be probed", vtep=vtep, why=error.strerror)

    def _receive(self, raw: socket.socket, version: int) -> None:
        try:
            data, sender = raw.recvfrom(2048)
        except BlockingIOError:
            return
        content = echo.asked(version, data)
        if content is not None:
            try:
                reigns = word.heard(content)
            except WireError as error:
                LOG.warning("a probe is not understood", sender=sender[0], why=str(error))
                return
            if reigns:
                self._heard(sender[0], reigns)
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
