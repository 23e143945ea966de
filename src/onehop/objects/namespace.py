"""A network namespace that is ours."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Namespace(KernelObject, frozen=True, kw_only=True):
    """A namespace bound under ``/run/netns``, with its loopback up.

    The mark is the alias of its ``lo`` and is set before the namespace gets its name, so that whoever sees the name
    can tell whose it is.

    Attributes:
        mark: see `onehop.net.naming.mark`.
        up: whether its loopback is; without it a router answers nobody at its own addresses.
    """

    kind: ClassVar[str] = "namespace"
    mark: str
    up: bool = True

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace)
