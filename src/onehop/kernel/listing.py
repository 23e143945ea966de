"""What is known of the nftables tables of one namespace, and in which words nft lists them.

The kernel counts the transactions of a namespace (its generation). A listing is good for as long as that number
stays, and the step of one that our own transaction makes spoils only the tables in it. Where this version of nft lists
a table in other words than those it was loaded with, the words it was given are remembered for the words it gives,
learned only while the generation says that nobody was in between. So a table that somebody changed by hand is never
taken for ours, and one in other words is loaded once too often at most.

What fingerprints tell is kept in a file, so that an agent that starts need not list a thousand tables that nobody
touched. A fingerprint is of what the kernel holds now; the file says only what that reads like.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from onehop import __version__
from onehop.kernel.nft import Nftables
from onehop.log import logger
from onehop.objects import nftables
from onehop.objects.ruleset import Ruleset
from onehop.system import write_whole

LOG = logger("kernel")
Table = tuple[str, str]


class Listing:
    """What is known of one namespace's tables."""

    def __init__(self) -> None:
        self.generation = -1
        self.bodies: dict[Table, Ruleset] = {}
        self.loaded: dict[Table, tuple[int, Ruleset]] = {}
        """By table the generation after our own transaction, and what we sent."""
        self.suspects: set[Table] = set()
        """Tables that were once listed in words we did not know: read back after the next load to learn them."""
        self.words: dict[Table, tuple[Ruleset, Ruleset]] = {}
        """By table what was listed, and as it was declared."""
        self.prints: dict[Table, tuple[bytes, Ruleset]] = {}
        """By table a fingerprint that it had, and what it was then: as good as a listing wherever it is met again."""

    def drop(self, table: Table) -> None:
        """A table is another now."""
        for known in (self.bodies, self.loaded, self.words, self.prints):
            known.pop(table, None)

    def recognise(self, found: Mapping[Table, bytes]) -> None:
        """Take the tables that have a fingerprint which is known as listed."""
        for table, fingerprint in found.items():
            known = self.prints.get(table)
            if table not in self.bodies and known is not None and known[0] == fingerprint:
                self.bodies[table] = known[1]

    def learn(self, found: Mapping[Table, bytes]) -> bool:
        """Keep the fingerprints of what is listed, all of one moment; whether any is new."""
        new = {table: (print_, self.bodies[table]) for table, print_ in found.items() if table in self.bodies}
        changed = any(self.prints.get(table) != known for table, known in new.items())
        self.prints |= new
        return changed


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of the host's tables."""

    version: str
    cookie: int
    tables: list[tuple[bytes, Ruleset]]


def keep(path: Path, cookie: int, listing: Listing) -> None:
    """Write down what is known by fingerprints, for the next life. It is good to have and no more: failures are told.

    Args:
        path: where.
        cookie: of the namespace.
        listing: what is known of it.
    """
    kept = _Kept(version=__version__, cookie=cookie, tables=list(listing.prints.values()))
    try:
        write_whole(path, zlib.compress(msgspec.msgpack.encode(kept), 1))
    except OSError as error:
        LOG.warning("known tables could not be written down; the next start reads them all", error=str(error))


def recall(path: Path, cookie: int) -> Listing:
    """What was known of a namespace in an earlier life; nothing where that is of another, or cannot be read."""
    listing = Listing()
    try:
        kept = msgspec.msgpack.decode(zlib.decompress(path.read_bytes()), type=_Kept)
    except FileNotFoundError:
        return listing
    except (OSError, zlib.error, msgspec.DecodeError) as error:
        LOG.warning("known tables cannot be read; every table is listed", path=str(path), error=str(error))
        return listing
    if (kept.version, kept.cookie) == (__version__, cookie):
        listing.prints = {(one.family, one.table): (fingerprint, one) for fingerprint, one in kept.tables}
    return listing


def read(context: Nftables, listing: Listing, generation: int, namespace: str, table: Table) -> Ruleset:
    """List a table as it is now, in the words in which it was declared where these are known."""
    text = nftables.body_of(context.run(nftables.to_list(*table)))
    found = nftables.ruleset_of(namespace, *table, text)
    loaded = listing.loaded.pop(table, None)
    sent = None if loaded is None or loaded[0] != generation else canonical(loaded[1], namespace)
    if sent is not None and sent != found:
        listing.words[table] = (found, sent)
    listed, declared = listing.words.get(table, (None, found))
    if found == listed:
        return declared
    if sent == found:
        listing.suspects.discard(table)
    else:
        listing.suspects.add(table)
    return found


def canonical(sent: Ruleset, namespace: str) -> Ruleset:
    """What was sent, with the devices read off its text as of one that was found."""
    return msgspec.structs.replace(sent, namespace=namespace, devices=nftables.devices_of(sent.body))


def is_known(known: Ruleset | None, old: Ruleset) -> bool:
    """Whether what is known of a table is what was believed."""
    return known is not None and (known.counters, known.sets, known.body) == (old.counters, old.sets, old.body)


def named(ruleset: Ruleset, namespace: str) -> Ruleset:
    """The same, of a namespace that bears this name now."""
    if ruleset.namespace == namespace:
        return ruleset
    return msgspec.structs.replace(ruleset, namespace=namespace)
