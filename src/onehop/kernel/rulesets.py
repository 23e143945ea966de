"""nftables tables of ours: loaded as text, read back as text, and read only where something changed.

Where only elements of sets and maps differ, these are sent alone, packed by us (`onehop.objects.set_element`), for all
tables of the namespace in one transaction; where rules differ, only chains that differ are filled anew
(`onehop.objects.nftables_change`); what changes a hook replaces the table as a whole.

What is known of the tables is good for as long as the namespace's generation says (`onehop.kernel.listing`). Where a
namespace holds many tables, and another hand moved its generation, they are known again by their fingerprints
(`onehop.kernel.fingerprint`), and only those that changed are listed.
"""

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from struct import pack, unpack_from

from onehop.errors import IdentifierError, KernelError
from onehop.kernel import syscall
from onehop.kernel.fingerprint import fingerprints
from onehop.kernel.listing import Listing, Table, canonical, is_known, keep, named, read, recall
from onehop.kernel.nft import Nftables
from onehop.kernel.space import Space
from onehop.net.naming import HOST
from onehop.objects import netlink, nftables, nftables_change, set_element
from onehop.objects.netlink import Request
from onehop.objects.ruleset import Ruleset

_GETTABLE, _DELTABLE, _GETGEN = 0x0A01, 0x0A02, 0x0A10
_NFTABLES = 10
_GEN_ID, _TABLE_NAME = 1, 1
_GENERIC = b"\0\0\0\0"  # nfgenmsg: family, version, resource
_KEPT_NAMESPACES = 4096
MANY = 32
"""After so many tables memory is given back: it takes a millisecond. So many are worth a look at their fingerprints."""

Change = tuple[Ruleset | None, Ruleset]
"""What is believed to be there, and what is to be."""


