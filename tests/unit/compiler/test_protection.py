"""What a port's table holds: its identity as elements, on chains that are everybody's."""

from collections.abc import Iterable, Mapping

import pytest
from msgspec.structs import replace

from onehop.compiler import Local, Plug, compile_host
from onehop.compiler.protection_rules import COUNTERS
from onehop.model.port import Port
from onehop.model.protection import REASONS
from onehop.model.subnet import Subnet
from onehop.net import naming
from onehop.objects import Link, Ruleset
from tests.worlds import World

MAC = "fa:16:3e:01:00:01"


def _world(*pairs: tuple[str, str]) -> tuple[World, Port]:
    """A network with a router, a port with pairs here, another bound elsewhere, and one that is bound nowhere."""
    world = World(hosts=2)
    world.network(1)
    world.router(1, [1])
    port = world.port(1, 1, pairs=pairs)
    world.port(1, 2)
    world.port(1, None)
    return world, port


def _table(world: World, port: Port) -> Ruleset | None:
    state = compile_host(world.topology(), world.host(1), Local(plugs={port.id: Plug(port.id)}))
    part = state[naming.network_partition(port.network_id)]
    found = part.claims.get(("ruleset", "", "netdev", naming.tap_table(port.network_id, port.id)))
    assert found is None or isinstance(found.object, Ruleset)
    return found.object if found is not None else None


def _elements(world: World, port: Port) -> Mapping[str, set[str]]:
    table = _table(world, port)
    assert table is not None
    return {one.name: set(one.elements) for one in table.sets}


def test_a_port_may_say_its_mac_its_addresses_and_its_link_local() -> None:
    found = _elements(*_world())
    assert found["macs"] == {MAC}
    assert found["own4"] == {f"{MAC} . 10.0.1.10"}
    assert found["own6"] == {f"{MAC} . fd00:1::a", f"{MAC} . fe80::f816:3eff:fe01:1"}
    assert not found["wide4"] | found["wide6"] | found["foreign4"] | found["foreign6"]


def test_a_further_address_of_a_port_is_an_element_and_no_rule() -> None:
    world, port = _world()
    other, same = _world()
    further = replace(same.fixed_ips[0], ip_address="10.0.1.99")
    other.values = [replace(v, fixed_ips=(*v.fixed_ips, further)) if v == same else v for v in other.values]
    before, after = _table(world, port), _table(other, same)
    assert before is not None
    assert after is not None
    assert before.has_structure_of(after)
    assert [a.name for a, _ in before.differing(after)] == ["own4"]


def test_every_port_has_the_same_chains_but_for_its_device_and_first_addresses() -> None:
    bodies = set()
    for pairs in ((), ((MAC, "10.0.1.200"),), ((MAC, "10.0.1.201"), (MAC, "0.0.0.0/0"))):
        table = _table(*_world(*pairs))
        assert table is not None
        bodies.add(table.body)
    assert len(bodies) == 2  # without pairs, and with


def test_the_first_address_is_compared_before_anything_is_looked_up() -> None:
    table = _table(*_world())
    assert table is not None
    rules = [line.strip() for line in table.body.splitlines()]
    first = rules.index("@ll,48,64 0xfa163e0100010800 @nh,96,32 0xa00010a goto ipv4-first")
    assert first < next(number for number, rule in enumerate(rules) if "vmap" in rule)


def test_a_port_without_addresses_may_say_its_mac_only() -> None:
    world, port = _world()
    bare = replace(port, fixed_ips=())
    world.values[world.values.index(port)] = bare
    found = _elements(world, bare)
    assert (found["own4"], found["macs"]) == (set(), {MAC})
    assert found["own6"] == {f"{MAC} . fe80::f816:3eff:fe01:1"}


def test_a_single_pair_is_opened_from_its_mac_and_the_ports_own() -> None:
    found = _elements(*_world(("00:00:5e:00:01:07", "10.0.1.200"), ("00:00:5e:00:01:08", "10.0.1.201")))
    assert {one for one in found["own4"] if one.endswith(" 10.0.1.200")} == {
        f"{MAC} . 10.0.1.200",
        "00:00:5e:00:01:07 . 10.0.1.200",
    }
    assert found["macs"] == {MAC, "00:00:5e:00:01:07", "00:00:5e:00:01:08"}
    assert "0x5e000107" in found["hardware"]


