"""Plans, as plain values: what to do, in which order, and what became of it."""

from collections.abc import Mapping

import msgspec

from onehop.objects import KernelObject, Key


class Create(msgspec.Struct, frozen=True, tag="create", gc=False):
    """Put an object there that is not.

    A kernel may be kinder than a plan foresaw. So an address, neighbour, FDB entry, route, ruleset or setting that is
    there after all is replaced; a link, namespace or rule of that key is in the way (EEXIST).
    """

    object: KernelObject

    @property
    def key(self) -> Key:
        """Key of what it touches."""
        return self.object.key


class Replace(msgspec.Struct, frozen=True, tag="replace", gc=False):
    """Change an object in place; the kernel need not take it down for that. A route that has gone is put there."""

    old: KernelObject
    new: KernelObject

    @property
    def key(self) -> Key:
        """Key of what it touches."""
        return self.new.key


class Delete(msgspec.Struct, frozen=True, tag="delete", gc=False):
    """Take an object away that is ours. Where it has gone by itself there is nothing left to do."""

    object: KernelObject

    @property
    def key(self) -> Key:
        """Key of what it touches."""
        return self.object.key


Op = Create | Replace | Delete


class Plan(msgspec.Struct, frozen=True):
    """Ops in the order in which they work.

    Attributes:
        ops: what to do.
        blocked: what cannot be done, by key, with the reason (a foreign object has the name).
    """

    ops: tuple[Op, ...] = ()
    blocked: Mapping[Key, str] = {}

    def __bool__(self) -> bool:
        return bool(self.ops or self.blocked)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What to read from a kernel: one namespace, the part of it that hangs on some links, or single objects.

    Attributes:
        namespace: its name; ``""`` is the host's own.
        links: names of the links to read with their addresses, neighbours, FDB entries; None is all of the namespace.
        sysctls: paths to read; settings are only read where somebody asks.
        tables: (family, name) of the nftables tables to read; None is all of ours in the namespace.
        keys: the objects to read, all of this namespace; then the others are not looked at, whatever the fields above
            say. None is no choice. A few cost the same however much the host holds.
    """

    namespace: str
    links: frozenset[str] | None = None
    sysctls: frozenset[str] = frozenset()
    tables: frozenset[tuple[str, str]] | None = None
    keys: frozenset[Key] | None = None


class Observation(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        objects: ours, by key.
        foreign: keys of links and namespaces that are there and not ours, so that nobody plans to create them.
    """

    objects: Mapping[Key, KernelObject] = {}
    foreign: frozenset[Key] = frozenset()


class Failure(msgspec.Struct, frozen=True):
    """An op that the kernel refused.

    Attributes:
        op: what was asked.
        errno: positive, or 0 where there was none.
        reason: one sentence for a person.
    """

    op: Op
    errno: int
    reason: str


class Report(msgspec.Struct, frozen=True):
    """What became of a plan; every op is in exactly one of the three.

    Attributes:
        done: carried out, in order.
        failed: refused by the kernel.
        skipped: not tried, because something they need failed.
    """

    done: tuple[Op, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: tuple[Op, ...] = ()
