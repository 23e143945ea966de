"""Policy: the routing rules of a router, the kernel's own among them.

``lookup local`` is the kernel's first rule. In a router with a gateway it stands behind the steering rules instead,
because what is steered is addressed to the owner's own addresses. What is not steered, nearly every packet, is looked
up before all of these, so that a router on many hosts does not ask a rule for each of them.
"""

from collections.abc import Iterator

from onehop.compiler.context import Context
from onehop.compiler.north import norths
from onehop.compiler.state import Claim, Refusal
from onehop.net import naming
from onehop.objects import Rule, born_rules


def policy(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """The rules of every router held here."""
    steering = {north.router.id for north in norths(context)}
    for router in context.routers.values():
        for rule in lookups(naming.router_namespace(router.id), router.id in steering):
            yield naming.router_partition(router.id), Claim(rule, "policy", ("router", router.id))


def lookups(namespace: str, steers: bool) -> Iterator[Rule]:
    """The kernel's rules; in a namespace that steers, IPv4's ``lookup local`` stands at `LOCAL_PRIORITY`.

    There, too, packets without a mark of ours have rules of their own, `UNSTEERED_PRIORITY` and the next.
    """
    first = Rule(namespace=namespace, family=4, priority=0, table=naming.LOCAL_TABLE)
    for rule in born_rules(namespace):
        if rule != first or not steers:
            yield rule
    if steers:
        for priority, table in enumerate((naming.LOCAL_TABLE, naming.MAIN_TABLE), naming.UNSTEERED_PRIORITY):
            yield Rule(namespace=namespace, family=4, priority=priority, table=table, mask=naming.STEERING_MASK)
        yield Rule(namespace=namespace, family=4, priority=naming.LOCAL_PRIORITY, table=naming.LOCAL_TABLE)
