"""What of a partition is not as it should be, and why. Pure."""

from collections.abc import Mapping

from onehop.compiler.state import Claim
from onehop.objects import KernelObject, Key, Sysctl
from onehop.objects.agreement import agrees

NOT_HELD = "the kernel accepted it, but does not hold it"
LEFT = "it is not wanted any more and could not be removed"

Claims = Mapping[Key, Claim]
Held = Mapping[Key, KernelObject]


def is_as_wanted(claims: Claims, held: Held) -> bool:
    """Whether all that is held is known to be just what is claimed, without a look at any value.

    `onehop.agent.holding` keeps one value for what was found and what is wanted where they are equal. False says
    nothing: the kernel may have told more than was declared.
    """
    return held.keys() <= claims.keys() and all(held.get(key) is claim.object for key, claim in claims.items())


def wrong(claims: Claims, held: Held, unread: bool, reasons: Mapping[Key, str]) -> dict[Key, str]:
    """By key what is not as it should be, with the reason.

    Args:
        claims: what is wanted.
        held: what was found.
        unread: it could not be read back, so that nothing counts as found.
        reasons: what was said of single keys on the way.
    """
    if not unread and is_as_wanted(claims, held):
        return {}
    bad: dict[Key, str] = {}
    for key, claim in claims.items():
        found = held.get(key)
        if unread or found is None or not agrees(found, claim.object):
            bad[key] = reasons.get(key, NOT_HELD)
    for key, found in held.items():
        if key not in claims and not isinstance(found, Sysctl):
            bad[key] = reasons.get(key, LEFT)
    return bad
