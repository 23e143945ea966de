"""A netlink socket: batches out, refusals and dumps in. It carries messages and knows nothing of what is in them."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from struct import pack, unpack_from
from typing import NamedTuple

from onehop.errors import KernelError
from onehop.objects import netlink
from onehop.objects.netlink import Found, Request

ROUTE, NETFILTER = 0, 12

_SOL_NETLINK = 270
_SO_RCVBUFFORCE = 33
_CAP_ACK, _EXT_ACK, _GET_STRICT_CHK = 10, 11, 12
_BUFFER = 1 << 20
_CHUNK = 1 << 16
_CAPPED, _ACK_TLVS = 0x100, 0x200
_MESSAGE = 1
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_TRIES = 8

BATCH_OCTETS = 60_000
"""How much goes into one sendmsg at most."""

ANSWERS = 64
"""How many questions are asked at a time, so that their answers fit into the receive buffer."""


class Refusal(NamedTuple):
    """What the kernel said to a message that it refused."""

    errno: int
    text: str


class Connection:
    """A netlink socket in the namespace in which the calling thread is when it is made."""

    def __init__(self, protocol: int = ROUTE) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            self.socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
            self.socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
            if protocol == ROUTE:
                self.socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
            self.socket.bind((0, 0))
        except OSError:
            self.socket.close()
            raise
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back; it no longer keeps its namespace alive."""
        self.socket.close()

    def carry(self, groups: Sequence[Sequence[Request]]) -> list[Refusal | None]:
        """Send messages and say for each group what the kernel refused first, None where it took all.

        The kernel works through all of them in order, whatever it refuses. Returns after the last.

        Raises:
            KernelError: it could not be sent or the answer was lost, so nothing is known.
        """
        if not any(groups):
            return [None] * len(groups)
        first = self._sequence + 1
        owner: list[int] = []
        parts: list[bytes] = []
        for number, group in enumerate(groups):
            for request in group:
                self._sequence += 1
                owner.append(number)
                parts.append(netlink.message(request, self._sequence))
        results: list[Refusal | None] = [None] * len(groups)
        start = 0
        for end in _ends(parts):
            for sequence, refusal in self._send(parts[start:end], first + end - 1):
                number = owner[sequence - first]
                if results[number] is None:
                    results[number] = refusal
            start = end
        return results

    def _send(self, parts: list[bytes], last: int) -> Iterator[tuple[int, Refusal]]:
        final = bytearray(parts[-1])
        final[6:8] = pack("=H", unpack_from("=H", final, 6)[0] | netlink.ACK)
        self._write(b"".join(parts[:-1]) + final)
        while True:
            for kind, flags, sequence, found in self._read():
                if kind != netlink.ERROR or sequence > last or sequence <= last - len(parts):
                    continue
                refusal = _refusal(found, flags)
                if refusal is not None:
                    yield sequence, refusal
                if sequence == last:
                    return

    def transact(self, subsystem: int, requests: Sequence[Request]) -> Refusal | None:
        """Send messages as one transaction of an nfnetlink subsystem; say what was refused first: then all of it was.

        Raises:
            KernelError: it could not be sent (as much as a socket's buffer is too long) or the answer was lost.
        """
        frame = pack("!BBH", 0, 0, subsystem)
        begin = self._sequence + 1
        last = begin + len(requests)
        self._sequence = last + 1
        parts = [netlink.message(Request(_BATCH_BEGIN, 0, frame), begin)]
        for number, request in enumerate(requests, begin + 1):
            parts.append(netlink.message(request, number, netlink.ACK if number == last else 0))
        parts.append(netlink.message(Request(_BATCH_END, 0, frame), self._sequence))
        self._write(b"".join(parts))
        first: Refusal | None = None
        while True:
            for kind, flags, sequence, found in self._read():
                if kind != netlink.ERROR or not begin <= sequence <= last:
                    continue
                first = first or _refusal(found, flags)
                if sequence in (begin, last):
                    return first

    def ask(self, questions: Iterable[Request]) -> Iterator[Found | None]:
        """The answer to each question that has one answer, in order; None where the kernel knows nothing.

        Raises:
            KernelError: it could not be asked, or the answers were lost.
        """
        pending = list(questions)
        for start in range(0, len(pending), ANSWERS):
            yield from self._ask(pending[start : start + ANSWERS])

    def _ask(self, questions: list[Request]) -> list[Found | None]:
        first = self._sequence + 1
        self._sequence += len(questions)
        self._write(b"".join(netlink.message(question, first + n) for n, question in enumerate(questions)))
        answers: dict[int, Found | None] = {}
        while len(answers) < len(questions):
            for kind, _, sequence, found in self._read():
                if first <= sequence <= self._sequence:
                    answers[sequence] = None if kind == netlink.ERROR else found
        return [answers[first + n] for n in range(len(questions))]

    def dump(self, kind: int, body: bytes) -> list[Found]:
        """All messages of a dump, taken again while the kernel says that it changed meanwhile.

        Raises:
            KernelError: refused (with errno), or never quiet.
        """
        for _ in range(_TRIES):
            found = self._dump(kind, body)
            if found is not None:
                return found
        raise KernelError("the kernel's tables changed each time they were read; try again", errno.EINTR)

    def _dump(self, kind: int, body: bytes) -> list[Found] | None:
        self._sequence += 1
        mine, whole = self._sequence, True
        self._write(netlink.message(Request(kind, netlink.DUMP, body), mine))
        messages: list[Found] = []
        while True:
            try:
                received = list(self._read())
            except KernelError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                whole = False
                continue
            for answer, flags, sequence, found in received:
                if sequence != mine:
                    continue
                if flags & netlink.DUMP_INTERRUPTED:
                    whole = False
                if answer in (netlink.DONE, netlink.ERROR):
                    _raise_for(unpack_from("=i", found.data, found.start)[0])
                    return messages if whole else None
                messages.append(found)

    def _write(self, data: bytes) -> None:
        try:
            self.socket.send(data)
        except OSError as error:
            raise KernelError(f"the kernel takes no netlink message: {error.strerror}", error.errno or 0) from error

    def _read(self) -> Iterator[tuple[int, int, int, Found]]:
        try:
            data = self.socket.recv(_CHUNK)
        except OSError as error:
            raise KernelError(f"the kernel's answer was lost: {error.strerror}", error.errno or 0) from error
        return split(data)


