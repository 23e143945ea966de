"""A TCP stream in a lab while something is done to it; see `onehop.lab.stream` for the programs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from onehop.errors import StateError
from onehop.lab import stream
from onehop.lab.program import program
from onehop.lab.state import Directory

PORT = 7010
_END_SECONDS = 20


class Result(msgspec.Struct, frozen=True):
    """What became of a stream.

    Attributes:
        sent, back: records, one each hundredth of a second.
        gap: the longest time, in seconds, in which nothing came back.
        error: why it broke, or empty.
    """

    sent: int
    back: int
    gap: float
    error: str = ""


class Stream:
    """A connection that is open; made by `streaming`.

    Attributes:
        seen: address and port that the server sees as the caller's.
    """

    def __init__(self, caller: subprocess.Popen[str]) -> None:
        self._caller = caller
        address, _, port = _hear(caller).partition(" ")
        self.seen = (address, int(port))

    def end(self) -> Result:
        """Wait until what was sent came back, at most some seconds; the stream ends."""
        octets = self._caller.communicate("end\n", timeout=_END_SECONDS)[0]
        return msgspec.json.decode(octets, type=Result)


@contextmanager
def serving(directory: Directory, name: str, port: int = PORT) -> Iterator[None]:
    """Let an instance or node send back what comes on a TCP port."""
    with program(directory, name, stream.__file__, "serve", str(port), stderr=subprocess.DEVNULL) as server:
        if _hear(server) != "ready":
            raise StateError(f"nothing can listen on port {port} of {name}")
        yield


@contextmanager
def streaming(directory: Directory, name: str, address: str, port: int = PORT) -> Iterator[Stream]:
    """A stream from an instance or node to a server that `serving` made, open meanwhile.

    Raises:
        StateError: it could not be opened.
    """
    with program(directory, name, stream.__file__, "call", address, str(port), stderr=subprocess.DEVNULL) as caller:
        yield Stream(caller)


def _hear(process: subprocess.Popen[str]) -> str:
    heard = process.stdout.readline().strip() if process.stdout is not None else ""
    if not heard:
        raise StateError("the stream's program ended early: no connection")
    return heard
