"""What is known of the nftables tables of one namespace, and in which words nft lists them.

The kernel counts the transactions of a namespace (its generation). A listing is good for as long as that number
stays, and the step of one that our own transaction makes spoils only the tables in it. Where this version of nft lists
a table in other words than those it was loaded with, the words it was given are remembered for the words it gives,
learned only while the generation says that nobody was in between. So a table that somebody changed by hand is never
taken for ours, and one in other words is loaded once too often at most.
"""

import msgspec

from onehop.kernel.nft import Nftables
from onehop.objects import nftables
from onehop.objects.ruleset import Ruleset

Table = tuple[str, str]
"""Family and name."""


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


def read(context: Nftables, listing: Listing, generation: int, namespace: str, table: Table) -> Ruleset:
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
    return known is not None and (known.sets, known.body) == (old.sets, old.body)


def named(ruleset: Ruleset, namespace: str) -> Ruleset:
    if ruleset.namespace == namespace:
        return ruleset
    return msgspec.structs.replace(ruleset, namespace=namespace)
