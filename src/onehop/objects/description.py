"""Objects in words, short, in the terms of `ip`, `bridge` and `nft`: for errors, plans and logs."""

from onehop.objects.address import Address
from onehop.objects.base import KernelObject
from onehop.objects.fdb import BridgeFdb, VxlanFdb
from onehop.objects.link import Link
from onehop.objects.namespace import Namespace
from onehop.objects.neighbour import Neighbour
from onehop.objects.route import Route
from onehop.objects.rule import Rule
from onehop.objects.ruleset import Ruleset
from onehop.objects.sysctl import Sysctl


def describe(item: KernelObject) -> str:
    """One object as it is spoken of: ``address 10.0.0.1/24 on qr-x in namespace qrouter-y``."""
    if isinstance(item, Namespace):
        return f"namespace {item.namespace}"
    where = f" in namespace {item.namespace}" if item.namespace else ""
    return _bare(item) + where


def _bare(item: KernelObject) -> str:
    match item:
        case Link():
            return f"link {item.name}"
        case Address():
            return f"address {item.address} on {item.link}"
        case Neighbour():
            return f"neighbour {item.address} on {item.link}"
        case BridgeFdb():
            return f"FDB entry {item.mac} of bridge {item.bridge} behind {item.port}"
        case VxlanFdb():
            return f"FDB entry {item.mac} of {item.link} at {item.vtep}"
        case Route():
            return f"route to {item.destination} in table {item.table}"
        case Rule():
            return f"policy rule {item.priority} for IPv{item.family}"
        case Ruleset():
            return f"nftables table {item.family} {item.table}"
        case Sysctl():
            return f"setting {item.path} = {item.value}"
        case _:
            return f"{item.kind} {item.key}"
