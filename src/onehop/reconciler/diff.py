"""From what was observed and what is desired to a plan."""

from collections.abc import Mapping

from onehop.objects import KernelObject, Key, Link, Ruleset, Sysctl
from onehop.objects.agreement import agrees
from onehop.reconciler.block import blocked_by
from onehop.reconciler.needs import peer_key
from onehop.reconciler.plan import Plan
from onehop.reconciler.planner import Planner

_NOTHING = Plan()


def diff(
    observed: Mapping[Key, KernelObject],
    desired: Mapping[Key, KernelObject],
    foreign: frozenset[Key] = frozenset(),
) -> Plan:
    """Say what to do so that a kernel that holds `observed` holds `desired`.

    Equal states take one comparison an object. Only what is in `observed` is ever deleted, and settings never are.

    Args:
        observed: ours, as found.
        desired: as it should be, whole for the part of the host that was observed.
        foreign: keys of links and namespaces that are there and not ours. What would need one of these names for
            itself is not planned but listed as blocked.
    """
    changed = [
        key
        for key, wanted in desired.items()
        if (found := observed.get(key)) is not wanted
        and found != wanted
        and (found is None or not agrees(found, wanted))
    ]
    gone = {key: found for key, found in observed.items() if key not in desired and not isinstance(found, Sysctl)}
    if not changed and not gone:
        return _NOTHING
    blocked: Mapping[Key, str] = {}
    if foreign and changed:
        adopted = _unmarked_far_ends(observed, desired, foreign)
        if adopted:
            observed = {**observed, **adopted}
        missing = [key for key in changed if key not in observed]
        blocked = blocked_by(foreign - adopted.keys(), desired, missing)
        if blocked:
            desired = {key: wanted for key, wanted in desired.items() if key not in blocked}
            changed = [key for key in changed if key not in blocked]
            if not changed and not gone:
                return Plan((), blocked)
    touched = _touched(changed, gone, observed, desired)
    unsettled = set(changed)
    nearby = (
        # What a ruleset hooks is said by the desired one only.
        desired[key] if isinstance(found, Ruleset) and key in desired and key not in unsettled else found
        for key, found in observed.items()
        if key[1] in touched
    )
    planner = Planner(nearby, desired, gone, changed)
    return Plan(planner.plan(), blocked)


def _unmarked_far_ends(
    observed: Mapping[Key, KernelObject], desired: Mapping[Key, KernelObject], foreign: frozenset[Key]
) -> dict[Key, KernelObject]:
    """Far ends of pairs of ours that bear no mark: whoever made the near end died before it could mark this one."""
    adopted: dict[Key, KernelObject] = {}
    for key in foreign:
        wanted = desired.get(key)
        near_key = peer_key(wanted) if isinstance(wanted, Link) else None
        near = None if near_key is None else observed.get(near_key)
        if isinstance(near, Link) and peer_key(near) == key and near.far_end is not None:
            adopted[key] = near.far_end
    return adopted


def _touched(
    changed: list[Key],
    gone: Mapping[Key, KernelObject],
    observed: Mapping[Key, KernelObject],
    desired: Mapping[Key, KernelObject],
) -> set[object]:
    """Namespaces in which something may happen: the others need not be simulated."""
    touched: set[object] = {key[1] for key in changed}
    touched.update(key[1] for key in gone)
    ends: set[object] = set()
    for key, found in observed.items():
        if (
            key[0] == Link.kind
            and key[1] in touched
            and isinstance(found, Link)
            and (peer := peer_key(found)) is not None
        ):
            ends.add(peer[1])
    for key in changed:
        wanted = desired[key]
        if isinstance(wanted, Link) and (peer := peer_key(wanted)) is not None:
            ends.add(peer[1])
    return touched | ends
