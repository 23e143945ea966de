"""A port as its host's agent shows it, and what protection refused, read when somebody asks."""

import asyncio
from uuid import uuid4

import pytest

from onehop.agent.drops import read_drops
from onehop.agent.request import PlugRequest, PortAnswer, ShowPortAnswer, ShowPortRequest
from onehop.errors import NotFoundError
from onehop.model.protection import REASONS
from onehop.net import naming
from onehop.objects.counter import Count
from tests.unit.agent.bench import Bench, routed
from tests.unit.agent.place import Place


@pytest.mark.slow
def test_a_port_is_shown_with_what_was_refused_of_it(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port(port_security_enabled=True)
            unplugged = await place.ask(ShowPortRequest(port_id=port), ShowPortAnswer)
            assert (unplugged.device, unplugged.state, unplugged.refused) == ("", "DOWN", [])
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            (table,) = place.kernel.count("netdev")
            place.kernel.counted[table, "arp-sender"] = Count(3, 126)
            shown = await place.ask(ShowPortRequest(port_id=port), ShowPortAnswer)
            assert (shown.state, shown.protected, shown.host) == ("ACTIVE", True, "host-1")
            assert [address.rpartition(".")[0] for address in shown.addresses] == ["10.0.0"]
            refused = {one.reason: one for one in shown.refused}
            assert (refused["arp-sender"].packets, refused["arp-sender"].octets) == (3, 126)
            assert refused["arp-sender"].meaning == REASONS["arp-sender"]
            assert refused.keys() == REASONS.keys()
            assert sum(one.packets for one in shown.refused) == 3
            with pytest.raises(NotFoundError, match="not known on host host-1"):
                await place.ask(ShowPortRequest(port_id=str(uuid4())), ShowPortAnswer)

    asyncio.run(scenario())


def test_what_was_refused_is_told_for_one_port_or_for_all_that_are_plugged() -> None:
    world, one, other = routed()
    bench = Bench()
    bench.see(world)
    assert bench.engine.drops() == {}
    bench.plug(one, other)
    bench.kernel.counted[naming.tap_table(one.network_id, one.id), "source-mac"] = Count(7, 700)
    everything = bench.engine.drops()
    assert everything.keys() == {one.id, other.id}
    assert everything[one.id]["source-mac"] == Count(7, 700)
    assert set(everything[other.id].values()) == {Count()}
    assert bench.engine.drops(other.id).keys() == {other.id}
    bench.unplug(one)
    assert bench.engine.drops().keys() == {other.id}
    assert read_drops(bench.kernel, bench.engine.desire, one.id) == {}


def test_a_port_whose_rules_are_refused_stays_down_and_says_why() -> None:
    """Rather no traffic than traffic that nobody checks."""
    world, port, _ = routed()
    bench = Bench()
    bench.see(world)
    table = ("ruleset", "", "netdev", naming.tap_table(port.network_id, port.id))
    bench.kernel.fail(lambda op: op.key == table, 95)
    bench.plug(port)
    assert bench.state("port", port.id) == "ERROR"
    assert not bench.kernel.world.spaces[""].devices[naming.tap(port.id)].link.up
    bench.kernel.heal()
    bench.wait(60)
    assert bench.state("port", port.id) == "ACTIVE"
    assert bench.kernel.world.spaces[""].devices[naming.tap(port.id)].link.up
