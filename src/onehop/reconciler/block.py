"""What cannot be planned because a name that it needs belongs to somebody else."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from onehop.objects import KernelObject, Key, Link, Namespace
from onehop.reconciler.needs import needs, peer_key

WAITS = "it needs "
"""How the reason begins of what only waits for something else that is blocked."""


def blocked_by(foreign: frozenset[Key], desired: Mapping[Key, KernelObject], missing: Iterable[Key]) -> dict[Key, str]:
    """The desired objects that have to wait until something foreign has gone, each with a sentence why.

    Args:
        foreign: keys of links and namespaces that are there and not ours.
        desired: everything desired.
        missing: keys of those that are not there.
    """
    reasons = {key: f"{_name(key)} is there already and not onehop's: remove or rename it" for key in foreign}
    blocked = {key: reason for key, reason in reasons.items() if key in desired}
    for key in missing:
        wanted = desired[key]
        peer = peer_key(wanted) if isinstance(wanted, Link) else None
        if peer is not None and peer in foreign:
            blocked.setdefault(key, f"its other end, {reasons[peer]}")
    if not blocked:
        return {}
    needed_by: defaultdict[Key, list[Key]] = defaultdict(list)
    for key, wanted in desired.items():
        for need in needs(wanted):
            needed_by[need].append(key)
    waiting = list(blocked)
    while waiting:
        need = waiting.pop()
        for key in needed_by[need]:
            if key not in blocked:
                blocked[key] = f"{WAITS}{_name(need)}, but {blocked[need]}"
                waiting.append(key)
    return blocked


def _name(key: Key) -> str:
    kind, namespace, *rest = key
    if kind == Namespace.kind:
        return f"namespace {namespace}"
    where = f"in namespace {namespace}" if namespace else "on the host"
    return f"{kind} {' '.join(map(str, rest))} {where}"
