"""Where a packet goes: rules by mark, tables, longest prefixes, equal-cost ways."""

from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import Address, Link, NextHop, Route, Rule, Veth
from onehop.verify.route import lookup, source_for
from onehop.verify.space import Space

N = "qrouter-x"


def space(*more: Route | Rule | Address, down: bool = False) -> Space:
    links = [
        Link(namespace=N, name=name, spec=Veth("", f"h-{name}"), alias="", mtu=1500, up=not down or name != "b")
        for name in ("a", "b")
    ]
    addresses = [
        Address(namespace=N, link="a", address="10.0.1.1/24"),
        Address(namespace=N, link="b", address="10.0.2.1/24"),
        Address(namespace=N, link="b", address="203.0.113.10/32"),
        Address(namespace=N, link="b", address="fe80::1/64", scope="link"),
        Address(namespace=N, link="b", address="fd00::1/64"),
    ]
    return Space(HostName("h"), N, [*links, *addresses, *more])


def route(destination: str, *hops: NextHop, **more: object) -> Route:
    return Route(namespace=N, destination=destination, hops=hops, **more)  # type: ignore[arg-type]  # fields of a route


DEFAULT = route("0.0.0.0/0", NextHop(gateway="10.0.1.9", link="a"))


def test_own_addresses_are_local_and_subnets_connected() -> None:
    for ip in ("10.0.1.1", "203.0.113.10", "fd00::1"):
        assert lookup(space(), ip, source="10.0.9.9").type == "local"
    assert lookup(space(), "10.0.1.255", source="10.0.9.9").type == "broadcast"
    way = lookup(space(), "10.0.2.77", source="10.0.9.9")
    assert (way.type, way.link, way.gateway) == ("unicast", "b", None)
    assert lookup(space(), "192.0.2.1", source="10.0.9.9").type == "none"


def test_the_longest_prefix_wins_and_then_the_lower_metric() -> None:
    long = route("192.0.2.0/24", NextHop(gateway="10.0.2.9", link="b"), metric=200)
    better = route("192.0.2.0/24", NextHop(gateway="10.0.2.8", link="b"), metric=100)
    here = space(DEFAULT, long, better, route("192.0.2.128/25", type="blackhole"))
    assert lookup(here, "192.0.2.1", source="10.0.1.5").gateway == "10.0.2.8"
    assert lookup(here, "192.0.2.200", source="10.0.1.5").type == "blackhole"
    assert lookup(here, "198.51.100.1", source="10.0.1.5").gateway == "10.0.1.9"


def test_a_route_over_a_link_that_is_down_is_none() -> None:
    assert lookup(space(DEFAULT, down=True), "10.0.2.77", source="10.0.1.5").gateway == "10.0.1.9"


def test_a_rule_by_mark_comes_before_local_when_its_priority_says_so() -> None:
    steer = route("0.0.0.0/0", NextHop(gateway="169.254.1.2", link="a", onlink=True), table=1002)
    rules = [
        Rule(namespace=N, family=4, priority=50, table=1002, mark=0x02000000, mask=naming.STEERING_MASK),
        Rule(namespace=N, family=4, priority=100, table=naming.LOCAL_TABLE),
        Rule(namespace=N, family=4, priority=32766, table=naming.MAIN_TABLE),
    ]
    here = space(DEFAULT, steer, *rules)
    way = lookup(here, "203.0.113.10", source="192.0.2.1", mark=0x02000005)
    assert way.gateway == "169.254.1.2"
    assert "table 1002" in way.text
    assert "fwmark 0x2000000" in way.text
    assert lookup(here, "203.0.113.10", source="192.0.2.1", mark=0x03000000).type == "local"


def test_rules_may_ask_for_source_destination_and_link() -> None:
    away = route("0.0.0.0/0", NextHop(gateway="10.0.2.9", link="b"), table=7)
    for selector in ({"source": "10.0.1.0/24"}, {"destination": "192.0.2.0/24"}, {"incoming": "a"}):
        rule = Rule(namespace=N, family=4, priority=10, table=7, **selector)
        main = Rule(namespace=N, family=4, priority=32766, table=naming.MAIN_TABLE)
        here = space(DEFAULT, away, rule, main)
        assert lookup(here, "192.0.2.1", source="10.0.1.5", incoming="a").gateway == "10.0.2.9"
        assert lookup(here, "198.51.100.1", source="10.0.9.5", incoming="b").gateway == "10.0.1.9"


def test_each_of_equal_ways_can_be_taken() -> None:
    hops = (NextHop(gateway="10.0.1.8", link="a"), NextHop(gateway="10.0.1.9", link="a"))
    here = space(route("192.0.2.0/24", *hops))
    taken = {lookup(here, "192.0.2.1", source="10.0.1.5", way=way).gateway for way in range(2)}
    assert taken == {"10.0.1.8", "10.0.1.9"}
    assert "one of 2 equal ways" in lookup(here, "192.0.2.1", source="10.0.1.5").text


def test_a_namespace_speaks_from_the_address_nearest_to_the_next_hop() -> None:
    here = space(DEFAULT)
    assert source_for(here, lookup(here, "10.0.2.77", source=""), "10.0.2.77") == "10.0.2.1"
    assert source_for(here, lookup(here, "192.0.2.1", source=""), "192.0.2.1") == "10.0.1.1"
    assert source_for(here, lookup(here, "fd00::5", source=""), "fd00::5") == "fd00::1"
    assert source_for(here, lookup(here, "203.0.113.10", source=""), "203.0.113.10") == "203.0.113.10"
