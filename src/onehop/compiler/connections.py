"""Connections: which translations a router may have under way on this host; others are cut."""

from collections.abc import Iterator

from onehop.compiler.context import Context
from onehop.compiler.north import norths
from onehop.compiler.state import Wish
from onehop.net import naming
from onehop.objects.conntrack import Forwarded, Translations


def connections(context: Context) -> Iterator[tuple[str, Wish]]:
    """What may be translated by every router here that has a gateway."""
    for north in norths(context):
        forwarded = (
            Forwarded(
                external=forward.address,
                protocol=forward.rule.protocol,
                first=forward.rule.external_first,
                last=forward.rule.external_last,
                internal=forward.rule.internal_ip,
                internal_first=forward.rule.internal_first,
            )
            for forward in north.forwards
        )
        allowed = Translations(frozenset(north.gateways), frozenset(north.bound.items()), frozenset(forwarded))
        yield naming.router_partition(north.router.id), allowed
