"""Checks a history afterwards. Each rule gives sentences about what broke it; none is a history that may have happened.

Only what is certain counts: an operation without an answer may have happened at any time after it began, or never.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

from tests.controllers.history import NEVER, Block, Final, Operation, Sight

Stay = tuple[float, float, str]
"""From when until when a port certainly had an address, and the port."""


def violations(operations: Sequence[Operation], final: Final, sights: Sequence[Sight]) -> list[str]:
    """Everything that cannot be, in sentences; empty for a history that is right."""
    return [
        *lost_writes(operations, final),
        *wrong_names(operations, final),
        *shared_addresses(operations, final),
        *shared_blocks(sights),
        *two_owners(sights),
        *steps_back(sights),
        *skipped_revisions(operations, final, sights),
    ]


def lost_writes(operations: Sequence[Operation], final: Final) -> Iterator[str]:
    """What was acknowledged as made is there unless somebody asked to delete it; what was deleted stays away."""
    asked = {one.port for one in operations if one.kind == "delete"}
    gone = {one.port for one in operations if one.kind == "delete" and one.acknowledged}
    for one in operations:
        if one.kind == "create" and one.acknowledged and one.port not in asked and one.port not in final.names:
            yield f"port {one.port} was acknowledged as made and is not there"
    for port in sorted(gone & final.names.keys()):
        yield f"port {port} was acknowledged as deleted and is there"


def wrong_names(operations: Sequence[Operation], final: Final) -> Iterator[str]:
    """Each read, and what is there in the end, is a write that no later one had certainly replaced."""
    written = defaultdict(list)
    deletes = {one.port: one for one in operations if one.kind == "delete"}
    for one in operations:
        if one.kind in ("create", "rename") and one.port:
            written[one.port].append(one)
    ends = [
        Operation(kind="read", port=port, name=name, begin=NEVER)
        for port, name in final.names.items()
        if port in written
    ]
    for read in [*(one for one in operations if one.kind == "read"), *ends]:
        writes = written[read.port]
        if not read.name:
            yield from _missed(read, writes, deletes.get(read.port))
            continue
        source = next((one for one in writes if one.name == read.name), None)
        if source is None:
            yield f"port {read.port} was read as {read.name}, which nobody wrote"
        elif source.begin > read.end:
            yield f"port {read.port} was read as {read.name} before that was written"
        elif any(source.end < one.begin and one.end < read.begin for one in writes):
            yield f"port {read.port} was read as {read.name} after a later name was acknowledged"
        else:
            delete = deletes.get(read.port)
            if delete is not None and delete.end < read.begin < NEVER:
                yield f"port {read.port} was read as {read.name} after its deletion was acknowledged"


def _missed(read: Operation, writes: Sequence[Operation], delete: Operation | None) -> Iterator[str]:
    made = next((one for one in writes if one.kind == "create"), None)
    if made is not None and made.end < read.begin and (delete is None or delete.begin > read.end):
        yield f"port {read.port} was not found after it was acknowledged as made"


def shared_addresses(operations: Sequence[Operation], final: Final) -> Iterator[str]:
    """No two ports have an address at the same time; what a port was given it still has in the end."""
    deleted = {one.port: one.begin for one in operations if one.kind == "delete"}
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    known = set()
    for one in operations:
        if one.kind != "create" or not one.acknowledged:
            continue
        known.add(one.port)
        if one.port in final.addresses and sorted(final.addresses[one.port]) != sorted(one.addresses):
            yield f"port {one.port} has other addresses than it was given"
        for given in one.addresses:
            stays[given].append((one.end, deleted.get(one.port, NEVER), one.port))
    for port in final.addresses.keys() - known:
        for given in final.addresses[port]:
            stays[given].append((NEVER, NEVER, port))
    for (_, ip), found in stays.items():
        found.sort()
        for place, (_, until, port) in enumerate(found):
            for since, _, other in found[place + 1 :]:
                if since < until or (since == until == NEVER):
                    yield f"ports {port} and {other} have address {ip} at the same time"


def shared_blocks(sights: Iterable[Sight]) -> Iterator[str]:
    """No source port of a router's address is ever two hosts': none was given back for long enough."""
    holders: dict[tuple[str, str, int, int], str] = {}
    told = set()
    for sight in sights:
        for router, blocks in sight.blocks.items():
            for block in blocks:
                key = (router, block.address, block.first, block.size)
                if holders.setdefault(key, block.host) != block.host:
                    told.add(f"router {router}: {_range(block)} was given to {holders[key]} and to {block.host}")
            for one, other in _overlaps(blocks):
                told.add(f"router {router}: {_range(one)} of {one.host} overlaps {_range(other)} of {other.host}")
    yield from sorted(told)


def _overlaps(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    ordered = sorted(blocks, key=lambda block: (block.address, block.first))
    for place, one in enumerate(ordered[1:]):
        before = ordered[place]
        if before.address == one.address and one.first < before.first + before.size:
            yield before, one


def _range(block: Block) -> str:
    return f"{block.address} {block.first} to {block.first + block.size - 1}"


def two_owners(sights: Iterable[Sight]) -> Iterator[str]:
    """A generation of a router has one owner, whoever told it to whom."""
    owners: dict[tuple[str, int], str] = {}
    told = set()
    for sight in sights:
        for reign in sight.reigns:
            key = (reign.router, reign.generation)
            if owners.setdefault(key, reign.owner) != reign.owner:
                told.add(f"router {key[0]}: generation {key[1]} has owners {owners[key]} and {reign.owner}")
    yield from sorted(told)


def steps_back(sights: Iterable[Sight]) -> Iterator[str]:
    """An agent never goes back to an older revision, nor to an older generation; sights are in an agent's order."""
    revisions: dict[str, int] = {}
    generations: dict[tuple[str, str], int] = {}
    for sight in sights:
        if sight.revision < revisions.get(sight.host, 0):
            yield f"{sight.host} went back from revision {revisions[sight.host]} to {sight.revision}"
        revisions[sight.host] = sight.revision
        for reign in sight.reigns:
            key = (sight.host, reign.router)
            if reign.generation < generations.get(key, 0):
                yield f"{sight.host} went back to generation {reign.generation} of router {reign.router}"
            generations[key] = reign.generation


def skipped_revisions(operations: Sequence[Operation], final: Final, sights: Iterable[Sight]) -> Iterator[str]:
    """At each revision that an agent is told to be whole, its view has all ports of its networks, and no others.

    A host is sent the ports of a network as long as one of them is bound there.
    """
    places = {one.port: (one.network, one.host) for one in operations if one.kind == "create" and one.port}
    places.update(final.places)
    live: set[str] = set()
    entries = deque(entry for entry in final.log if entry.port in places)
    for sight in sorted(sights, key=lambda sight: sight.revision):
        while entries and entries[0].revision <= sight.revision:
            entry = entries.popleft()
            (live.discard if entry.deleted else live.add)(entry.port)
        if sight.ports is None:
            continue
        seen = {network for network, host in map(places.__getitem__, live) if host == sight.host}
        wanted = {port for port in live if places[port][0] in seen}
        for port in sorted(wanted - sight.ports):
            yield f"{sight.host} was told that it has revision {sight.revision}, but lacks port {port}"
        for port in sorted(sight.ports - wanted):
            yield f"{sight.host} was told that it has revision {sight.revision}, but still has port {port}"
