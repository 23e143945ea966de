"""Reading single objects by their keys: what that costs does not depend on what else the host holds.

A dump walks all links of a namespace, or all neighbours of the machine, whatever it is filtered by; a question for one
entry (RTM_GET* without NLM_F_DUMP) is looked up.
"""

from collections.abc import Collection, Iterator

from onehop.kernel import setting
from onehop.kernel.links import Links
from onehop.kernel.rulesets import Rulesets
from onehop.kernel.space import Space
from onehop.net.address import pack, version
from onehop.objects import (
    ALL_ZERO,
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    Ruleset,
    Sysctl,
    VxlanFdb,
    netlink,
)
from onehop.objects.link_codec import LinkRecord
from onehop.objects.neighbour import NDA_DST, NDA_MASTER, NDMSG, NTF_SELF, lladdr
from onehop.objects.netlink import Found, Request

_ON_LINKS = frozenset({Link.kind, Neighbour.kind, BridgeFdb.kind, VxlanFdb.kind})
_ASKED = _ON_LINKS | {Namespace.kind, Ruleset.kind, Sysctl.kind}


def can_be_asked(key: Key) -> bool:
    """Whether the kernel answers a question for this object alone.

    Not for the VTEPs of the all-zero MAC, of which it tells the first, and not for what has no such question.
    """
    return key[0] in _ASKED and not (key[0] == VxlanFdb.kind and key[3] == ALL_ZERO)


class Singles:
    """Single objects of one namespace.

    Args:
        space: the namespace; the host's own or one that is ours.
        links: reads them.
        rulesets: reads them.
        inside: it is not the host's own.
    """

    def __init__(self, space: Space, links: Links, rulesets: Rulesets, inside: bool) -> None:
        self._space = space
        self._links = links
        self._rulesets = rulesets
        self._inside = inside
        self._names: dict[int, str] = {}
        self._records: dict[str, LinkRecord] = {}
        self._ours: set[str] = set()

    def read(self, keys: Collection[Key], foreign: set[Key]) -> Iterator[KernelObject]:
        """Those that are there and ours; what is asked for and somebody else's is put into `foreign`."""
        space = self._space
        yield from self._read_links(keys, foreign)
        asked = [(key, question) for key in sorted(keys) if (question := self._question(key)) is not None]
        answers = space.route.ask(Request(netlink.GETNEIGH, 0, body) for _, body in asked)
        for (key, _), answer in zip(asked, answers, strict=True):
            found = None if answer is None else self._decoded(key, answer)
            if found is not None and found.key == key:
                yield found
        tables = frozenset((str(key[2]), str(key[3])) for key in keys if key[0] == Ruleset.kind)
        if tables:
            yield from self._rulesets.observe(space, tables)
        settings = [str(key[2]) for key in keys if key[0] == Sysctl.kind]
        if settings:
            space.enter()
            yield from setting.read(space.name, settings)

    def _read_links(self, keys: Collection[Key], foreign: set[Key]) -> Iterator[Link]:
        """The links that are asked for; those that others hang on are looked at too."""
        wanted = frozenset(str(key[2]) for key in keys if key[0] in _ON_LINKS)
        self._records = {record.name: record for record in self._links.records(self._space, wanted)}
        self._names = {record.ifindex: record.name for record in self._records.values()}
        if self._inside:
            self._ours.add("lo")
        for record, link in self._links.judged(self._space, self._records.values(), self._names):
            key: Key = (Link.kind, self._space.name, record.name)
            if link is not None:
                self._ours.add(record.name)
                if key in keys:
                    yield link
            elif key in keys:
                foreign.add(key)

    def _question(self, key: Key) -> bytes | None:
        """Body of RTM_GETNEIGH for a neighbour or FDB entry; None where it cannot be there, or is something else."""
        record = self._records.get(str(key[2])) if key[0] in _ON_LINKS else None
        if record is None:
            return None
        match key:
            case (Neighbour.kind, _, name, str(address)) if name in self._ours and not record.master:
                family = netlink.FAMILY[version(address)]
                header = NDMSG.pack(family, record.ifindex, 0, 0, 0)
                return header + netlink.attribute(NDA_DST, pack(address))
            case (BridgeFdb.kind, _, _, str(mac)):
                master = netlink.u32(NDA_MASTER, record.ifindex)
                return NDMSG.pack(netlink.AF_BRIDGE, 0, 0, 0, 0) + master + lladdr(mac)
            case (VxlanFdb.kind, _, name, str(mac), *_) if name in self._ours and record.kind == "vxlan":
                return NDMSG.pack(netlink.AF_BRIDGE, record.ifindex, 0, NTF_SELF, 0) + lladdr(mac)
            case _:
                return None

    def _decoded(self, key: Key, answer: Found) -> KernelObject | None:
        name, names = self._space.name, self._names
        if key[0] == Neighbour.kind:
            return Neighbour.decode(answer, name, names)
        if key[0] == VxlanFdb.kind:
            return VxlanFdb.decode(answer, name, names)
        port = NDMSG.unpack_from(answer.data, answer.start)[1]
        if port not in names:
            names[port] = self._space.link_name(port) or f"index {port}"
        found = BridgeFdb.decode(answer, name, names)
        return found if found is not None and (found.bridge in self._ours or self._is_ours(port)) else None

    def _is_ours(self, index: int) -> bool:
        """Whether a port on somebody else's bridge is ours: then what that bridge knows of it is ours too."""
        record = self._links.record(self._space, index)
        judged = self._links.judged(self._space, () if record is None else (record,), self._names)
        return any(link is not None for _, link in judged)
