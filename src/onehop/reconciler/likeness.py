"""When what was found can become what is wanted without going away first."""

from onehop.net.address import version
from onehop.objects import Address, Bridge, KernelObject, Link, Veth, Vxlan


def changes_in_place(found: KernelObject, wanted: KernelObject) -> bool:
    """Whether the kernel can turn `found` into `wanted`, which has the same key, without taking it away.

    It cannot change what a link is, but for how a bridge works, and a VXLAN device's learning and local address within
    its family (``vxlan_nl2conf`` refuses another VNI, port or family). An address keeps its scope
    (``inet_rtm_newaddr`` changes lifetimes and flags only), and the loss of its connected route.
    """
    if isinstance(found, Link) and isinstance(wanted, Link):
        return _same_device(found, wanted)
    if isinstance(found, Address) and isinstance(wanted, Address):
        return (found.scope, found.connected) == (wanted.scope, wanted.connected)
    return True


def _same_device(found: Link, wanted: Link) -> bool:
    here, there = found.spec, wanted.spec
    if isinstance(here, Veth) and isinstance(there, Veth):
        return here.peer_namespace == there.peer_namespace and here.peer_name == there.peer_name
    if isinstance(here, Vxlan) and isinstance(there, Vxlan):
        return here.vni == there.vni and here.port == there.port and version(here.local) == version(there.local)
    if isinstance(here, Bridge) and isinstance(there, Bridge):
        return True
    return here == there
