"""What a kernel takes away by itself."""

import msgspec

from onehop.kernel.base import Kernel
from onehop.objects import Address, NextHop, Route
from onehop.reconciler.plan import Replace
from tests.contract import things
from tests.contract.things import ALL, LEG, NETWORK, ROUTER, ROUTING, assert_gone, assert_there, carry_out, put, take

change = msgspec.structs.replace


def test_deleting_a_namespace_takes_all_that_is_in_it_and_the_other_ends(kernel: Kernel) -> None:
    put(kernel, *ALL)
    take(kernel, things.namespace)
    assert_gone(kernel, *LEG, *ROUTING)
    assert_there(kernel, *NETWORK)


def test_a_deleted_namespace_can_be_made_again_at_once(kernel: Kernel) -> None:
    put(kernel, *ALL)
    for _ in range(3):
        take(kernel, things.namespace)
        put(kernel, *LEG, *ROUTING)
        assert_there(kernel, *ALL)


def test_deleting_a_link_takes_what_hangs_on_it_and_its_other_end(kernel: Kernel) -> None:
    put(kernel, *ALL)
    take(kernel, things.near)
    hanging = (things.near, things.far, things.four, things.six, things.link_local)
    assert_gone(kernel, *hanging, things.neighbour, things.neighbour6, things.route, things.route6, things.several)
    assert_there(kernel, *NETWORK, things.namespace, things.blackhole, things.rule, things.rule6, things.table)


def test_deleting_a_bridge_frees_its_ports_and_takes_its_entries(kernel: Kernel) -> None:
    put(kernel, *ALL)
    take(kernel, things.bridge)
    assert_gone(kernel, things.bridge, things.entry, things.suppressed)
    assert_there(kernel, *(change(link, master=None, port=None) for link in (things.vxlan, things.tap, things.far)))
    assert_there(kernel, things.tunnel, things.everybody)


def test_a_port_that_leaves_its_bridge_loses_its_entries_there_only(kernel: Kernel) -> None:
    put(kernel, *NETWORK)
    carry_out(kernel, Replace(things.vxlan, change(things.vxlan, master=None, port=None)))
    assert_gone(kernel, things.entry)
    assert_there(kernel, things.tunnel, things.everybody, things.suppressed)


def test_a_link_that_goes_down_loses_routes_neighbours_and_ipv6_addresses(kernel: Kernel) -> None:
    put(kernel, *ALL)
    down = change(things.near, up=False)
    carry_out(kernel, Replace(things.near, down))
    lost = (things.six, things.link_local, things.neighbour, things.neighbour6)
    assert_gone(kernel, *lost, things.route, things.route6, things.several)
    assert_there(kernel, down, things.four, things.blackhole, things.rule)


def test_a_new_mac_takes_the_neighbours_of_a_link(kernel: Kernel) -> None:
    put(kernel, *ALL)
    carry_out(kernel, Replace(things.near, change(things.near, mac="fa:16:3e:00:00:99")))
    assert_gone(kernel, things.neighbour, things.neighbour6)
    assert_there(kernel, things.four, things.six, things.route)


def test_the_last_ipv4_address_of_a_link_takes_its_ipv4_routes_and_neighbours(kernel: Kernel) -> None:
    # inetdev_destroy in net/ipv4/devinet.c: with the last address goes all that IPv4 knows of the link.
    put(kernel, *ALL)
    take(kernel, things.four)
    assert_gone(kernel, things.four, things.route, things.several, things.neighbour)
    assert_there(kernel, things.six, things.route6, things.neighbour6)


def test_with_the_first_address_of_a_subnet_go_the_later_ones(kernel: Kernel) -> None:
    later = Address(namespace=ROUTER, link="qr-1", address="10.0.1.2/24")
    put(kernel, *ALL, later)
    take(kernel, things.four)
    assert_gone(kernel, things.four, later)


def test_an_address_that_goes_takes_the_routes_that_prefer_it(kernel: Kernel) -> None:
    second = Address(namespace=ROUTER, link="qr-1", address="10.0.2.1/24")
    wanted = Route(
        namespace=ROUTER, destination="192.168.9.0/24", hops=(NextHop("10.0.1.7", "qr-1"),), source="10.0.2.1"
    )
    put(kernel, *ALL, second, wanted)
    take(kernel, second)
    assert_gone(kernel, wanted)
    assert_there(kernel, things.route)
