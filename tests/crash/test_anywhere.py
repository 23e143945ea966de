"""The agent dies after any request: the next one ends where an undisturbed one would have, and touches nothing else.

Dying is to have nothing of the engine left. What the kernel holds after each request is kept while one engine goes
undisturbed through a change; from each of these moments a fresh engine starts, with the new view or, as if the change
had been taken back meanwhile, with the old one.
"""

import pytest

from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects import KernelObject, Key
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Translations
from onehop.reconciler.needs import namespace_key
from onehop.reconciler.plan import Create, Op
from tests.crash.changes import WIDE, Change, either_way, played
from tests.crash.life import Hand, Life, Moment, Wanted, assert_made, objects_of, wanted_of
from tests.crash.scenes import BYSTANDER, Scene

pytestmark = pytest.mark.slow

NONE = Translations()


def undisturbed(before: Scene, after: Scene) -> tuple[Hand, list[Moment]]:
    """One life through a change: the kernel, and the moments after each request of the change."""
    kernel = Hand()
    life = Life(kernel)
    life.make(before)
    assert_made(kernel, objects_of(wanted_of(before)))
    start = kernel.moment()
    kernel.diary.ops.clear()
    kernel.keeps = True
    life.make(after)
    kernel.keeps = False
    assert life.engine is not None
    assert life.engine.failing == {}
    assert_made(kernel, objects_of(wanted_of(after)))
    return kernel, [start, *kernel.diary.moments]


def concerned(before: dict[Key, KernelObject], after: dict[Key, KernelObject], ops: list[Op]) -> set[Key]:
    """What may be touched: what is different, what an undisturbed life made again, all in a namespace that is new."""
    different = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    for op in ops:
        # What is the same before and after may have gone with something else; nobody may take it away or change it.
        assert op.key in different or isinstance(op, Create) or namespace_key(str(op.key[1])) in different, op
    return different | {op.key for op in ops}


def strangers(wanted: Wanted) -> set[Key]:
    """All that is of the network and the router that no change concerns."""
    network, router = Scene.network_id(BYSTANDER), RouterId(Scene.router_id(BYSTANDER))
    names = (naming.network_partition(network), naming.router_partition(router), naming.gate_partition(router))
    return {key for name in names if name in wanted for key in wanted[name].claims}


def assert_outward(kernel: Hand, before: Wanted, after: Wanted) -> None:
    """Connections of what is not allowed any more were cut, whoever had to do it."""
    for name, partition in after.items():
        mapped = before[name].translations if name in before else None
        new = partition.translations or NONE
        if name.startswith("router/") and not new.cover(mapped or NONE):
            namespace = naming.router_namespace(RouterId(name.removeprefix("router/")))
            assert kernel.allowed.get(namespace) == new, namespace
    secure = after.get(naming.SECURITY_PARTITION)
    if secure is not None and secure.admissions is not None:
        # Where no port is left nobody is barred from one: the first that comes has all connections judged anew.
        old = before.get(naming.SECURITY_PARTITION)
        if secure.admissions.narrows((None if old is None else old.admissions) or Admissions()):
            assert kernel.admitted[-1:] == [secure.admissions]


def die_everywhere(before: Scene, after: Scene, wide: bool) -> int:
    """Go through a change, and begin again from every moment of it; returns how many there were."""
    kernel, moments = undisturbed(before, after)
    old, new = wanted_of(before), wanted_of(after)
    may = concerned(objects_of(old), objects_of(new), kernel.diary.ops)
    others = set[Key]() if wide else strangers(old)
    assert not others & {op.key for op in kernel.diary.ops}
    heard = {goal: Life(Hand()) for goal in (before, after)}
    for goal, life in heard.items():
        life.tell(goal)
    for number, moment in enumerate(moments):
        for goal, states in ((after, (old, new)), (before, (new, old))):
            next_kernel = Hand(moment)
            life = heard[goal].twin(next_kernel)
            life.work()
            assert life.engine is not None
            assert life.engine.failing == {}, (number, life.engine.failing)
            assert_made(next_kernel, objects_of(states[1]))
            touched = {op.key for op in next_kernel.diary.ops}
            assert all(namespace_key(str(key[1])) in may for key in touched - may), (number, touched - may)
            assert not others & touched, (number, others & touched)
            if goal is after:
                assert_outward(next_kernel, *states)
    return len(moments)


@either_way
def test_an_agent_that_dies_after_any_request_is_followed_by_one_that_ends_the_same(
    change: Change, backwards: bool
) -> None:
    assert die_everywhere(*played(change, backwards), change in WIDE) > 1
