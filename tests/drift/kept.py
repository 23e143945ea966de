"""A host that is Linux and kept by a worker, as `onehop agent` keeps one; what it repaired, said of it, and when."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from structlog.testing import capture_logs

from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.agent.worker import Worker
from onehop.errors import KernelError
from tests.crash.real import Real, real_host
from tests.drift.hands import BASE, BYSTANDER, DIRECTORY, ROUTER, Hand
from tests.unit.agent.bench import HOST

LIMIT = 30.0
"""Seconds for what takes a tenth of one on a quiet machine."""

Logs = Sequence[MutableMapping[str, Any]]

BESIDE = (
    "ip link add mine type bridge",
    "ip link set mine up",
    "ip address add 198.51.100.77/24 dev mine",
    "ip neighbour add 198.51.100.78 dev mine lladdr fa:16:3e:66:66:66 nud permanent",
    "ip route add 10.77.0.0/16 via 198.51.100.78 proto static",
    "ip route add blackhole 10.78.0.0/16 table 7700",
    "ip -6 route add fd77::/64 dev mine table 7700",
    "ip rule add priority 7700 from 10.77.0.0/16 lookup 7700 protocol static",
    "nft add table inet mine",
    "nft add chain inet mine somewhere",
    "nft add rule inet mine somewhere ip saddr 10.77.0.0/16 drop",
    "nft 'add set inet mine some { type ipv4_addr; elements = { 10.77.0.1 } ; }'",
)
"""What somebody else has beside what is ours, in a namespace."""

SIGHT = (
    "ip -o -4 address show dev mine | grep -o 'inet [^ ]*'",
    "ip neighbour show dev mine nud permanent",
    "ip route show proto static | sed 's/ linkdown//'",
    "ip route show table 7700",
    "ip -6 route show table 7700 | sed 's/ linkdown//'",
    "ip rule show priority 7700",
    "nft list table inet mine",
)
EVERYWHERE = ("", ROUTER, BYSTANDER)


class Kept:
    """The host.

    Attributes:
        real: what it holds.
        engine: keeps it.
        is_whole: nobody did anything by hand since it was last seen to be as it should be.
    """

    def __init__(self, real: Real, observe_seconds: float) -> None:
        self.real = real
        self.engine = real.engine = Engine(real.host.kernel, HOST, BASE.local(), time.monotonic)
        self.engine.confirm(True)
        self._news = threading.Condition()
        self.is_whole = False
        self._at = 0.0
        self._repaired: Mapping[tuple[str, ...], float] = {}
        self._worker = Worker(self.engine, self._passed, observe_seconds)
        self._stop_watching = real.host.kernel.watch(self._worker.noticed)
        self._worker.start()
        self._worker.snapshot(1, list(BASE.view()))
        self.until(lambda: not self.wrong(), "the base scene is there")

    def close(self) -> None:
        self._stop_watching()
        self._worker.stop()

    def _passed(self, _outcome: Outcome) -> None:
        now, repaired = time.monotonic(), self.counted()
        with self._news:
            if repaired != self._repaired:
                self._at, self._repaired = now, repaired
            self._news.notify_all()

    def counted(self) -> dict[tuple[str, ...], float]:
        """Repairs by kind, op and partition; leaks by kind."""
        ledger = self.engine.ledger
        return {**dict(ledger.repairs.samples()), **{labels: n for labels, n in ledger.leaks.samples() if n}}

    def look(self) -> None:
        """The time to look at everything has come."""
        self._worker.call(lambda engine: engine.doubt_all()).result(LIMIT)

    def do(self, commands: Sequence[tuple[str, str]]) -> float:
        """Do something by hand; when it was done."""
        self.is_whole = False
        for namespace, command in commands:
            self.real.host.run(namespace, "sh", "-c", command.replace(DIRECTORY, str(self.real.host.directory)))
        return time.monotonic()

    def repaired(self, since: Mapping[tuple[str, ...], float], kind: str) -> float:
        """Wait until something of a kind was put right and all is as it should be; when it was."""

        def is_whole() -> bool:
            now = self.counted()
            return any(now[k] > since.get(k, 0) for k in now if k[0] == kind) and not self.wrong()

        self.until(is_whole, f"a {kind} is repaired")
        with self._news:
            return self._at

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for passes until something holds."""
        deadline = time.monotonic() + LIMIT
        with self._news:
            while not holds():
                left = deadline - time.monotonic()
                assert left > 0, f"not within {LIMIT} s: {what}; {self.wrong()}"
                self._news.wait(min(left, 1.0))

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        try:
            self.real.assert_made(BASE)
        except (AssertionError, KernelError) as error:
            return [str(error)]
        self.is_whole = True
        return []

    def plant(self, *namespaces: str) -> None:
        """Put something of somebody else's beside what is ours."""
        for namespace in namespaces:
            self.real.host.run(namespace, "sh", "-ec", "\n".join(BESIDE))

    def beside(self, *namespaces: str) -> list[str]:
        """What is there of somebody else's."""
        return [self.real.host.run(namespace, "sh", "-ec", "\n".join(SIGHT)) for namespace in namespaces]


def is_said(logs: Logs, hand: Hand) -> bool:
    """Whether the log says what was put right, and where."""
    if hand.adds:
        keys = [line["key"] for line in logs if line["event"] == "removed what is ours and nobody wants"]
        return any(key[:2] == hand.item.key[:2] for key in keys)
    words = " ".join(map(str, hand.item.key))
    lines = [line for line in logs if line["event"] == "repaired what somebody else changed"]
    return any(what.partition(" ")[2] == words for line in lines for what in line["what"])


@contextmanager
def kept_host(observe_seconds: float = 3600) -> Iterator[Kept]:
    """A host of its own, with things of somebody else's; nothing is left."""
    with real_host() as real, capture_logs():
        kept = Kept(real, observe_seconds)
        try:
            kept.plant(*EVERYWHERE)
            yield kept
        finally:
            kept.close()
