"""What every kernel object is: an immutable value with the kernel's own key."""

from typing import ClassVar

import msgspec

Key = tuple[str | int, ...]
"""``(kind, namespace, …)``: what the kernel itself uses to tell two objects of a kind apart."""


class KernelObject(msgspec.Struct, frozen=True, kw_only=True):
    """A value that says how one thing in the kernel should be, or was found.

    Every field holds the kernel's canonical form, so that ``==`` means "nothing to do". Links are spoken of by name.

    Attributes:
        namespace: name of the network namespace under ``/run/netns``; ``""`` is the host's own.
    """

    kind: ClassVar[str]
    namespace: str

    @property
    def key(self) -> Key:
        """The identity of the object; equal keys are the same thing in the kernel."""
        raise NotImplementedError
