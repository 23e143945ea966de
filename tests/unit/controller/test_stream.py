"""The stream between controller and agents, over real TLS on loopback."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from onehop.model.topology import ref
from onehop.wire import OLDEST_VERSION, Heartbeat, InSync, Refused, ResourceStatus, decode_from_controller, encode
from tests.store import rows
from tests.unit.controller.streams import LIMIT, Site, bound_port, eventually, hello_of

pytestmark = pytest.mark.slow


def test_a_host_gets_its_own_share_only(site: Site) -> None:
    async def scenario() -> None:
        one, ten = site.host("host-1"), site.host("host-10")
        mine, _ = bound_port(site, "host-1")
        theirs, _ = bound_port(site, "host-10")
        async with site.running(), site.agent("host-1", one) as a, site.agent("host-10", ten) as b:
            await a.until(lambda: a.ids("network") == {mine})
            await b.until(lambda: b.ids("network") == {theirs})
            assert "host-10" not in a.ids("host")

    asyncio.run(scenario())


def test_hosts_of_one_component_hear_of_each_other(site: Site) -> None:
    async def scenario() -> None:
        one, two = site.host("host-1"), site.host("host-2")
        network, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", one) as a, site.agent("host-2", two) as b:
            await a.until(lambda: port in a.ids("port"))
            assert "host-2" not in a.ids("host")
            bound_port(site, "host-2", network_id=network)
            await b.until(lambda: port in b.ids("port"))
            await a.until(lambda: {"host-1", "host-2"} <= a.ids("host"))
            assert a.snapshots == b.snapshots == 1

    asyncio.run(scenario())


def test_a_host_that_loses_its_last_port_loses_the_component(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: port in agent.ids("port"))
            site.store.run(lambda tx: tx.delete("binding", (port, "host-1")))
            await agent.until(lambda: agent.ids("network") == set())
            assert agent.ids("port") == agent.ids("subnet") == set()

    asyncio.run(scenario())


def test_a_stranger_is_refused(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            with pytest.raises(InvalidStatus) as refused:
                async with site.connection(None):
                    pass
            assert refused.value.response.status_code == 403
            assert b"onehop agent join" in (refused.value.response.body or b"")

    asyncio.run(scenario())


def test_a_certificate_of_another_ca_is_refused(site: Site) -> None:
    async def scenario() -> None:
        other = Site(site.store, site.directory / "other-site")
        stranger = other.certify("host-1")
        async with site.running():
            with pytest.raises((OSError, ConnectionClosed, InvalidHandshake)):
                async with site.connection(stranger) as connection:
                    await connection.recv()

    (site.directory / "other-site").mkdir()
    asyncio.run(scenario())


def test_a_revoked_certificate_is_refused(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        site.store.run(lambda tx: tx.revoke_certificates("host-1"))
        async with site.running():
            with pytest.raises(InvalidStatus) as refused:
                async with site.connection(directory):
                    pass
            assert b"revoked" in (refused.value.response.body or b"")

    asyncio.run(scenario())


def test_a_certificate_that_we_never_wrote_down_is_refused(site: Site) -> None:
    async def scenario() -> None:
        site.host("host-1")
        other = Site(site.store, site.directory / "copy")
        async with site.running():
            # The same CA, but a certificate made behind the store's back.
            other.pki = site.pki
            directory = other.certify("ghost-7")
            with pytest.raises(InvalidStatus):
                async with site.connection(directory):
                    pass

    (site.directory / "copy").mkdir()
    asyncio.run(scenario())


def test_a_removed_host_loses_its_session_at_once(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            site.store.run(lambda tx: tx.remove_host("host-1"))
            await asyncio.wait_for(agent.connection.wait_closed(), LIMIT)
            with pytest.raises(InvalidStatus):
                async with site.connection(directory):
                    pass

    asyncio.run(scenario())


def test_an_agent_cannot_call_itself_by_another_hosts_name(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        site.host("host-2")
        async with site.running(), site.connection(directory) as connection:
            await connection.send(encode(hello_of("host-2")))
            answer = decode_from_controller(await connection.recv())
            assert isinstance(answer, Refused)
            assert "host-1" in answer.reason

    asyncio.run(scenario())


def test_a_version_of_the_protocol_that_is_too_old_is_refused_with_what_to_do(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.connection(directory) as connection:
            await connection.send(encode(hello_of("host-1", version=OLDEST_VERSION - 1)))
            answer = decode_from_controller(await connection.recv())
            assert isinstance(answer, Refused)
            assert f"version {OLDEST_VERSION - 1}" in answer.reason
            assert "update the agent" in answer.reason

    asyncio.run(scenario())


def test_a_report_becomes_the_ports_status(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")

        def status() -> tuple[str, str]:
            with site.store.read() as tx:
                row = rows.known(tx, "port", port)
                return row["status"], row["status_reason"]

        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: port in agent.ids("port"))
            await agent.apply(ResourceStatus(kind="port", id=port, state="ACTIVE"), full=True)
            await eventually(lambda: status() == ("ACTIVE", ""))
            await agent.apply(ResourceStatus(kind="port", id=port, state="ERROR", reason="no room"))
            await eventually(lambda: status() == ("ERROR", "no room"))

    asyncio.run(scenario())


def test_a_host_cannot_write_the_status_of_what_is_not_its_own(site: Site) -> None:
    async def scenario() -> None:
        one, two = site.host("host-1"), site.host("host-2")
        _, mine = bound_port(site, "host-1")
        _, theirs = bound_port(site, "host-2")

        def status(port: str) -> str:
            with site.store.read() as tx:
                return str(rows.known(tx, "port", port)["status"])

        async with site.running(), site.agent("host-1", one) as a, site.agent("host-2", two) as b:
            await a.until(lambda: mine in a.ids("port"))
            await b.until(lambda: theirs in b.ids("port"))
            await a.apply(
                ResourceStatus(kind="port", id=theirs, state="ACTIVE"),
                ResourceStatus(kind="port", id=mine, state="ACTIVE"),
            )
            await eventually(lambda: status(mine) == "ACTIVE")
            assert status(theirs) == "DOWN"

    asyncio.run(scenario())


def test_what_is_missing_from_a_full_list_is_forgotten(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")

        def said() -> set[str]:
            with site.store.read() as tx:
                return set(tx.statuses("port", port))

        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: port in agent.ids("port"))
            await agent.apply(ResourceStatus(kind="port", id=port, state="ACTIVE"))
            await eventually(lambda: said() == {"host-1"})
            await agent.apply(full=True)
            await eventually(lambda: said() == set())

    asyncio.run(scenario())


def test_a_host_counts_as_in_sync_when_a_revision_does_not_concern_it(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")

        def applied() -> bool:
            with site.store.read() as tx:
                host = tx.host("host-1")
                return host is not None and host.applied == tx.revision() and host.connected

        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            await agent.apply(full=True)
            await eventually(applied)
            for _ in range(3):
                bound_port(site, "")
            await eventually(applied)

    asyncio.run(scenario())


def test_a_second_agent_of_a_host_takes_over_from_the_first(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.agent("host-1", directory) as first:
            await first.until(lambda: first.syncs > 0)
            async with site.agent("host-1", directory) as second:
                await second.until(lambda: second.syncs > 0)
                await asyncio.wait_for(first.connection.wait_closed(), LIMIT)
                assert set(site.stream.sessions) == {"host-1"}

    asyncio.run(scenario())


def test_a_revision_that_was_never_sent_cannot_be_acknowledged(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            agent.revision = 1_000_000
            await agent.apply()
            await asyncio.wait_for(agent.connection.wait_closed(), LIMIT)

    asyncio.run(scenario())


def test_a_slow_agent_costs_no_more_than_its_share_and_nobody_waits_for_it(site: Site) -> None:
    async def scenario() -> None:
        one, two = site.host("host-1"), site.host("host-2")
        network, port = bound_port(site, "host-1")
        bound_port(site, "host-2", network_id=network)

        def change(number: int) -> int:
            pairs = [{"mac_address": "fa:16:3e:00:00:01", "ip_address": f"10.{number}.{n}.1"} for n in range(200)]
            site.store.run(lambda tx: tx.update("port", port, {"allowed_address_pairs": pairs}))
            return site.store.revision()

        async with site.running(), site.narrow(one) as slow, site.agent("host-2", two) as quick:
            await slow.send(encode(hello_of("host-1")))
            await quick.until(lambda: port in quick.ids("port"))
            await eventually(lambda: "host-1" in site.stream.sessions)
            session = site.stream.sessions["host-1"]
            slow.transport.pause_reading()
            owed: list[int] = []
            for number in range(100):
                revision = await asyncio.to_thread(change, number)
                await quick.until(lambda revision=revision: quick.revision >= revision)
                owed.append(session.owed)
            # It did stop reading, and from then on owes grew no more: one changed port is one ref.
            assert max(owed) == 1
            assert owed[-20:] == [1] * 20
            assert session._connection.transport.get_write_buffer_size() < 300_000
            slow.transport.resume_reading()
            async with asyncio.timeout(LIMIT):
                while True:
                    message = decode_from_controller(await slow.recv())
                    if isinstance(message, InSync) and message.revision >= revision:
                        break

    asyncio.run(scenario())


def test_a_heartbeat_is_a_sign_of_life(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")

        def beat() -> float:
            with site.store.read() as tx:
                host = tx.host("host-1")
                return (host.heartbeat_at or 0.0) if host is not None else 0.0

        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            await eventually(lambda: beat() > 0)
            before = beat()
            await agent.connection.send(encode(Heartbeat(revision=0)))
            await eventually(lambda: beat() > before)

    asyncio.run(scenario())


def test_an_agent_that_goes_is_shown_as_gone(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")

        def connected() -> bool:
            with site.store.read() as tx:
                host = tx.host("host-1")
                return host is not None and host.connected

        async with site.running():
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: agent.syncs > 0)
                await eventually(connected)
            await eventually(lambda: not connected())

    asyncio.run(scenario())


def test_the_view_of_an_agent_is_the_projection_of_the_store(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        network, _ = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            for _ in range(5):
                bound_port(site, "host-1", network_id=network)
            await agent.until(lambda: len(agent.ids("port")) == 6)
            with site.store.read() as tx:
                _, values = tx.snapshot()
            assert agent.view == {ref(value): value for value in values}

    asyncio.run(scenario())


def test_only_gateway_hosts_are_asked_for_signs_of_life_so_often_that_a_loss_is_found_soon(site: Site) -> None:
    async def scenario() -> None:
        far, gateway = site.host("host-1"), site.host("host-2", "external")
        async with (
            site.running(),
            site.agent("host-1", far) as one,
            site.agent("host-2", gateway, gateway_host=True) as two,
        ):
            assert one.pace == site.settings.heartbeat_seconds
            assert two.pace == site.settings.owner_detection_seconds / 3

    asyncio.run(scenario())
