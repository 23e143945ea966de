"""The proof that no protected port says it is somebody else: its tap's rules against what the API says of it.

Every frame is in a class whose frames the rules judge alike. What they let pass must be allowed, all of it; what is
allowed must pass; and copies go to the port's own network only.
"""

from collections.abc import Callable, Iterator, Mapping

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.address import pack_mac, version
from onehop.verify.nft.evaluate import evaluate
from onehop.verify.nft.value import Atom, Field, Members
from onehop.verify.proof.alike import alike
from onehop.verify.proof.case import Case, Judged, Used, Violation
from onehop.verify.proof.elsewhere import Elsewhere
from onehop.verify.proof.explore import classes
from onehop.verify.proof.identity import identity
from onehop.verify.proof.pieces import around, pieces, split
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Box, Numbers, meet, numbers, points, remainder, size
from onehop.verify.proof.speech import Speech
from onehop.verify.proof.utterance import FORMS, Form, Utterance
from onehop.verify.space import Space
from onehop.verify.watch import Readable, Watch
from onehop.verify.world import World

Heard = tuple[Used, bool, frozenset[str]]


class _Listener(Watch):
    """Which frames of a form a tap's rules did not tell apart from one."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.box: dict[str, Numbers] = {}
        self.seen: set[tuple[object, ...]] = set()

    def used(self, *what: object) -> None:
        """See `Watch`."""
        self.seen.add(what)

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
    """Asks every protected port's tap."""

    def __init__(self, view: Topology) -> None:
        self.view = view

    def cases(self) -> Iterator[Case]:
        """One for each port and form of frames; of ports without protection, of what comes from elsewhere."""
        for port in self.view.ports.values():
            if port.router_id is None and port.host in self.view.hosts and not port.port_security_enabled:
                elsewhere = Elsewhere(self.view, port)
                for form in FORMS:
                    yield Case("emission", _Judge(port, form, elsewhere.allowed(form), ""), form.box())
            elif port.router_id is None and port.host in self.view.hosts:
                speech, network = Speech(identity(self.view, port)), self.view.networks[port.network_id]
                tunnel = naming.vxlan(network.vni) if network.vni is not None and port.allowed_address_pairs else ""
                for form in FORMS:
                    yield Case("emission", _Judge(port, form, speech.allowed(form), tunnel), form.box())


class _Judge:
    """Judges what one port says in one form."""

    def __init__(self, port: Port, form: Form, allowed: list[Box], tunnel: str) -> None:
        self.port, self.form, self.allowed, self.tunnel = port, form, allowed, tunnel
        self.moved = list(moved(port, form)) if tunnel else []
        self.moving = list(moving(port, form)) if tunnel else []

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        at = world.place(self.port.id)
        if at is None or at[1] not in at[0].links:
            used: Used = frozenset({("link", self.port.host, naming.HOST, naming.tap(self.port.id))})
            yield Judged(box, used, self._violation("has no tap", [box]))
            return
        for one in classes(box, self._walk(*at)):
            used, passes, copies = one.found
            wrong = next(self._wrong(one.box, passes, copies), None)
            violation = self._violation(*wrong) if wrong is not None else None
            yield Judged(one.box, used, violation, (passes, copies))

    def _walk(self, host: Space, tap: str) -> Callable[[Mapping[str, int], Box], tuple[Box, Heard]]:
        def walk(values: Mapping[str, int], _: Box) -> tuple[Box, Heard]:
            listener, copies, passes = _Listener(self.form), set[str](), True
            listener.used("link", host.host, host.name, tap)
            for table, chain in host.chains(frozenset({"netdev"}), "ingress", tap):
                ruling = evaluate(table, chain, Utterance(self.form, values), listener, (host.host, host.name))
                copies.update(ruling.copies)
                passes = passes and ruling.verdict == "accept"
                if not passes:
                    break
            return listener.box, (frozenset(listener.seen), passes, frozenset(copies))

        return walk

    def _wrong(self, box: Box, passes: bool, copies: frozenset[str]) -> Iterator[tuple[str, list[Box]]]:
        if copies - {self.tunnel}:
            yield "sends copies beyond its network", [box]
        if copies and not self.moved:
            yield "sends copies of what moves nothing", [box]
        still = remainder(box, self.moving) if copies else []
        if still:
            yield "sends copies of what says nothing of an address that may move", still
        left = remainder(box, self.allowed) if passes else []
        if left:
            yield "may say what is not the port's", left
        lost = [] if passes else [both for own in self.allowed if (both := meet(box, own)) is not None]
        if lost:
            yield "may not say what is its own", lost
        unheard = [] if copies else [both for own in self.moved if (both := meet(box, own)) is not None]
        if passes and unheard:
            yield "says that an address moved, and other hosts do not hear it", unheard

    def _violation(self, what: str, boxes: list[Box]) -> Violation:
        values = {name: some[0][0] for name, some in boxes[0].items()}
        return Violation(what, self.port.id, frame=str(Utterance(self.form, values)), packets=sum(map(size, boxes)))


def moving(port: Port, form: Form) -> Iterator[Box]:
    """All that may say that an address of a pair is here now: more than `moved`, which surely does."""
    pairs = [pair.ip_address for pair in port.allowed_address_pairs]
    four = numbers(span for ip in pairs if version(ip) == 4 for span in span_of(ip))
    if form.name == "ARP" and four:
        yield {"sender": four, "target": four}
    if form.name == "IPv6 with neighbour advertisement":
        six = numbers(span for ip in pairs if version(ip) == 6 for span in span_of(ip))
        yield from ({**box, "destination": points([ip_number("ff02::1")])} for box in _about(form, six))


def _about(form: Form, some: Numbers) -> Iterator[Box]:
    return split(form.fields["@th,64,128"], some) if some else iter(())


def moved(port: Port, form: Form) -> Iterator[Box]:
    """What says that an address of a pair is here now, and so must be heard on other hosts: gratuitous ARP, and
    advertisements to everybody."""
    mac = points([int.from_bytes(pack_mac(port.mac_address))])
    for pair in port.allowed_address_pairs:
        whole = "/" in pair.ip_address
        number = span_of(pair.ip_address)[0][1] - 1 if whole else ip_number(pair.ip_address)
        if form.name == "ARP" and version(pair.ip_address) == 4:
            there = points([number])
            fixed = points([0x000108000604])
            yield {"smac": mac, "sender_mac": mac, "fixed": fixed, "sender": there, "target": there}
        if form.name == "IPv6 with neighbour advertisement" and version(pair.ip_address) == 6:
            about = {name: points([value]) for name, value in pieces(form.fields["@th,64,128"], number).items()}
            own = {name: points([value]) for name, value in pieces(form.fields["ip6 saddr"], number).items()}
            said: Box = {"length": points([24]), "destination": points([ip_number("ff02::1")])}
            yield {"smac": mac, **said, **about, **own}
