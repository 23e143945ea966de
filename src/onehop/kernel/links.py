"""Reading links: what they are, and whose."""

from collections.abc import Iterable, Iterator, Mapping

from onehop.kernel.space import Space, Spaces
from onehop.net.naming import HOST, TRANSIT_PREFIX
from onehop.objects import Link, link_codec, netlink
from onehop.objects.link_codec import LinkRecord
from onehop.objects.netlink import Request


def _is_bare(space: Space, record: LinkRecord) -> bool:
    """Whether a link without a mark in a namespace of ours is a transit leg: it is marked after it was made there."""
    return space.name != HOST and record.kind == "vxlan" and record.name.startswith(TRANSIT_PREFIX)


class Links:
    """Reads links of namespaces; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def records(self, space: Space, names: frozenset[str] | None) -> Iterator[LinkRecord]:
        """The links of these names that are there, or all."""
        if names is None:
            for message in space.route.dump(netlink.GETLINK, link_codec.dump_body()):
                yield link_codec.record(message)
            return
        questions = (Request(netlink.GETLINK, 0, link_codec.by_name_body(name)) for name in sorted(names))
        for answer in space.route.ask(questions):
            if answer is not None:
                yield link_codec.record(answer)

    def record(self, space: Space, index: int) -> LinkRecord | None:
        """The link of an index, None where there is none."""
        answer = next(space.route.ask([Request(netlink.GETLINK, 0, link_codec.dump_body(index))]))
        return None if answer is None else link_codec.record(answer)

    def judged(
        self, space: Space, records: Iterable[LinkRecord], names: dict[int, str]
    ) -> Iterator[tuple[LinkRecord, Link | None]]:
        """Each but the loopback with the link that it is, or None where it is not ours.

        Args:
            space: where they are.
            records: as read.
            names: by index; those of masters are added.
        """
        records = [record for record in records if record.ifindex != link_codec.LOOPBACK]
        peers = self._peers(space, records, names)
        for record in records:
            peer = peers.get(record.ifindex)
            mine = record.marked or (not record.alias and (_is_bare(space, record) or (peer is not None and peer[2])))
            yield record, self._link(space, record, names, peer) if mine else None

    def _link(
        self, space: Space, record: LinkRecord, names: dict[int, str], peer: tuple[str, str, bool] | None
    ) -> Link | None:
        if record.master and record.master not in names:
            names[record.master] = space.link_name(record.master) or f"index {record.master}"
        return link_codec.link(record, space.name, names, ("", "") if peer is None else peer[:2])

    def _peers(
        self, space: Space, records: Iterable[LinkRecord], names: Mapping[int, str]
    ) -> dict[int, tuple[str, str, bool]]:
        """By index of each veth: namespace and name of its other end, and whether that carries our mark."""
        marks = {record.ifindex: record.marked for record in records}
        veths = [record for record in records if record.kind == "veth"]
        found = {}
        for record in veths:
            if record.nsid is None and record.lower in marks:
                found[record.ifindex] = (space.name, names[record.lower], marks[record.lower])
        rest = [record for record in veths if record.ifindex not in found and record.lower]
        if not rest:
            return found
        spaces = self._spaces.numbers.resolve(space, {record.nsid for record in rest if record.nsid is not None})
        questions = [
            link_codec.dump_body(record.lower)
            if record.nsid is None
            else link_codec.elsewhere_body(record.nsid, record.lower)
            for record in rest
        ]
        answers = space.route.ask(Request(netlink.GETLINK, 0, body) for body in questions)
        for record, answer in zip(rest, answers, strict=True):
            if answer is not None:
                where = space.name if record.nsid is None else spaces.get(record.nsid, f"number {record.nsid}")
                far = link_codec.record(answer)
                found[record.ifindex] = (where, far.name, far.marked)
        return found
