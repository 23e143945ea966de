"""A request is refused, any one of them: one object is ERROR with the reason, the others are done, and it heals."""

import errno

import pytest

from onehop.agent.board import UNTRIED
from onehop.objects import Address, Bridge, KernelObject, Key, Link, Route, Ruleset
from onehop.reconciler.needs import link_key, needs, peer_key
from onehop.reconciler.plan import Delete, Op
from tests.crash.changes import Change, either_way, played
from tests.crash.life import Hand, Life, Moment, assert_made, differing, objects_of, ours, wanted_of
from tests.crash.scenes import Scene

pytestmark = pytest.mark.slow

ERRNOS = (errno.EBUSY, errno.ENOSPC, errno.ENOBUFS, errno.EINTR, errno.EEXIST, errno.ENODEV)
ASKED = "refused because a test asked for it"


def fallen(failed: Key, wanted: dict[Key, KernelObject]) -> set[Key]:
    """What cannot be while something failed: what needs it, and links that must not come up without their rules."""
    found, waiting = {failed}, [failed]
    while waiting:
        key = waiting.pop()
        item = wanted.get(key)
        more = {other for other, value in wanted.items() if key in needs(value)}
        peer = peer_key(item) if isinstance(item, Link) else None
        if peer is not None:
            more.add(peer)
        if isinstance(item, Address | Route):
            # Linux refuses a route whose next hop nothing leads to.
            more |= {k for k, v in wanted.items() if isinstance(v, Route) and v.namespace == item.namespace}
        if isinstance(item, Ruleset):
            more |= {link_key(item.namespace, name) for name in item.devices}
            if item.family == "bridge":
                more |= {k for k, v in wanted.items() if isinstance(v, Link) and not isinstance(v.spec, Bridge)}
        waiting.extend(more - found)
        found |= more
    return found


def at_first(start: Moment, before: Scene) -> Life:
    """An agent that holds the scene before, and has nothing to do."""
    life = Life(Hand(start))
    life.make(before)
    assert not life.kernel.diary.ops
    life.outcomes.clear()
    return life


def assert_one_error(life: Life, op: Op, wanted: dict[Key, KernelObject], why: str) -> None:
    """The refused object, if it still waits, is ERROR with the reason; only what hangs on it waits with it."""
    assert life.engine is not None
    failing = {key: reason for keys in life.engine.failing.values() for key, reason in keys.items()}
    found = ours(life.kernel)
    for key in differing(life.kernel, wanted) - failing.keys():
        # Nobody needs to be told of what goes with a link that could not be changed.
        assert key not in wanted, (why, key)
        assert set(needs(found[key])) & failing.keys(), (why, key)
    if not failing:
        return
    refused = {key for key, reason in failing.items() if ASKED in reason}
    assert refused <= {op.key}, why
    assert failing.keys() <= fallen(op.key, wanted) | (failing.keys() - wanted.keys()), why
    claims = {k: c for p in life.engine.desire.partitions.values() for k, c in p.claims.items()}
    if op.key in refused and op.key in claims:
        entry = life.engine.board.entries[claims[op.key].resource]
        assert entry.state == "ERROR", why
        # Another object of the resource may fail with it, for a reason that follows from this one.
        assert entry.reason in failing.values(), why
    elif not isinstance(op, Delete):
        assert all(reason == UNTRIED or key not in wanted for key, reason in failing.items()), (why, failing)


def refuse_everywhere(before: Scene, after: Scene, first: int) -> int:
    """Go through a change as often as it has requests, each time with another one refused; returns how many."""
    new = objects_of(wanted_of(after))
    begin = Life(Hand())
    begin.make(before)
    start = begin.kernel.moment()
    ready = at_first(start, before)
    smooth = ready.twin(Hand(start))
    smooth.make(after)
    assert smooth.engine is not None
    said = smooth.engine.board.entries
    requests, readings = smooth.kernel.requests, smooth.kernel.readings
    for number in range(1, requests + readings + 1):
        life = ready.twin(Hand(start))
        assert life.engine is not None
        chosen = ERRNOS[(first + number) % len(ERRNOS)]
        if number <= requests:
            life.kernel.refuse_request = (number, chosen)
        else:
            life.kernel.refuse_reading = (number - requests, chosen)
        life.make(after)
        [refused] = life.kernel.refused
        why = f"request {number}: {refused}, {errno.errorcode[chosen]}"
        if not isinstance(refused, str):
            assert_one_error(life, refused, new, why)
        elif life.engine.failing and refused in ("cut", "bar"):
            assert any("could not be cut" in r for keys in life.engine.failing.values() for r in keys.values()), why
            if life.engine.failing.keys() & life.engine.desire.partitions.keys():
                assert any("could not be cut" in e.reason for e in life.engine.board.entries.values()), why
        life.kernel.heal()
        life.mend()
        assert life.engine.failing == {}, (why, life.engine.failing)
        assert_made(life.kernel, new)
        assert life.engine.board.entries == said, why
    return requests


@either_way
def test_whatever_request_is_refused_one_object_is_an_error_and_it_heals_by_itself(
    change: Change, backwards: bool
) -> None:
    assert refuse_everywhere(*played(change, backwards), sum(map(ord, change.__name__)))