@pytest.mark.parametrize("whole", ["10.0.1.200/32", "fd00:1::200/128"])
def test_a_prefix_of_one_address_is_that_address(whole: str) -> None:
    found = _elements(*_world((MAC, whole)))
    assert f"{MAC} . {whole.partition('/')[0]}" in found["own4"] | found["own6"]
    assert not found["wide4"] | found["wide6"]


@pytest.mark.parametrize(
    "taken", ["10.0.1.1", "fd00:1::1", "10.0.1.11", "fd00:1::b", "fe80::f816:3eff:fe01:2", "fe80::f816:3eff:fe00:101"]
)
def test_no_pair_opens_the_address_of_a_router_or_a_bound_port(taken: str) -> None:
    assert _elements(*_world((MAC, taken))) == {**_elements(*_world()), "moving4": set(), "moving6": set()} or (
        _elements(*_world((MAC, taken))) == _elements(*_world())
    )


@pytest.mark.parametrize("free", ["10.0.1.12", "fd00:1::c"])
def test_a_pair_opens_the_address_of_an_unbound_port_because_it_is_there_to_be_held(free: str) -> None:
    found = _elements(*_world((MAC, free)))
    assert f"{MAC} . {free}" in found["own4"] | found["own6"]


@pytest.mark.parametrize("mac", ["fa:16:3e:01:00:02", "fa:16:3e:00:01:01", "fa:16:3e:01:00:03", "01:00:5e:00:00:01"])
def test_no_pair_opens_the_mac_of_a_router_or_a_port_or_a_group(mac: str) -> None:
    assert _elements(*_world((mac, "10.0.1.200")))["macs"] == {MAC}


def test_no_pair_opens_the_macs_by_which_bridges_and_legs_ask() -> None:
    world, _ = _world()
    (leg,) = world.topology().legs_on(world.network_id(1))
    for mac in (naming.bridge_mac(world.network_id(1)), *(naming.probe_mac(world.host(h), leg.id) for h in (1, 2))):
        assert _elements(*_world((mac, "10.0.1.200")))["macs"] == {MAC}


def test_a_prefix_opens_no_gateways_and_no_ports_address() -> None:
    found = _elements(*_world((MAC, "0.0.0.0/0"), (MAC, "::/0")))
    assert found["wide4"] == {"0.0.0.0/0"}
    # The router's, the bound port's, the unbound one's, and nobody's.
    assert found["foreign4"] == {"10.0.1.1", "10.0.1.11", "10.0.1.12", "0.0.0.0"}  # noqa: S104  # an address in a set
    assert found["foreign6"] == {f"0xfd0000010000000000000000000000{last}" for last in ("01", "0b", "0c")}


def test_a_prefix_opens_no_link_local_no_group_and_not_nobody() -> None:
    ranges = [tuple(int(end, 16) for end in one.split("-")) for one in _elements(*_world((MAC, "::/0")))["wide6"]]
    for address in (0, 0xFE80 << 112, (0xFE80 << 112) + 1, 0xFF02 << 112):
        assert not any(first <= address <= last for first, last in ranges)
    for address in (1, 0xFD00 << 112, (0xFE80 << 112) - 1, 0xFEC0 << 112):
        assert any(first <= address <= last for first, last in ranges)


def test_a_gateway_that_is_no_port_is_refused_under_a_prefix_but_may_be_held_by_name() -> None:
    """Two instances that share the gateway's address of a subnet without a router are a common pair of firewalls."""

    def world(pair: str) -> tuple[World, Port]:
        made = World(hosts=1)
        made.network(1)
        return made, made.port(1, 1, pairs=[(MAC, pair)])

    assert "10.0.1.1" in _elements(*world("10.0.1.0/24"))["foreign4"]
    assert f"{MAC} . 10.0.1.1" in _elements(*world("10.0.1.1"))["own4"]


def test_a_link_local_gateway_is_refused_as_a_source() -> None:
    world, port = _world()
    world.values = [
        replace(v, gateway_ip="fe80::1") if isinstance(v, Subnet) and ":" in v.cidr else v for v in world.values
    ]
    assert _elements(world, port)["foreign6"] == {"0xfe800000000000000000000000000001"}


def test_a_ports_own_address_stays_its_own_also_where_it_is_the_gateways() -> None:
    world = World(hosts=1)
    world.network(1)
    port = world.port(1, 1, pairs=[(MAC, "10.0.0.0/8")])
    gateway = replace(port, fixed_ips=(replace(port.fixed_ips[0], ip_address="10.0.1.1"),))
    world.values[world.values.index(port)] = gateway
    found = _elements(world, gateway)
    assert f"{MAC} . 10.0.1.1" in found["own4"]
    assert "10.0.1.1" not in found["foreign4"]


