"""What every kernel object is: an immutable value with the kernel's own key."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec

from onehop.objects.netlink import Found, Request

Key = tuple[str | int, ...]
"""``(kind, namespace, …)``: what the kernel itself uses to tell two objects of a kind apart."""

IndexOf = Callable[[str], int]
"""The index of a link of the object's namespace by name; raises where there is none."""


class KernelObject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value that says how one thing in the kernel should be, or was found.

    Every field holds the kernel's canonical form, so that ``==`` means "nothing to do". Links are spoken of by name.

    There are a hundred thousand of them on a full host, and none can be part of a cycle: they go without the garbage
    collector's header (``gc=False``).

    Attributes:
        namespace: name of the network namespace under ``/run/netns``; ``""`` is the host's own.
    """

    kind: ClassVar[str]
    namespace: str

    @property
    def key(self) -> Key:
        """The identity of the object; equal keys are the same thing in the kernel."""
        raise NotImplementedError


class Carried(KernelObject, frozen=True, kw_only=True):
    """An object that rtnetlink carries in one message each way.

    Deleting and creating again is how it changes, unless its kind knows something that disturbs less.
    """

    def to_create(self, index: IndexOf) -> Request:
        """The message that puts it there."""
        raise NotImplementedError

    def to_delete(self, index: IndexOf) -> Request:
        """The message that takes it away."""
        raise NotImplementedError

    def to_replace(self, old: "Carried", index: IndexOf) -> tuple[Request, ...]:
        """The messages that make `old` into this; both have the same key."""
        return old.to_delete(index), self.to_create(index)

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "Carried | None":
        """The object in one message of a dump, or None where it is not ours.

        Args:
            found: the message.
            namespace: where it was found.
            names: by index the links that are ours.
        """
        raise NotImplementedError
