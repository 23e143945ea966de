"""nftables tables of ours: loaded as text, read back as text, and read only where something changed.

The kernel counts the transactions of a namespace (its generation). A listing is good for as long as that number
stays, and the step of one that our own transaction makes spoils only the tables in it. Where this version of nft lists
a table in other words than those it was loaded with, the words it was given are remembered for the words it gives,
learned only while the generation says that nobody was in between. So a table that somebody changed by hand is never
taken for ours, and one in other words is loaded once too often at most.
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from struct import pack, unpack_from

import msgspec

from onehop.errors import IdentifierError, KernelError
from onehop.kernel import syscall
from onehop.kernel.nft import Nftables
from onehop.kernel.space import Space
from onehop.objects import netlink, nftables
from onehop.objects.netlink import Request
from onehop.objects.ruleset import Ruleset

_GETTABLE, _DELTABLE, _GETGEN = 0x0A01, 0x0A02, 0x0A10
_NFTABLES = 10
_GEN_ID, _TABLE_NAME = 1, 1
_GENERIC = b"\0\0\0\0"  # nfgenmsg: family, version, resource
_KEPT_NAMESPACES = 4096
_MANY = 32
"""After so many tables memory is given back: it takes a millisecond."""

Table = tuple[str, str]


class _Listing:
    """What is known of one namespace's tables."""

    def __init__(self) -> None:
        self.generation = -1
        self.bodies: dict[Table, Ruleset] = {}
        self.loaded: dict[Table, tuple[int, str]] = {}
        """By table the generation after our own transaction, and the body we sent."""
        self.suspects: set[Table] = set()
        """Tables that were once listed in words we did not know: read back after the next load to learn them."""
        self.words: dict[Table, tuple[str, str]] = {}
        """By table the body as listed, and as declared."""


