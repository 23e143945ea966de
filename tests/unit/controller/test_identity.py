"""What a host's certificate is good for: this host's share and status, until the host is removed, and nothing else."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography import x509
from websockets.exceptions import InvalidStatus

from onehop.agent import renewal
from onehop.controller import pki
from onehop.controller.app import create_app
from onehop.controller.users import hash_password
from onehop.errors import StateError
from onehop.settings import ControllerSettings
from onehop.store import Store
from onehop.wire import (
    PROTOCOL_VERSION,
    Delta,
    InSync,
    Joined,
    JoinRequest,
    PortUse,
    Reach,
    Refused,
    ResourceStatus,
    Snapshot,
    Status,
    Usage,
    decode_from_controller,
    decode_joined,
    encode,
)
from tests.store import rows
from tests.unit.controller.streams import LIMIT, Site, bound_port, eventually, hello_of, request_for

# a host that was removed ----------------------------------------------------------------------------------------------


def remove(site: Site, host: str) -> None:
    site.store.run(lambda tx: tx.remove_host(host))


async def refused(site: Site, directory: Path, path: str = "/v1/stream") -> str:
    """Why a certificate is not let in."""
    with pytest.raises(InvalidStatus) as caught:
        async with site.connection(directory, path):
            pass
    assert caught.value.response.status_code == 403
    return caught.value.response.body.decode()


def test_the_session_of_a_host_that_is_removed_is_cut_at_once(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            remove(site, "host-1")
            async with asyncio.timeout(LIMIT):
                await agent.connection.wait_closed()
            await eventually(lambda: not site.stream.sessions)

    asyncio.run(scenario())


def test_a_host_that_is_removed_neither_comes_in_nor_renews(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running():
            remove(site, "host-1")
            assert "unknown" in await refused(site, directory)
            assert "unknown" in await refused(site, directory, "/v1/renew")
            with pytest.raises(StateError, match="403"):
                await renewal.renew(directory, site.address)

    asyncio.run(scenario())


def test_a_host_that_is_added_again_does_not_revive_its_old_certificate(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: agent.syncs > 0)
            site.store.run(lambda tx: (tx.remove_host("host-1"), tx.add_host("host-1")))
            async with asyncio.timeout(LIMIT):
                await agent.connection.wait_closed()
            assert "revoked" in await refused(site, directory)
            assert "revoked" in await refused(site, directory, "/v1/renew")
            new = site.certify("host-1", "again")
            async with site.agent("host-1", new) as again:
                await again.until(lambda: again.syncs > 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("again", [False, True])
def test_a_host_that_is_removed_between_coming_in_and_saying_hello_gets_nothing(site: Site, again: bool) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.connection(directory) as connection:
            remove(site, "host-1")
            if again:
                site.store.run(lambda tx: tx.add_host("host-1"))
            await connection.send(encode(hello_of("host-1")))
            answer = decode_from_controller(await asyncio.wait_for(connection.recv(), LIMIT))
            assert isinstance(answer, Refused)
            assert ("revoked" if again else "unknown") in answer.reason
            with site.store.read() as tx:
                host = tx.host("host-1")
            assert host is None or host.vtep is None

    asyncio.run(scenario())


@pytest.mark.parametrize("again", [False, True])
def test_a_host_that_is_removed_while_it_renews_gets_no_certificate(site: Site, again: bool) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.connection(directory, "/v1/renew") as connection:
            remove(site, "host-1")
            if again:
                site.store.run(lambda tx: tx.add_host("host-1"))
            await connection.send(
                encode(JoinRequest(version=PROTOCOL_VERSION, token="", request=request_for("host-1")))
            )
            assert isinstance(decode_joined(await asyncio.wait_for(connection.recv(), LIMIT)), Refused)

    asyncio.run(scenario())


# a stolen certificate -------------------------------------------------------------------------------------------------


def everything(store: Store) -> dict[str, list[rows.Row]]:
    """All that the store says of resources, but for signs of life."""
    with store.read() as tx:
        found = {kind: tx.select(kind, {}) for kind in ("network", "subnet", "port", "router", "floatingip", "binding")}
        return {**found, "hosts": [{"name": h.name, "vtep": h.vtep} for h in tx.hosts()]}


def test_it_reads_the_share_of_its_own_host_and_of_no_other(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2")
        own, mine = bound_port(site, "host-1")
        theirs, foreign = bound_port(site, "host-2", "10.9.0.0/24")
        async with site.running(), site.agent("host-1", thief) as agent:
            await agent.until(lambda: agent.syncs > 0)
            assert agent.ids("port") == {mine}
            assert agent.ids("network") == {own}
            await agent.connection.send(encode(Reach(physical_networks=("external", "lan"))))
            site.store.run(lambda tx: tx.update("port", foreign, {"name": "secret"}))
            revision = site.store.revision()
            await agent.until(lambda: agent.revision >= revision)
            assert (agent.ids("port"), agent.ids("network")) == ({mine}, {own})
            assert theirs not in agent.ids("network")

    asyncio.run(scenario())


def test_it_cannot_call_itself_another_host(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2")
        async with site.running(), site.connection(thief) as connection:
            await connection.send(encode(hello_of("host-2")))
            answer = decode_from_controller(await asyncio.wait_for(connection.recv(), LIMIT))
            assert isinstance(answer, Refused)
            assert "certificate is host-1's" in answer.reason

    asyncio.run(scenario())


def test_it_cannot_take_the_tunnel_address_of_another_host(site: Site) -> None:
    async def scenario() -> None:
        thief, other = site.host("host-1"), site.host("host-2")
        async with site.running(), site.agent("host-2", other), site.connection(thief) as connection:
            await connection.send(encode(hello_of("host-1", vtep="192.0.2.2")))
            assert isinstance(decode_from_controller(await asyncio.wait_for(connection.recv(), LIMIT)), Refused)

    asyncio.run(scenario())


def test_it_renews_for_its_own_name_whatever_the_request_says(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2")
        async with site.running():
            for name in ("host-2", pki.CONTROLLER_NAME):
                async with site.connection(thief, "/v1/renew") as connection:
                    asked = JoinRequest(version=PROTOCOL_VERSION, token="", request=request_for(name))
                    await connection.send(encode(asked))
                    answer = decode_joined(await asyncio.wait_for(connection.recv(), LIMIT))
                assert isinstance(answer, Joined)
                given = x509.load_pem_x509_certificate(answer.certificate.encode())
                assert given.subject.rfc4514_string() == "CN=host-1"
                san = given.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                assert san.get_values_for_type(x509.DNSName) == ["host-1"]

    asyncio.run(scenario())


def test_it_joins_as_nobody(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        async with site.running():
            for token in ("", "x", "0" * 43):
                async with site.connection(thief, "/v1/join") as connection:
                    asked = JoinRequest(version=PROTOCOL_VERSION, token=token, request=request_for("host-2"))
                    await connection.send(encode(asked))
                    assert isinstance(decode_joined(await asyncio.wait_for(connection.recv(), LIMIT)), Refused)

    asyncio.run(scenario())


def test_it_writes_the_status_of_nothing_that_is_not_its_own(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2")
        shared, mine = bound_port(site, "host-1")
        _, seen = bound_port(site, "host-2", network_id=shared)
        _, foreign = bound_port(site, "host-2", "10.9.0.0/24")
        router = site.store.run(lambda tx: rows.router(tx))["id"]

        def state(port: str) -> str:
            with site.store.read() as tx:
                return str(rows.known(tx, "port", port)["status"])

        async with site.running(), site.agent("host-1", thief) as agent:
            await agent.until(lambda: agent.syncs > 0)
            lies = [
                *(ResourceStatus(kind="port", id=port, state="ACTIVE") for port in (seen, foreign)),
                ResourceStatus(kind="router", id=router, state="ERROR", reason="a lie"),
                ResourceStatus(kind="port", id=foreign, state="GONE"),
            ]
            await agent.connection.send(encode(Usage(routers=(PortUse(router=router, used=10**6),))))
            await agent.apply(*lies, ResourceStatus(kind="port", id=mine, state="ACTIVE"), full=True)
            await eventually(lambda: state(mine) == "ACTIVE")
            assert state(seen) == state(foreign) == "DOWN"
            with site.store.read() as tx:
                assert rows.known(tx, "router", router)["status"] != "ERROR"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "message",
    [
        Snapshot(revision=1, first=True, values=()),
        Delta(revision=1, removes=(("port", "11111111-1111-4111-8111-111111111111"),)),
        InSync(revision=2**40),
        Status(revision=2**62, statuses=()),
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_only_a_controller_says_changes_nothing(site: Site, message: msgspec.Struct) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", thief) as agent:
            await agent.until(lambda: agent.syncs > 0)
            before = everything(site.store)
            await agent.connection.send(encode(message))  # type: ignore[arg-type]  # one of the protocol's
            await agent.connection.close()
            await eventually(lambda: not site.stream.sessions)
            assert everything(site.store) == before

    asyncio.run(scenario())


def test_it_opens_no_door_of_the_api(site: Site) -> None:
    users = site.directory / "users.toml"
    users.write_text(
        f'[[user]]\nname = "a"\npassword = "{hash_password("right", 4)}"\nproject = "p"\nroles = ["member"]\n'
    )
    users.chmod(0o600)
    thief = site.host("host-1")
    certificate = (thief / "host.crt").read_text().replace("\n", " ")
    app = create_app(site.store, ControllerSettings(auth="http_basic", users_file=str(users)))

    async def scenario() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for headers in (
                {},
                {"X-SSL-Client-Cert": certificate},
                {"X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-Project-Id": "p"},
                {"X-Auth-Token": "host-1"},
                {"Authorization": f"Bearer {certificate}"},
            ):
                assert (await client.get("/v2.0/networks", headers=headers)).status_code == 401

    asyncio.run(scenario())