@pytest.mark.parametrize(
    "owner", ["network:dhcp", "network:router_gateway", "network:anything", "neutron:x", "compute:x"]
)
def test_no_owner_of_a_port_takes_its_protection_away(owner: str) -> None:
    world, port = _world()
    other = replace(port, device_owner=owner, device_id="x")
    world.values[world.values.index(port)] = other
    assert _table(world, other) is not None


def test_port_security_is_the_only_switch() -> None:
    world, port = _world()
    other = replace(port, port_security_enabled=False)
    world.values[world.values.index(port)] = other
    assert _table(world, other) is None


def test_a_table_is_refused_with_the_link_whose_name_it_would_share() -> None:
    world, port = _world()
    twin = replace(port, id=port.id[:11] + port.id[11:-1] + "f", mac_address="fa:16:3e:01:00:99", fixed_ips=())
    world.values.append(twin)
    plugs = {p.id: Plug(p.id) for p in (port, twin)}
    part = compile_host(world.topology(), world.host(1), Local(plugs=plugs))[naming.network_partition(port.network_id)]
    kept = [c.resource[1] for c in part.claims.values() if c.resource in {("port", port.id), ("port", twin.id)}]
    assert set(kept) == {port.id}
    assert ("port", twin.id) in part.refused
    assert len([c for c in part.claims.values() if isinstance(c.object, Link) and c.resource[1] == port.id]) == 1


def test_every_reason_is_counted_and_every_counter_has_words() -> None:
    table = _table(*_world())
    assert table is not None
    assert set(table.counters) == set(REASONS) == set(COUNTERS)
    for reason in REASONS:
        assert f'counter name "{reason}" drop' in table.body


def _routed(*pairs: tuple[str, str], routes: Iterable[tuple[str, str]] = (), **changes: bool) -> Ruleset | None:
    """The table of a port on the first of two networks of a router."""
    world = World(hosts=2)
    world.network(1)
    world.network(2)
    port = world.port(1, 1, pairs=pairs)
    world.port(2, 1)
    world.router(1, [1, 2], routes=routes)
    changed = replace(port, **changes)
    world.values[world.values.index(port)] = changed
    return _table(world, changed)


def _elsewhere(table: Ruleset | None) -> set[str]:
    assert table is not None
    return {e for one in table.sets if one.name.startswith("elsewhere") for e in one.elements}


def test_a_port_that_has_its_own_addresses_only_is_not_asked_where_else_it_could_be_from() -> None:
    near = _routed((MAC, "10.0.1.200"), (MAC, "172.16.0.0/12"))
    for table in (_routed(), near):
        assert table is not None
        assert "elsewhere" not in table.body


@pytest.mark.parametrize("pair", ["0.0.0.0/0", "10.0.2.0/25", "10.0.2.77", "fd00:2::/48"])
def test_a_port_whose_pairs_open_addresses_of_another_network_brings_none_of_them_to_a_leg(pair: str) -> None:
    table = _routed((MAC, pair))
    assert _elsewhere(table) == {"10.0.2.0/24", "fd00:2::/64"}
    assert table is not None
    assert {e for one in table.sets if one.name == "legs" for e in one.elements} == {"fa:16:3e:00:01:01"}
    rules = [line.strip() for line in table.body.splitlines()]
    assert rules.index("ether daddr @legs jump elsewhere") < next(n for n, rule in enumerate(rules) if "vmap" in rule)


def test_a_port_without_protection_has_a_table_where_its_network_is_routed_and_only_for_that() -> None:
    table = _routed(port_security_enabled=False)
    assert _elsewhere(table) == {"10.0.2.0/24", "fd00:2::/64"}
    assert table is not None
    assert "policy accept" in table.body
    world, port = _world()
    bare = replace(port, port_security_enabled=False)
    world.values[world.values.index(port)] = bare
    assert _table(world, bare) is None


def test_what_lies_behind_an_instance_comes_from_its_network_and_no_other() -> None:
    routes = [("10.0.2.128/25", "10.0.1.10"), ("192.168.7.0/24", "10.0.2.11"), ("0.0.0.0/0", "10.0.2.11")]
    assert _elsewhere(_routed((MAC, "0.0.0.0/0"), routes=routes)) == {
        "10.0.2.0/25",
        "192.168.7.0/24",
        "fd00:2::/64",
    }
