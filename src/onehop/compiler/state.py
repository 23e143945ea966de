"""What one host's kernel should hold, by partition, with who wants it."""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.errors import CompileError
from onehop.model.topology import Ref
from onehop.net.identifier import PortId
from onehop.objects import KernelObject, Key


class Plug(msgspec.Struct, frozen=True):
    """A wish of this host's own: attach an instance to a port.

    Attributes:
        port_id: the port.
        netns: name of the instance's namespace under ``/run/netns``, or None for a tap device.
        device: the instance's name for its end, in `netns`.
    """

    port_id: PortId
    netns: str | None = None
    device: str = "eth0"


class Claim(msgspec.Struct, frozen=True):
    """One kernel object, and who wants it.

    Attributes:
        object: what should be there.
        feature: name of the compiler's feature that says so.
        resource: the resource that it is for, and that is ERROR when it fails.
    """

    object: KernelObject
    feature: str
    resource: Ref


class Partition(msgspec.Struct, frozen=True):
    """The part of a host's state that is compiled, observed and diffed on its own.

    Attributes:
        name: ``net/<network id>`` or ``router/<router id>``.
        claims: by the object's key.
        refused: resources that could not be compiled, with the reason.
    """

    name: str
    claims: Mapping[Key, Claim]
    refused: Mapping[Ref, str] = {}


HostState = Mapping[str, Partition]
"""Partition name → partition: everything that one host's kernel should hold."""


def merge(name: str, claims: Iterable[Claim], refused: Mapping[Ref, str]) -> Partition:
    """Put claims of several features together.

    Raises:
        CompileError: two claims of one key with different objects.
    """
    merged: dict[Key, Claim] = {}
    for claim in claims:
        other = merged.setdefault(claim.object.key, claim)
        if other.object != claim.object:
            raise CompileError(f"{other.feature} and {claim.feature} both claim {claim.object.key}")
    return Partition(name, merged, refused)