class Rulesets:
    """The nftables of every namespace, by what the last look said."""

    def __init__(self) -> None:
        self._listings: dict[int, _Listing] = {}
        self._handled = 0

    def rest(self) -> None:
        """Give memory back: libnftables takes half a MiB for a table, and the C library keeps what it frees."""
        if self._handled >= _MANY:
            self._handled = 0
            syscall.give_back_memory()

    def forget(self, space: Space) -> None:
        """Drop what is known of a namespace that goes."""
        self._listings.pop(space.cookie, None)

    def load(self, space: Space, wanted: Sequence[Ruleset]) -> list[KernelError | IdentifierError | None]:
        """Put tables there as declared; say for each why that was refused, or None.

        What was refused is as before. New tables go in one transaction, because every transaction makes libnftables
        read the chains of all tables that the namespace holds.

        Raises:
            KernelError: the namespace's nftables cannot be asked.
        """
        self._handled += len(wanted)
        there = set(self._tables(space, [(one.family, one.table) for one in wanted]))
        new = [one for one in wanted if (one.family, one.table) not in there]
        if len(new) > 1 and self._attempt(space, new, anew=False) is None:
            new = []
        alone = {(one.family, one.table) for one in new} | there
        return [
            # Deleting even an empty table makes the kernel wait for all its readers, some 40 ms.
            self._attempt(space, [one], anew=table in there) if (table := (one.family, one.table)) in alone else None
            for one in wanted
        ]

    def _attempt(self, space: Space, wanted: Sequence[Ruleset], anew: bool) -> KernelError | IdentifierError | None:
        """One transaction; why it was refused."""
        try:
            commands = nftables.to_load(wanted, anew)
            bodies = {(one.family, one.table): one.body for one in wanted}
            self._change(space, bodies, lambda: _run(space, commands))
        except (KernelError, IdentifierError) as error:
            return error
        return None

    def delete(self, space: Space, unwanted: Ruleset) -> None:
        """Take a table away; none there is as good.

        Raises:
            KernelError: refused.
            IdentifierError: its name is not ours.
        """
        table = (unwanted.family, unwanted.table)
        nftables.check_table(*table)
        self._change(space, {table: None}, lambda: _delete(space, table))

    def _change(self, space: Space, tables: Mapping[Table, str | None], work: Callable[[], object]) -> None:
        """Do something that changes tables, each into a body or None, and note what is known of them afterwards."""
        listing = self._listing(space)
        before = self._generation(space)
        work()
        after = self._generation(space)
        for table in tables:
            listing.bodies.pop(table, None)
            listing.loaded.pop(table, None)
            listing.words.pop(table, None)
        alone = after == before + 1
        if not alone:
            return
        if listing.generation == before:
            # Nobody else was in between, so what we knew of the other tables still holds.
            listing.loaded = {key: (after, text) for key, (_, text) in listing.loaded.items()}
        else:
            listing.bodies = {}
        listing.generation = after
        for table, body in tables.items():
            if body is not None and table in listing.suspects:
                listing.loaded[table] = (after, body)
            elif body is not None:
                # The kernel took the whole transaction, and its generation says that nobody came after us.
                listing.bodies[table] = _ruleset(space.name, table, body)

    def observe(self, space: Space, tables: frozenset[Table] | None) -> list[Ruleset]:
        """Our tables that are there.

        Args:
            space: the namespace.
            tables: which ones (family, name); None is all of ours.

        Raises:
            KernelError: they could not be read.
        """
        generation = self._generation(space)
        listing = self._listing(space)
        if listing.generation != generation:
            listing.generation, listing.bodies = generation, {}
        wanted = self._tables(space, None if tables is None else sorted(tables))
        missing = [table for table in wanted if table not in listing.bodies]
        if missing:
            self._handled += len(missing)
            space.enter()
            context = Nftables()
            try:
                for table in missing:
                    listing.bodies[table] = _read(context, listing, generation, space.name, table)
            finally:
                context.close()
            if self._generation(space) != generation:
                listing.bodies = {}
                raise KernelError("nftables changed while it was read; try again", errno.EINTR)
        return [_named(listing.bodies[table], space.name) for table in wanted]

    def _listing(self, space: Space) -> _Listing:
        if len(self._listings) > _KEPT_NAMESPACES and space.cookie not in self._listings:
            self._listings.clear()
        return self._listings.setdefault(space.cookie, _Listing())

    def _generation(self, space: Space) -> int:
        answer = next(space.netfilter.ask([Request(_GETGEN, 0, _GENERIC)]))
        if answer is None:
            raise KernelError("the kernel has no nftables (CONFIG_NF_TABLES)")
        values = netlink.attributes(answer.data, answer.start + 4, answer.end)
        return int.from_bytes(values[_GEN_ID], "big")

    def _tables(self, space: Space, asked: Sequence[Table] | None) -> list[Table]:
        """Those of our tables that are there, or of those asked for."""
        if asked is not None:
            known = [table for table in asked if table[0] in nftables.FAMILIES and nftables.is_ours(table[1])]
            answers = space.netfilter.ask(Request(_GETTABLE, 0, _question(*table)) for table in known)
            return [table for table, answer in zip(known, answers, strict=True) if answer is not None]
        found = []
        for message in space.netfilter.dump(_GETTABLE, _GENERIC):
            family = nftables.FAMILY_NAMES.get(unpack_from("=B", message.data, message.start)[0])
            values = netlink.attributes(message.data, message.start + 4, message.end)
            name = netlink.string(values.get(_TABLE_NAME, b""))
            if family is not None and nftables.is_ours(name):
                found.append((family, name))
        return found


def _question(family: str, table: str) -> bytes:
    return pack("=BBH", nftables.FAMILIES[family], 0, 0) + netlink.text(_TABLE_NAME, table)


def _delete(space: Space, table: Table) -> None:
    refusal = space.netfilter.transact(_NFTABLES, Request(_DELTABLE, 0, _question(*table)))
    if refusal is not None and refusal.errno != errno.ENOENT:
        raise KernelError(f"could not be deleted: {os.strerror(refusal.errno)} {refusal.text}".rstrip(), refusal.errno)


def _run(space: Space, commands: str) -> str:
    space.enter()
    context = Nftables()
    try:
        return context.run(commands)
    finally:
        context.close()


def _read(context: Nftables, listing: _Listing, generation: int, namespace: str, table: Table) -> Ruleset:
    body = nftables.body_of(context.run(nftables.to_list(*table)))
    loaded = listing.loaded.pop(table, None)
    if loaded is not None and loaded[0] == generation and loaded[1] != body:
        listing.words[table] = (body, loaded[1])
    listed, declared = listing.words.get(table, ("", ""))
    if body == listed:
        return _ruleset(namespace, table, declared)
    if loaded is not None and loaded[1] == body:
        listing.suspects.discard(table)
    else:
        listing.suspects.add(table)
    return _ruleset(namespace, table, body)


def _ruleset(namespace: str, table: Table, body: str) -> Ruleset:
    family, name = table
    return Ruleset(namespace=namespace, family=family, table=name, body=body, devices=nftables.devices_of(body))


def _named(ruleset: Ruleset, namespace: str) -> Ruleset:
    if ruleset.namespace == namespace:
        return ruleset
    return msgspec.structs.replace(ruleset, namespace=namespace)
