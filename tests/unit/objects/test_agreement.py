"""When what was found is what was wanted."""

import msgspec

from onehop.objects import Bridge, Link, NextHop, Route, Ruleset, Veth
from onehop.objects.agreement import agrees

change = msgspec.structs.replace
BRIDGE = Link(namespace="", name="b", spec=Bridge(), alias="onehop x", mac="fa:16:3e:00:00:01", mtu=1450)
ROUTE = Route(namespace="", destination="10.0.0.0/8", hops=(NextHop("10.0.0.1", "qr-1"),))


def test_any_mac_will_do_where_none_is_wanted() -> None:
    assert agrees(BRIDGE, change(BRIDGE, mac=None))
    assert not agrees(BRIDGE, change(BRIDGE, mac=None, mtu=1500))
    assert not agrees(BRIDGE, change(BRIDGE, mac="fa:16:3e:00:00:02"))


def test_how_an_instances_end_was_made_is_not_read_back() -> None:
    found = change(BRIDGE, spec=Veth("i", "eth0"))
    assert agrees(found, change(found, spec=Veth("i", "eth0", "fa:16:3e:00:00:09")))
    assert not agrees(found, change(found, spec=Veth("i", "eth1", "fa:16:3e:00:00:09")))


def test_the_link_of_a_next_hop_may_be_left_to_the_kernel() -> None:
    assert agrees(ROUTE, change(ROUTE, hops=(NextHop("10.0.0.1"),)))
    assert not agrees(ROUTE, change(ROUTE, hops=(NextHop("10.0.0.2"),)))
    assert not agrees(ROUTE, change(ROUTE, hops=()))


def test_the_devices_of_a_ruleset_are_written_in_its_body() -> None:
    found = Ruleset(namespace="", family="netdev", table="onehop", body="x", devices=("a", "b"))
    assert agrees(found, change(found, devices=("b", "a")))
    assert not agrees(found, change(found, body="y"))