class Rulesets:
    """The nftables of every namespace, by what the last look said.

    Args:
        known: file for what is known of the host's tables; None keeps nothing.
    """

    def __init__(self, known: Path | None = None) -> None:
        self._known = known
        self._listings: dict[int, Listing] = {}
        self._handled = 0

    def rest(self) -> None:
        """Give memory back: libnftables takes half a MiB for a table, and the C library keeps what it frees."""
        if self._handled >= MANY:
            self._handled = 0
            syscall.give_back_memory()

    def forget(self, space: Space) -> None:
        """Drop what is known of a namespace that goes."""
        self._listings.pop(space.cookie, None)

    def load(self, space: Space, wanted: Sequence[Change]) -> list[KernelError | IdentifierError | None]:
        """Put tables there as declared; say for each why that was refused, or None.

        What was refused is as before. Elements go first and together. New tables go in one transaction, because every
        transaction makes libnftables read the chains of all tables that the namespace holds.

        Args:
            space: the namespace.
            wanted: tables, each with what is believed to be there now, or None.

        Raises:
            KernelError: the namespace's nftables cannot be asked.
        """
        self._handled += len(wanted)
        done = self._change_elements(space, [(old, new) for old, new in wanted if old and old.has_structure_of(new)])
        done |= self._change_rules(
            space, [(old, new) for old, new in wanted if old and (new.family, new.table) not in done]
        )
        whole = [new for _, new in wanted if (new.family, new.table) not in done]
        there = set(self._tables(space, [(one.family, one.table) for one in whole]))
        fresh = [one for one in whole if (one.family, one.table) not in there]
        if len(fresh) > 1 and self._attempt(space, fresh, anew=False) is None:
            fresh = []
        alone = {(one.family, one.table) for one in fresh} | there
        return [
            # Deleting even an empty table makes the kernel wait for all its readers, some 40 ms.
            self._attempt(space, [one], anew=table in there) if (table := (one.family, one.table)) in alone else None
            for _, one in wanted
        ]

    def _change_elements(self, space: Space, changes: Sequence[tuple[Ruleset, Ruleset]]) -> set[Table]:
        """Change elements in place; returns the tables that were. What is there may be another than was believed."""
        if not changes:
            return set()
        try:
            requests = [request for old, new in changes for request in set_element.to_change(old, new)]
        except IdentifierError:
            return set()  # an element by somebody else's hand that we cannot name
        if not requests:
            return set()

        def send() -> None:
            refusal = space.netfilter.transact(_NFTABLES, requests)
            if refusal is not None:
                raise KernelError(f"elements were refused: {os.strerror(refusal.errno)}", refusal.errno)

        try:
            self._change(space, {(new.family, new.table): new for _, new in changes}, send, [old for old, _ in changes])
        except KernelError:
            return set()  # what is there is not what was believed, or is too much for one message
        return {(new.family, new.table) for _, new in changes}

    def _change_rules(self, space: Space, changes: Sequence[tuple[Ruleset, Ruleset]]) -> set[Table]:
        """Change rules in place, table by table; returns the tables that were."""
        done: set[Table] = set()
        for old, new in changes:
            try:
                commands = nftables_change.to_change(old, new)
                if commands is not None:
                    self._change(space, {(new.family, new.table): new}, partial(_run, space, commands), [old])
                    done.add((new.family, new.table))
            except (KernelError, IdentifierError):
                # What is there is not what was believed, or it is refused: replacing the table does it, or says why.
                continue
        return done

    def _attempt(self, space: Space, wanted: Sequence[Ruleset], anew: bool) -> KernelError | IdentifierError | None:
        """One transaction; why it was refused."""
        try:
            commands = nftables.to_load(wanted, anew)
            self._change(space, {(one.family, one.table): one for one in wanted}, lambda: _run(space, commands))
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

    def _change(
        self,
        space: Space,
        tables: Mapping[Table, Ruleset | None],
        work: Callable[[], object],
        built_on: Iterable[Ruleset] = (),
    ) -> None:
        """Do something that changes tables, each into another or none, and note what is known of them afterwards.

        Where it builds on what is there, the outcome is known only if that was.
        """
        listing = self._listing(space)
        before = self._generation(space)
        unknown = {
            (old.family, old.table)
            for old in built_on
            if listing.generation != before or not is_known(listing.bodies.get((old.family, old.table)), old)
        }
        work()
        after = self._generation(space)
        for table in tables:
            listing.drop(table)
        alone = after == before + 1
        if not alone:
            return
        if listing.generation == before:
            # Nobody else was in between, so what we knew of the other tables still holds.
            listing.loaded = {key: (after, text) for key, (_, text) in listing.loaded.items()}
        else:
            listing.bodies = {}
        listing.generation = after
        for table, wanted in tables.items():
            if wanted is None or table in unknown:
                continue
            if table in listing.suspects:
                listing.loaded[table] = (after, wanted)
            else:
                # The kernel took the whole transaction, and its generation says that nobody came after us.
                listing.bodies[table] = canonical(wanted, space.name)

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
        fresh = self._recognise(space, listing, wanted, tables is None)
        missing = [table for table in wanted if table not in listing.bodies]
        if missing:
            self._handled += len(missing)
            space.enter()
            context = Nftables()
            try:
                for table in missing:
                    listing.bodies[table] = read(context, listing, generation, space.name, table)
            finally:
                context.close()
        if (missing or fresh) and self._generation(space) != generation:
            listing.bodies = {}
            raise KernelError("nftables changed while it was read; try again", errno.EINTR)
        if listing.learn(fresh) and self._known is not None and space.name == HOST:
            keep(self._known, space.cookie, listing)
        return [named(listing.bodies[table], space.name) for table in wanted]

    def _recognise(self, space: Space, listing: Listing, tables: Sequence[Table], all_: bool) -> dict[Table, bytes]:
        """Know those tables that are as they were by their fingerprints; returns these, to be learned.

        Only where it is worth while: many are unknown, or all of many are looked at, which is rare.
        """
        asked = [table for table in tables if table not in listing.bodies]
        if all_ and len(tables) >= MANY:
            asked = [table for table in tables if table not in listing.bodies or table not in listing.prints]
        elif len(asked) < MANY:
            return {}
        self._handled += len(asked)
        found = fingerprints(space, asked) if asked else {}
        listing.recognise(found)
        return found

    def _listing(self, space: Space) -> Listing:
        if len(self._listings) > _KEPT_NAMESPACES and space.cookie not in self._listings:
            self._listings.clear()
        if space.cookie not in self._listings:
            path = self._known if space.name == HOST else None
            self._listings[space.cookie] = Listing() if path is None else recall(path, space.cookie)
        return self._listings[space.cookie]

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
    refusal = space.netfilter.transact(_NFTABLES, [Request(_DELTABLE, 0, _question(*table))])
    if refusal is not None and refusal.errno != errno.ENOENT:
        raise KernelError(f"could not be deleted: {os.strerror(refusal.errno)} {refusal.text}".rstrip(), refusal.errno)


def _run(space: Space, commands: str) -> str:
    space.enter()
    context = Nftables()
    try:
        return context.run(commands)
    finally:
        context.close()
