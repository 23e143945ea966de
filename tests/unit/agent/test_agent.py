"""The agent whole: socket, stream, local copy and engine together, over a kernel in memory and a real controller."""

import asyncio
from pathlib import Path

import pytest

from onehop.agent import roster
from onehop.agent.call import call
from onehop.agent.localcopy import FILE
from onehop.agent.request import (
    CloudInitRequest,
    PlanAnswer,
    PlanRequest,
    PlugRequest,
    PortAnswer,
    ReleaseRequest,
    StatusAnswer,
    StatusRequest,
    TextAnswer,
    UnplugRequest,
)
from onehop.controller.stream import Stream
from onehop.errors import ConflictError, IdentifierError, InputError, NotFoundError, StateError
from onehop.kernel.memory import MemoryKernel
from onehop.net import naming
from onehop.objects import Link, Tap
from tests.store import rows
from tests.unit.agent.place import Place
from tests.unit.controller.streams import LIMIT, Site, eventually

pytestmark = pytest.mark.slow


def test_a_plugged_port_is_active_in_the_api_and_unplugged_it_is_down(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            plugged = await place.ask(PlugRequest(port_id=port), PortAnswer)
            assert plugged == PortAnswer(port_id=port, device=naming.tap(port), state="ACTIVE", changed=True)  # type: ignore[arg-type]  # a plain id
            again = await place.ask(PlugRequest(port_id=port), PortAnswer)
            assert not again.changed
            await eventually(lambda: place.port_status(port) == "ACTIVE")
            await place.ask(UnplugRequest(port_id=port), PortAnswer)
            assert naming.tap(port) not in place.kernel.world.spaces[""].devices  # type: ignore[arg-type]  # a plain id
            await eventually(lambda: place.port_status(port) == "DOWN")
            gone = await place.ask(UnplugRequest(port_id=port), PortAnswer)
            assert not gone.changed

    asyncio.run(scenario())


def test_an_interface_is_active_while_the_host_holds_its_router(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            leg = place.leg(port)
            assert place.port_status(leg) == "DOWN"
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            await eventually(lambda: place.port_status(leg) == "ACTIVE")
            place.site.store.run(lambda tx: tx.delete("binding", (port, "host-1")))
            await eventually(lambda: place.port_status(leg) == "DOWN")

    asyncio.run(scenario())


def test_the_plug_of_a_deleted_port_is_forgotten_once_its_instance_is_gone(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined() as agent:
            ports = [place.port() for _ in range(3)]
            for number, port in enumerate(ports):
                place.make_namespace(f"i{number}")
                await place.ask(PlugRequest(port_id=port, netns=f"i{number}"), PortAnswer)
            (place.netns / "i0").unlink()
            (place.netns / "i1").unlink()
            for port in ports[1:]:
                place.site.store.run(lambda tx, port=port: tx.delete("port", port))
            await place.until(lambda answer: answer.applied == place.site.store.revision() and answer.in_sync)
            await agent._desk.tidy()
            # Still bound; deleted and gone; deleted, but the instance is there.
            assert set(agent._plugs.all) == {ports[0], ports[2]}

    asyncio.run(scenario())


def test_plug_says_what_is_wrong(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            place.site.store.run(lambda tx: tx.add_host("host-2"))
            here, elsewhere, unbound = place.port(), place.port("host-2"), place.port("")
            quick = {"timeout": 0.3}
            with pytest.raises(IdentifierError, match="UUID"):
                await place.ask(PlugRequest(port_id="../../x", **quick), PortAnswer)  # type: ignore[arg-type]  # numbers
            for port in (elsewhere, unbound, "00000000-0000-4000-8000-000000000000"):
                with pytest.raises((NotFoundError, ConflictError), match="bound"):
                    await place.ask(PlugRequest(port_id=port, **quick), PortAnswer)  # type: ignore[arg-type]  # numbers
            with pytest.raises(NotFoundError, match="ip netns add vm-1"):
                await place.ask(PlugRequest(port_id=here, netns="vm-1"), PortAnswer)
            with pytest.raises(InputError):
                await place.ask(PlugRequest(port_id=here, netns="../vm"), PortAnswer)
            place.make_namespace("vm-1")
            place.make_namespace("vm-2")
            await place.ask(PlugRequest(port_id=here, netns="vm-1"), PortAnswer)
            with pytest.raises(ConflictError, match="vm-1"):
                await place.ask(PlugRequest(port_id=here, netns="vm-2"), PortAnswer)

    asyncio.run(scenario())


def test_plug_says_that_the_port_is_bound_to_another_host_and_to_which(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            place.site.store.run(lambda tx: tx.add_host("host-2"))
            port = place.port()
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            with place.site.store.read() as tx:
                row = rows.known(tx, "port", port)
            subnet = row["fixed_ips"][0]["subnet_id"]
            other = place.site.store.run(lambda tx: rows.port(tx, row["network_id"], subnet, host="host-2"))["id"]
            with pytest.raises(ConflictError, match="host-2"):
                await place.ask(PlugRequest(port_id=other, timeout=0.5), PortAnswer)

    asyncio.run(scenario())


def test_a_name_that_is_taken_is_said_at_once(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            name = naming.tap(port)  # type: ignore[arg-type]  # a plain id
            place.kernel.plant(Link(namespace="", name=name, spec=Tap(), alias="somebody's", mtu=1450))
            with pytest.raises(StateError, match=name):
                await place.ask(PlugRequest(port_id=port), PortAnswer)

    asyncio.run(scenario())


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="systemctl start onehop-agent"):
        call(tmp_path, StatusRequest(), StatusAnswer)


def test_a_guest_gets_its_network_config(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            answer = await place.ask(CloudInitRequest(port_id=port), TextAnswer)
            assert "version: 2" in answer.text

    asyncio.run(scenario())


def test_status_and_plan_tell_what_fails_and_what_is_to_do(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            status = await place.until(lambda answer: answer.connected and answer.in_sync)
            assert status.resources["port"] == {"ACTIVE": 1}
            assert status.connected
            assert status.failing == 0
            assert (await place.ask(PlanRequest(), PlanAnswer)).ops == []
            name = naming.tap(port)  # type: ignore[arg-type]  # a plain id
            place.kernel.fail(lambda op: op.key == ("link", "", name), 16)
            place.kernel.uproot(place.kernel.world.spaces[""].devices[name].link)
            broken = await place.until(lambda answer: answer.failing > 0)
            assert any(name in problem.what for problem in broken.problems)
            plan = await place.ask(PlanRequest(), PlanAnswer)
            planned = next(op for op in plan.ops if name in op.text)
            assert planned.resource == f"port {port}"
            assert planned.feature == "instances"

    asyncio.run(scenario())


def test_a_host_comes_up_from_its_local_copy_without_a_controller(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            await place.ask(PlugRequest(port_id=port), PortAnswer)
        place.kernel = MemoryKernel()
        async with place.running("127.0.0.1:1"):
            status = await place.until(lambda answer: answer.resources.get("port") == {"ACTIVE": 1})
            assert not status.connected
            assert status.controller_error
            assert status.complete

    asyncio.run(scenario())


def test_with_a_damaged_copy_a_host_waits_for_the_controller_and_deletes_nothing(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            await place.ask(PlugRequest(port_id=port), PortAnswer)
        writes = place.kernel.writes
        copy = place.state_dir / FILE
        copy.write_bytes(b"\xff" * 100)
        async with place.running("127.0.0.1:1"):
            status = await place.status()
            assert not status.complete
            assert any("damaged" in warning for warning in status.warnings)
        assert place.kernel.writes == writes
        place.site.stream = Stream(place.site.store, place.site.settings)
        async with place.site.running(), place.running():
            await place.until(lambda answer: answer.connected and answer.in_sync)
            assert place.kernel.writes == writes

    asyncio.run(scenario())


def test_a_restarted_agent_writes_nothing_and_says_everything_again(place: Place) -> None:
    async def scenario() -> None:
        async with place.site.running():
            await place.join()
            async with place.running():
                port = place.port()
                await place.ask(PlugRequest(port_id=port), PortAnswer)
                await eventually(lambda: place.port_status(port) == "ACTIVE")
            writes = place.kernel.writes
            async with place.running():
                await place.until(lambda answer: answer.connected and answer.in_sync)
            assert place.kernel.writes == writes
            assert place.port_status(port) == "ACTIVE"

    asyncio.run(scenario())


def test_the_controller_comes_and_goes_and_the_agent_catches_up(place: Place) -> None:
    async def scenario() -> None:
        async with place.site.running():
            await place.join()
            first = place.site.address
        async with place.running(first):
            await place.until(lambda answer: bool(answer.controller_error))
            place.site.stream = Stream(place.site.store, place.site.settings)
            port = place.port()
            _, _, number = first.rpartition(":")
            async with place.site.running(int(number)):
                await place.ask(PlugRequest(port_id=port), PortAnswer)
                await eventually(lambda: place.port_status(port) == "ACTIVE")

    asyncio.run(scenario())


def test_an_agent_whose_first_controller_was_away_goes_back_to_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "HOME_SECONDS", 0.2)

    async def scenario() -> None:
        other = Site(place.site.store, place.site.directory)
        async with other.running(), place.site.running():
            await place.join()
            addresses = (place.site.address, other.address)
        home = roster.Roster("host-1", addresses, 1.0, lambda: 0.5).order[0]
        for site in (place.site, other):
            site.stream = Stream(site.store, site.settings)
        away, first = (other, place.site) if home == place.site.address else (place.site, other)
        async with away.running(port_of(away)), place.running(addresses):
            await place.until(lambda answer: answer.connected and answer.controller == away.address)
            async with first.running(port_of(first)):
                await place.until(lambda answer: answer.connected and answer.controller == home)
                await eventually(lambda: not away.stream.sessions)

    def port_of(site: Site) -> int:
        return int(site.address.rpartition(":")[2])

    asyncio.run(scenario())


def test_a_released_device_is_left_and_an_adopted_one_is_taken(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            port = place.port()
            name = naming.tap(port)  # type: ignore[arg-type]  # a plain id
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            device = place.kernel.world.spaces[""].devices[name]
            await place.ask(ReleaseRequest(port_id=port), PortAnswer)
            assert place.kernel.world.spaces[""].devices[name] is device
            assert device.link.alias == ""
            # Nothing checks any more what comes from it.
            assert not device.link.up
            assert device.link.master is None
            await place.ask(PlugRequest(port_id=port, adopt=True), PortAnswer)
            assert place.kernel.world.spaces[""].devices[name] is device
            assert device.link.alias.startswith(naming.MARK)

    asyncio.run(scenario())


def test_only_one_agent_answers_on_a_socket(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            with pytest.raises(StateError, match="another agent"):
                async with place.running():
                    raise AssertionError("two agents on one socket")

    asyncio.run(scenario())


def test_noise_on_the_socket_is_answered_and_outlived(place: Place) -> None:
    async def scenario() -> None:
        async with place.running("127.0.0.1:1"):
            path = str(place.run_dir / "agent.sock")
            for noise in (
                b"\n",
                b"{}\n",
                b"\xff\xfe\n",
                b'{"type":"plug"}\n',
                b'{"type":"plug","port_id":7}\n',
                b"x" * 70_000,
            ):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(noise)
                writer.write_eof()
                answer = await asyncio.wait_for(reader.readline(), LIMIT)
                assert answer == b"" or b'"failed"' in answer
                writer.close()
            assert (place.run_dir / "agent.sock").stat().st_mode & 0o777 == 0o600
            assert not (await place.status()).connected

    place.state_dir.mkdir()
    asyncio.run(scenario())