def _ends(parts: Sequence[bytes]) -> Iterator[int]:
    """Where to cut messages into sends."""
    size = 0
    for number, part in enumerate(parts):
        if size and size + len(part) > BATCH_OCTETS:
            yield number
            size = 0
        size += len(part)
    yield len(parts)


def split(data: bytes) -> Iterator[tuple[int, int, int, Found]]:
    """Type, flags, sequence and content of every message in a datagram."""
    at, end = 0, len(data)
    unpack = netlink.HEADER.unpack_from
    while at + 16 <= end:
        size, kind, flags, sequence, _ = unpack(data, at)
        if size < 16:
            return
        yield kind, flags, sequence, Found(data, at + 16, at + size)
        at += (size + 3) & ~3


def _raise_for(code: int) -> None:
    if code < 0:
        raise KernelError(f"the kernel refused a dump: {os.strerror(-code)}", -code)


def _refusal(found: Found, flags: int) -> Refusal | None:
    code = unpack_from("=i", found.data, found.start)[0]
    if code == 0:
        return None
    said = ""
    if flags & _ACK_TLVS:
        # The refused message's header follows the code; its body only where it was not capped.
        inner = 16 if flags & _CAPPED else unpack_from("=I", found.data, found.start + 4)[0]
        values = netlink.attributes(found.data, found.start + 4 + ((inner + 3) & ~3), found.end)
        said = netlink.string(values.get(_MESSAGE, b""))
    return Refusal(-code, said)
