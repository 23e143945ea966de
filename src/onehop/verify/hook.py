"""A packet at one hook of a namespace: chains by priority, and between them what connection tracking and NAT do."""

from collections.abc import Callable

from msgspec.structs import replace

from onehop.net.address import unpack
from onehop.verify.conntrack import ESTABLISHED, NEW, Manipulation, Tracker, rewritten
from onehop.verify.nft.evaluate import evaluate
from onehop.verify.nft.ruling import Ruling, Said
from onehop.verify.nft.value import Chain, Table
from onehop.verify.packet import UNTRACKABLE
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.trail import Death, Step, step
from onehop.verify.watch import SILENT, Watch

_CONNTRACK, _DSTNAT, _SRCNAT = -200, -100, 100
_TRANSLATES: dict[str, Manipulation] = {
    "prerouting": "dnat",
    "output": "dnat",
    "input": "snat",
    "postrouting": "snat",
}
_TRACKS = frozenset({"prerouting", "output"})
_KEEPS = frozenset({"input", "postrouting"})


class Hooks:
    """The hooks of a namespace, for the length of a trace."""

    def __init__(self, space: Space, watch: Watch = SILENT) -> None:
        self.space = space
        self.watch = watch
        self.tracker = Tracker(watch)
        self._zones = {0: self.tracker}

    def bar(self, mark: int) -> int:
        """Mark the connections of every zone but the first; how many there are."""
        return sum(tracker.bar(mark) for zone, tracker in self._zones.items() if zone)

    def ip(self, name: str, passing: Passing) -> tuple[Death | None, list[Step]]:
        """Take an IP packet through ``prerouting``, ``input``, ``forward``, ``output`` or ``postrouting``."""
        version = passing.packet.version
        families = frozenset({"inet", "ip" if version == 4 else "ip6"})
        steps: list[Step] = []
        work: list[tuple[int, Callable[[], Death | None]]] = []
        translators: list[tuple[Table, Chain]] = []
        for table, chain in self.space.chains(families, name):
            if chain.hook is not None and chain.hook.type == "nat":
                translators.append((table, chain))
            elif chain.hook is not None:
                work.append((chain.hook.priority, self._filter(table, chain, passing, steps)))
        self.watch.used("tracks", self.space.host, self.space.name, version)
        if self.space.tracks(version):
            if name in _TRACKS:
                work.append((_CONNTRACK, lambda: self._track(passing)))
            what = _TRANSLATES.get(name)
            if what is not None:
                priority = _DSTNAT if what == "dnat" else _SRCNAT
                work.append((priority, lambda: self._translate(translators, what, passing, steps)))
        for _, one in sorted(work, key=lambda pair: pair[0]):
            death = one()
            if death is not None:
                return death, steps
        if name in _KEEPS and passing.tracked is not None:
            self.tracker.confirm(passing.tracked.connection)
        return None, steps

    def device(self, name: str, device: str, passing: Passing) -> tuple[Death | None, list[Step], list[str]]:
        """Take a frame through ``ingress`` or ``egress`` of a link; also the devices that get a copy."""
        steps: list[Step] = []
        copies: list[str] = []
        for table, chain in self.space.chains(frozenset({"netdev"}), name, device):
            ruling = self._ruled(table, chain, passing, steps)
            if ruling.verdict == "forward" and ruling.address:
                passing.handed_on = ruling.copies[-1], unpack(ruling.address.to_bytes(4))
                rule = f"table {table.family} {table.name}, chain {ruling.chain}: {ruling.rule}"
                steps.append(step(self.space, device, "nft", rule))
                return None, steps, [*copies, *ruling.copies[:-1]]
            copies += ruling.copies
            if ruling.verdict != "accept":
                return _death(table, ruling), steps, copies
        return None, steps, copies

    def bridge(self, passing: Passing) -> tuple[Death | None, list[Step]]:
        """Take a frame from one port of a bridge to another."""
        steps: list[Step] = []
        for table, chain in self.space.chains(frozenset({"bridge"}), "forward"):
            ruling = self._ruled(table, chain, passing, steps)
            if ruling.verdict != "accept":
                return _death(table, ruling), steps
        return None, steps

    def arp(self, name: str, passing: Passing) -> Death | None:
        """Take an ARP frame through ``input`` or ``output``."""
        for table, chain in self.space.chains(frozenset({"arp"}), name):
            ruling = self._ruled(table, chain, passing, [])
            if ruling.verdict != "accept":
                return _death(table, ruling)
        return None

    def _filter(self, table: Table, chain: Chain, passing: Passing, steps: list[Step]) -> Callable[[], Death | None]:
        def work() -> Death | None:
            ruling = self._ruled(table, chain, passing, steps)
            return None if ruling.verdict == "accept" else _death(table, ruling)

        return work

    def _ruled(self, table: Table, chain: Chain, passing: Passing, steps: list[Step]) -> Ruling:
        ruling = evaluate(table, chain, passing, self.watch, (self.space.host, self.space.name))
        if ruling.verdict == "reject":
            self.watch.observed("reject", self.space.host, self.space.name, ruling.how)
        steps.extend(self._step(table, said, passing) for said in ruling.said if said.before != said.after)
        return ruling

    def _step(self, table: Table, said: Said, passing: Passing) -> Step:
        text = f"table {table.family} {table.name}, chain {said.chain}: {said.rule}"
        return step(self.space, passing.outgoing or passing.incoming, "nft", text, said.before, said.after)

    def _track(self, passing: Passing) -> None:
        if passing.looked:
            return
        passing.looked = True
        packet = passing.packet
        self.watch.discovery(packet)
        if packet.protocol == 58 and packet.type in UNTRACKABLE:
            passing.untracked = True
        elif not passing.untracked:
            self.watch.protocol(packet)
            passing.tracked = self._zones.setdefault(passing.zone, Tracker(self.watch)).track(packet)
            found = passing.tracked
            if passing.zone and found is not None and found.state == ESTABLISHED and not found.connection.answered:
                # Between bridges' ports one connection may pass twice before anybody answered.
                passing.tracked = replace(found, state=NEW)
            if passing.zone and found is not None:
                self._zones[passing.zone].confirm(found.connection)  # of bridges the last hooks are not in the model

    def _translate(
        self, chains: list[tuple[Table, Chain]], what: Manipulation, passing: Passing, steps: list[Step]
    ) -> Death | None:
        tracked = passing.tracked
        if tracked is None:
            return None
        connection = tracked.connection
        text = "as the packets of this connection before" if not tracked.is_reply else "back, by its connection"
        if tracked.state == NEW and what not in connection.settled:
            for table, chain in chains:
                ruling = self._ruled(table, chain, passing, steps)
                if ruling.verdict == "translate":
                    address = unpack(ruling.address.to_bytes(4 if passing.packet.version == 4 else 16))
                    self.tracker.translate(connection, what, address, ruling.ports)
                    text = f"table {table.family} {table.name}, chain {ruling.chain}: {ruling.rule}"
                    break
                if ruling.verdict != "accept":
                    return _death(table, ruling)
            connection.settled.add(what)
        before = passing.packet
        passing.packet = rewritten(before, tracked, what)
        if passing.packet != before:
            link = passing.outgoing or passing.incoming
            steps.append(step(self.space, link, "nat", text, before, passing.packet))
        return None


def _death(table: Table, ruling: Ruling) -> Death:
    words = {"drop": "dropped", "reject": f"rejected with {ruling.how}", "forward": "sent away"}
    reason = words.get(ruling.verdict, ruling.verdict)
    if not ruling.rule:
        reason += " by the chain's policy"
    name = f"{table.family} {table.name}"
    return Death(reason, name, ruling.chain, ruling.rule, reset=ruling.how == "tcp reset")
