"""Kinds: the one list of what may be put in a kernel."""

from onehop.objects.address import Address
from onehop.objects.base import KernelObject, Key
from onehop.objects.fdb import ALL_ZERO, BridgeFdb, VxlanFdb
from onehop.objects.link import Bridge, BridgePort, Link, Tap, Veth, Vxlan
from onehop.objects.namespace import Namespace
from onehop.objects.neighbour import Neighbour
from onehop.objects.route import MAIN, NextHop, Route
from onehop.objects.rule import Rule, born_rules
from onehop.objects.ruleset import NamedSet, Ruleset
from onehop.objects.sysctl import Sysctl

KINDS: tuple[type[KernelObject], ...] = (
    Namespace,
    Sysctl,
    Link,
    Ruleset,
    Address,
    Neighbour,
    BridgeFdb,
    VxlanFdb,
    Route,
    Rule,
)
"""Every kind, in the order in which they are built on an empty host."""

__all__ = [
    "ALL_ZERO",
    "KINDS",
    "MAIN",
    "Address",
    "Bridge",
    "BridgeFdb",
    "BridgePort",
    "KernelObject",
    "Key",
    "Link",
    "NamedSet",
    "Namespace",
    "Neighbour",
    "NextHop",
    "Route",
    "Rule",
    "Ruleset",
    "Sysctl",
    "Tap",
    "Veth",
    "Vxlan",
    "VxlanFdb",
    "born_rules",
]
