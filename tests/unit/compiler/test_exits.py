"""By which of several gateway addresses an instance goes out, and whether it stays so."""

import msgspec
import pytest

from onehop.compiler import Local, Plug, compile_host
from onehop.compiler.exits import exit_of, first_exit
from onehop.model.gateway import PortBlock, RouterHost
from onehop.model.port import Binding
from onehop.net.identifier import HostName
from onehop.objects import NamedSet, Ruleset
from tests.northern import PHYSICAL, Northern
from tests.worlds import World

ONE, TWO, THREE = "203.0.113.10", "203.0.113.20", "203.0.113.30"


def _place(*blocks: PortBlock) -> RouterHost:
    return RouterHost(host=HostName("h"), number=1, mac_address="", transit_ip="", transit_mac="", blocks=tuple(blocks))


def _block(address: str, since: int, first: int = 1024) -> PortBlock:
    return PortBlock(first, 1024, address, since)


@pytest.mark.parametrize(("since", "expected"), [(2, ONE), (5, ONE), (8, ONE), (9, TWO), (11, TWO), (40, THREE)])
def test_an_instance_has_the_newest_address_that_its_host_had_when_it_came(since: int, expected: str) -> None:
    place = _place(_block(ONE, 5), _block(ONE, 30, 8192), _block(TWO, 9), _block(THREE, 12))
    assert exit_of(place, [THREE, ONE, TWO], since) == expected
    assert first_exit(place, [THREE, ONE, TWO]) == ONE


def test_what_a_host_is_given_later_changes_nobodys_address() -> None:
    place = _place(_block(ONE, 5))
    later = msgspec.structs.replace(place, blocks=(*place.blocks, _block(TWO, 20)))
    for since in (0, 5, 19):
        assert exit_of(place, [ONE], since) == exit_of(later, [TWO, ONE], since) == ONE


def test_an_address_that_is_gone_leaves_the_oldest_of_those_there_are() -> None:
    place = _place(_block(ONE, 5), _block(TWO, 9), _block(THREE, 12))
    assert exit_of(place, [TWO, THREE], 6) == TWO
    assert exit_of(place, [ONE, THREE], 10) == ONE
    assert exit_of(place, [], 10) is None
    assert exit_of(_place(), [ONE], 10) is None


def test_a_block_without_an_address_is_of_the_first() -> None:
    assert exit_of(_place(PortBlock(1024, 1024)), [TWO, ONE], 0) == TWO


def _table(world: Northern, host: int) -> Ruleset:
    view, name = world.topology(), HostName(world.host(host))
    plugs = {port.id: Plug(port.id, "vm") for port in view.bound_on(name)}
    parts = compile_host(view, name, Local(plugs=plugs, physical_networks={PHYSICAL: "br-ex"})).values()
    objects = (claim.object for part in parts for claim in part.claims.values())
    return next(o for o in objects if isinstance(o, Ruleset) and (o.family, o.table) == ("ip", "onehop-north"))


def _world(**gateway: object) -> Northern:
    world = Northern(hosts=2)
    world.network(1, six=False)
    world.router(1, [1])
    for host in (1, 2):
        port = world.port(1, host)
        world.change(port.id, bindings=(Binding(World.host(host), since=9),))
    world.gateway(1, 1, further=[TWO], **gateway)  # type: ignore[arg-type]  # the keywords of gateway
    return world


def _elements(table: Ruleset, name: str) -> tuple[str, ...]:
    found: NamedSet = next(one for one in table.sets if one.name == name)
    return found.elements


def test_an_owner_without_a_block_takes_ports_of_the_address_that_has_more_left() -> None:
    world = _world(blocks={1: (), 2: (_block(ONE, 1, 32768),)})
    table = _table(world, 1)
    assert f"snat to {TWO}:1024-65535" in table.body
    assert f"snat to {ONE}:" not in table.body


def test_an_owner_that_translates_for_all_keeps_each_instance_on_the_address_of_its_host() -> None:
    world = _world(blocks={1: (_block(ONE, 1),), 2: (_block(TWO, 1),)}, distributed=False)
    table = _table(world, 1)
    (second,) = [one for one in table.sets if one.name.startswith("exit_")]
    assert second.elements == ("10.0.1.11",)
    assert f"ip saddr @{second.name} ip protocol {{ icmp, tcp, udp }} snat to {TWO}:1024-65535" in table.body
    assert f"ip protocol {{ icmp, tcp, udp }} snat to {ONE}:1024-65535" in table.body
    assert _elements(table, "exits") == (f"10.0.1.11 : {TWO}",)
    assert "snat" in _table(world, 2).body
    assert f"snat to {TWO}:" not in _table(world, 2).body
