"""What objects stand on, and what falls with them."""

import msgspec

from onehop.reconciler import Create, Delete, Fallout, Replace, needs
from tests.unit.reconciler.host import bridge, entry, far, four, guard, namespace, near, route, vxlan


def test_each_kind_says_what_it_stands_on() -> None:
    assert needs(namespace) == ()
    assert needs(bridge) == ()
    assert needs(vxlan) == (bridge.key,)
    assert needs(near) == (namespace.key,)
    assert needs(far) == (bridge.key, namespace.key)
    assert needs(four) == (namespace.key, near.key)
    assert needs(entry) == (bridge.key, far.key)
    assert needs(route) == (namespace.key, near.key)
    assert needs(guard) == (vxlan.key,)


def test_what_stands_on_something_that_failed_falls_and_the_rest_does_not() -> None:
    fallout = Fallout()
    fallout.add(Create(bridge))
    assert fallout.hits(Create(vxlan))
    assert fallout.hits(Replace(bridge, bridge))
    assert not fallout.hits(Create(near))


def test_a_link_does_not_come_up_when_its_ruleset_failed_but_may_change_while_down() -> None:
    fallout = Fallout()
    fallout.add(Create(guard))
    down = msgspec.structs.replace(vxlan, up=False)
    assert fallout.hits(Replace(down, vxlan))
    assert not fallout.hits(Create(down))


def test_deletions_are_always_tried() -> None:
    fallout = Fallout()
    fallout.add(Delete(bridge))
    fallout.add(Create(bridge))
    assert not fallout.hits(Delete(bridge))
    assert not fallout.hits(Delete(vxlan))
