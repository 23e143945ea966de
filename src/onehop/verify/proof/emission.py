"""The proof that no protected port says it is somebody else: its tap's rules against what the API says of it.

Every frame is in a class whose frames the rules judge alike. What they let pass must be allowed, all of it; what is
allowed must pass; and copies go to the port's own network only.
"""

from collections.abc import Callable, Iterator, Mapping

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.verify.nft.evaluate import evaluate
from onehop.verify.nft.value import Atom, Field, Members
from onehop.verify.proof.alike import alike
from onehop.verify.proof.explore import classes
from onehop.verify.proof.identity import identity
from onehop.verify.proof.isolation import Violation
from onehop.verify.proof.pieces import around
from onehop.verify.proof.spans import Box, Numbers, meet, remainder, size
from onehop.verify.proof.speech import Speech
from onehop.verify.proof.utterance import FORMS, Form, Utterance
from onehop.verify.space import Space
from onehop.verify.watch import Readable, Watch
from onehop.verify.world import World

Judge = Callable[[Mapping[str, int], Box], tuple[Box, tuple[bool, frozenset[str]]]]


class _Listener(Watch):
    """Which frames of a form a tap's rules did not tell apart from one."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.box: dict[str, Numbers] = {}

    def matched(
        self,
        subject: Readable,
        fields: tuple[Field, ...],
        members: Members,
        key: tuple[Atom, ...],
        mask: int | None,
    ) -> None:
        """See `Watch`."""
        del subject  # the values are this listener's form's
        rows = [self.form.fields[field.name] for field in fields]
        if mask is not None:
            # The lower bits, which are a piece of their own.
            rows = [row[-1:] for row in rows]
            key = tuple(atom & mask for atom in key if isinstance(atom, int))
        for part, some in alike(members, key, lambda number: any(piece.name for piece in rows[number])):
            atom = key[part]
            if isinstance(atom, int):
                row = rows[part]
                found: Box = {row[0].name: some} if len(row) == 1 else around(row, some, atom)
                self.box = dict(meet(self.box, found) or {})


class Emission:
    """Asks every protected port's tap.

    Attributes:
        classes: how many classes of frames were judged.
        ports: how many ports.
    """

    def __init__(self, view: Topology, world: World) -> None:
        self.view = view
        self.world = world
        self.classes = 0
        self.ports = 0

    def violations(self) -> Iterator[Violation]:
        """What ports can say and must not, or must be able to say and cannot.

        Raises:
            UnknownRuleError: a tap's ruleset says something that is not known here.
        """
        for port in self.view.ports.values():
            at = self.world.place(port.id)
            if port.router_id is None and port.port_security_enabled and at is not None and at[1] in at[0].links:
                self.ports += 1
                yield from self.of(port, *at)

    def of(self, port: Port, host: Space, tap: str) -> Iterator[Violation]:
        """Those of one port."""
        speech = Speech(identity(self.view, port))
        network = self.view.networks[port.network_id]
        ours = {naming.vxlan(network.vni)} if network.vni is not None else set[str]()
        for form in FORMS:
            allowed, refused = speech.allowed(form), list[Box]()
            for one in classes(form.box(), _judge(form, host, tap)):
                self.classes += 1
                passes, copies = one.found
                if not copies <= ours:
                    yield _violation("sends copies beyond its network", port, form, one.values, [one.box])
                left = remainder(one.box, allowed) if passes else []
                if left:
                    yield _violation("may say what is not the port's", port, form, _point(left[0]), left)
                if not passes:
                    refused.append(one.box)
            for box in allowed:
                lost = [both for no in refused if (both := meet(box, no)) is not None]
                if lost:
                    yield _violation("may not say what is its own", port, form, _point(lost[0]), lost)


def _judge(form: Form, host: Space, tap: str) -> Judge:
    def walk(values: Mapping[str, int], _: Box) -> tuple[Box, tuple[bool, frozenset[str]]]:
        listener, copies = _Listener(form), set[str]()
        for table, chain in host.chains(frozenset({"netdev"}), "ingress", tap):
            ruling = evaluate(table, chain, Utterance(form, values), listener)
            copies.update(ruling.copies)
            if ruling.verdict != "accept":
                return listener.box, (False, frozenset(copies))
        return listener.box, (True, frozenset(copies))

    return walk


def _point(box: Box) -> dict[str, int]:
    return {name: some[0][0] for name, some in box.items()}


def _violation(what: str, port: Port, form: Form, values: Mapping[str, int], boxes: list[Box]) -> Violation:
    return Violation(what, port.id, frame=str(Utterance(form, values)), packets=sum(map(size, boxes)))
