"""A per-namespace kernel setting under ``/proc/sys/net``."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Sysctl(KernelObject, frozen=True, kw_only=True):
    """One setting.

    A setting is never deleted: where it is no longer wanted its namespace or link goes too.

    Attributes:
        path: below ``/proc/sys/``, with slashes: ``net/ipv4/ip_forward``.
        value: the text as read back, without the newline.
        link: name of the link the setting belongs to (``net/ipv4/conf/<link>/…``), or None.
    """

    kind: ClassVar[str] = "sysctl"
    path: str
    value: str
    link: str | None = None

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.path)


_NOT_LINKS = frozenset({"all", "default", "lo"})


def link_of(path: str) -> str | None:
    """The link that a setting belongs to by its path, or None where it is the namespace's."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in ("conf", "neigh") and parts[3] not in _NOT_LINKS:
        return parts[3]
    return None
