"""What one host's kernel should hold, by partition, with who wants it."""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.errors import CompileError
from onehop.model.topology import Ref
from onehop.net.advertisement import Advertisement
from onehop.net.identifier import PortId
from onehop.net.naming import VXLAN_PORT
from onehop.objects import KernelObject, Key, Link, Ruleset
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Translations


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


class Local(msgspec.Struct, frozen=True):
    """What a host knows of itself, and the controller need not know.

    Attributes:
        plugs: instances attached here, by port.
        physical_networks: name of a physical network → name of an existing bridge of this host that leads to it.
        vxlan_port: UDP port of VXLAN.
    """

    plugs: Mapping[PortId, Plug] = {}
    physical_networks: Mapping[str, str] = {}
    vxlan_port: int = VXLAN_PORT


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One kernel object, and who wants it.

    Attributes:
        object: what should be there.
        feature: name of the compiler's feature that says so.
        resource: the resource that it is for, and that is ERROR when it fails.
    """

    object: KernelObject
    feature: str
    resource: Ref


class Refusal(msgspec.Struct, frozen=True):
    """A resource that cannot be compiled for this host, and why: it is ERROR, the others go on.

    Attributes:
        resource: kind and id.
        reason: one sentence for the operator.
        alone: nothing else depends on what is wrong: all that is of the resource or needs it goes on.
    """

    resource: Ref
    reason: str
    alone: bool = False


class Partition(msgspec.Struct, frozen=True):
    """The part of a host's state that is compiled, observed and diffed on its own.

    Attributes:
        name: ``net/<network id>``, ``router/<router id>``, ``gate/<router id>``, or ``host/security``.
        claims: by the object's key.
        refused: resources that could not be compiled, with the reason.
        flawed: resources that are as they should be, but cannot do all that they are for, with the reason.
        translations: of a router with a gateway: what its connections may be translated to and from.
        advertisements: of a router: what its legs tell instances, by link.
        admissions: of ``host/security``: which tracked connections the rules of today would let begin.
    """

    name: str
    claims: Mapping[Key, Claim]
    refused: Mapping[Ref, str] = {}
    flawed: Mapping[Ref, str] = {}
    translations: Translations | None = None
    advertisements: tuple[Advertisement, ...] = ()
    admissions: Admissions | None = None


HostState = Mapping[str, Partition]
"""Partition name → partition: everything that one host's kernel should hold."""


Wish = Claim | Refusal | Translations | Advertisement
"""What a feature may say of a partition."""


def merge(name: str, wishes: Iterable[Wish]) -> Partition:
    """Put what several features say of one partition together.

    Link names keep eleven characters of an id. Two resources whose links would have one name are told apart by the
    alias: the one with the later id is refused and nothing of it is made. (The store gives out no such ids.)

    Raises:
        CompileError: any other two claims of one key with different objects.
    """
    merged: dict[Key, Claim] = {}
    refused: dict[Ref, str] = {}
    flawed: dict[Ref, str] = {}
    clashed: set[Ref] = set()
    translations: Translations | None = None
    advertised: list[Advertisement] = []
    for wish in wishes:
        if type(wish) is Claim and merged.setdefault(wish.object.key, wish) is wish:  # nearly all
            continue
        if isinstance(wish, Translations):
            translations = wish
            continue
        if isinstance(wish, Advertisement):
            advertised.append(wish)
            continue
        if isinstance(wish, Refusal):
            (flawed if wish.alone else refused).setdefault(wish.resource, wish.reason)
            continue
        other = merged.setdefault(wish.object.key, wish)
        if other.object == wish.object:
            continue
        if not _name_clash(other, wish):
            raise CompileError(f"{other.feature} and {wish.feature} both claim {wish.object.key}")
        first, later = sorted((other, wish), key=lambda claim: claim.resource)
        merged[wish.object.key] = first
        clashed.add(later.resource)
        refused[later.resource] = f"its link would have the name of {first.resource[1]}'s: delete and recreate it"
    if clashed:
        merged = {key: claim for key, claim in merged.items() if claim.resource not in clashed}
    advertised.sort(key=lambda found: found.link)
    return Partition(name, merged, refused, flawed, translations, tuple(advertised))


def _name_clash(one: Claim, other: Claim) -> bool:
    if one.resource == other.resource:
        return False
    if isinstance(one.object, Link) and isinstance(other.object, Link):
        return one.object.alias != other.object.alias
    # A port's table is named after its link.
    return isinstance(one.object, Ruleset) and one.resource[0] == other.resource[0] == "port"
