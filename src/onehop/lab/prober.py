"""Probing a path in a lab while something is done to it; see `onehop.lab.probe` for the programs."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

import msgspec

from onehop.errors import StateError
from onehop.lab import probe
from onehop.lab.program import program
from onehop.lab.state import Directory

_END_SECONDS = 20


class Place(Protocol):
    """Where a probe's programs run: has a script run there meanwhile, as `onehop.lab.program` does in a lab."""

    def __call__(self, script: str, /, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]: ...


class Result(msgspec.Struct, frozen=True):
    """What became of the probes.

    Attributes:
        sent: how many, one each millisecond.
        lost: how many never came back.
        gap: the longest run of lost ones.
        answered_from: addresses that the answers came from.
    """

    sent: int
    lost: int
    gap: int
    answered_from: tuple[str, ...]


class Prober:
    """Probes that are under way; made by `probing`."""

    def __init__(self, sender: subprocess.Popen[str]) -> None:
        self._sender = sender
        self._result: Result | None = None

    def settle(self) -> None:
        """Wait until a probe that is sent from now on comes back, at most 5 seconds."""
        _say(self._sender, "settle\n")
        _hear(self._sender, "settled\n")

    def go_on(self, probes: int) -> None:
        """Let at least so many more probes be sent and come back, at most 5 seconds for each of them."""
        for _ in range(probes):
            self.settle()

    def end(self) -> None:
        """Wait for what is under way; then there is a result."""
        if self._result is None:
            self._result = msgspec.json.decode(self._sender.communicate("end\n", timeout=_END_SECONDS)[0], type=Result)

    @property
    def result(self) -> Result:
        """What became of them.

        Raises:
            StateError: they are still under way.
        """
        if self._result is None:
            raise StateError("the probes are still under way: end them first")
        return self._result


@contextmanager
def probing(directory: Directory, source: str, sink: str, address: str) -> Iterator[Prober]:
    """Probe from one instance to an address of another meanwhile.

    Args:
        directory: the lab.
        source: name of the instance that probes.
        sink: name of the instance that answers.
        address: its address.
    """
    with between(partial(program, directory, source), partial(program, directory, sink), address) as prober:
        yield prober


@contextmanager
def between(source: Place, sink: Place, address: str) -> Iterator[Prober]:
    """Probe from one place to an address that another answers at, meanwhile."""
    family = "6" if ":" in address else "4"
    with sink(probe.__file__, "echo", family) as echo:
        _hear(echo, "ready\n")
        with source(probe.__file__, "send", family, address) as sender:
            prober = Prober(sender)
            prober.settle()
            yield prober
            prober.end()


def _say(process: subprocess.Popen[str], word: str) -> None:
    if process.stdin is not None:
        process.stdin.write(word)
        process.stdin.flush()


def _hear(process: subprocess.Popen[str], word: str) -> None:
    heard = process.stdout.readline() if process.stdout is not None else ""
    if heard != word:
        raise StateError(f"the probe ended early; it said {heard.strip()[:100]!r}")
