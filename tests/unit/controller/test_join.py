"""PKI and joining: from `pki init` to an agent's certificate."""

import asyncio
import stat

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from onehop.agent import credential
from onehop.agent.join import join
from onehop.controller import pki
from onehop.controller.join import add_host, new_token, stream_address
from onehop.errors import ConflictError, InputError, NotFoundError, OnehopError, SettingsError, StateError
from onehop.net.identifier import HostName
from onehop.settings import ControllerSettings
from onehop.wire import JoinRequest, Refused, decode_joined, encode
from onehop.wire.token import parse_token
from tests.unit.controller.streams import Site


def test_a_host_joins_with_its_token_and_is_let_in(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            token = add_host(site.store, site.settings, "host-1", site.address)
            directory = site.directory / "agent"
            assert await asyncio.to_thread(join, token, directory, "host-1") == "host-1"
            assert stat.S_IMODE((directory / credential.KEY).stat().st_mode) == 0o600
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: agent.syncs > 0)

    asyncio.run(scenario())


def test_a_token_is_good_once(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            token = add_host(site.store, site.settings, "host-1", site.address)
            await asyncio.to_thread(join, token, site.directory / "agent")
            with pytest.raises(StateError, match="host token"):
                await asyncio.to_thread(join, token, site.directory / "thief")
            assert not (site.directory / "thief").exists()

    asyncio.run(scenario())


def test_a_new_token_ends_the_earlier_ones(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            old = add_host(site.store, site.settings, "host-1", site.address)
            new = new_token(site.store, site.settings, HostName("host-1"), site.address)
            with pytest.raises(StateError):
                await asyncio.to_thread(join, old, site.directory / "agent")
            await asyncio.to_thread(join, new, site.directory / "agent")

    asyncio.run(scenario())


def test_joining_again_revokes_the_earlier_certificate(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            first = add_host(site.store, site.settings, "host-1", site.address)
            await asyncio.to_thread(join, first, site.directory / "a")
            second = new_token(site.store, site.settings, HostName("host-1"), site.address)
            await asyncio.to_thread(join, second, site.directory / "b")
            old = x509.load_pem_x509_certificate((site.directory / "a" / credential.CERTIFICATE).read_bytes())
            with site.store.read() as tx:
                known = tx.certificate(pki.serial_of(old))
            assert known is not None
            assert known.revoked_at is not None

    asyncio.run(scenario())


def test_a_token_goes_to_nobody_but_the_controller_that_made_it(site: Site) -> None:
    async def scenario() -> None:
        (site.directory / "other").mkdir()
        other = Site(site.store, site.directory / "other")
        async with site.running():
            token = add_host(site.store, other.settings, "host-1", site.address)
            with pytest.raises(StateError, match="nothing was sent"):
                await asyncio.to_thread(join, token, site.directory / "agent")
            genuine = parse_token(token)
        async with other.running():
            moved = type(genuine)(other.address, genuine.fingerprint, genuine.host, genuine.secret)
            await asyncio.to_thread(join, moved.text(), site.directory / "agent")

    asyncio.run(scenario())


def test_a_bad_request_does_not_cost_the_token(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            token = add_host(site.store, site.settings, "host-1", site.address)
            secret = parse_token(token).secret
            async with site.connection(None, "/v1/join") as connection:
                await connection.send(encode(JoinRequest(version=1, token=secret, request="no request")))
                assert isinstance(decode_joined(await connection.recv()), Refused)
            await asyncio.to_thread(join, token, site.directory / "agent")

    asyncio.run(scenario())


def test_a_token_for_another_host_is_refused_before_anything_is_sent(site: Site) -> None:
    token = add_host(site.store, site.settings, "host-1", "127.0.0.1:1")
    with pytest.raises(InputError, match="host-1"):
        join(token, site.directory / "agent", "host-2")


def test_a_controller_that_is_not_there_is_named(site: Site) -> None:
    token = add_host(site.store, site.settings, "host-1", "127.0.0.1:1")
    with pytest.raises(StateError, match=r"127\.0\.0\.1:1"):
        join(token, site.directory / "agent")


def test_a_host_is_added_once(site: Site) -> None:
    add_host(site.store, site.settings, "host-1", "127.0.0.1:1")
    with pytest.raises(OnehopError):
        add_host(site.store, site.settings, "host-1", "127.0.0.1:1")


@pytest.mark.parametrize("bad", ["", "../x", "a b", "-a", "a" * 64])
def test_a_host_needs_a_usable_name(site: Site, bad: str) -> None:
    with pytest.raises(InputError):
        add_host(site.store, site.settings, bad, "127.0.0.1:1")


def test_keys_are_for_their_owner_only_and_certificates_say_what_they_are_for(site: Site) -> None:
    for name in (pki.CA_KEY, pki.CONTROLLER_KEY):
        assert stat.S_IMODE((site.pki / name).stat().st_mode) == 0o600
    controller = x509.load_pem_x509_certificate((site.pki / pki.CONTROLLER_CERTIFICATE).read_bytes())
    host = x509.load_pem_x509_certificate((site.host("host-1") / "host.crt").read_bytes())
    ca = pki.authority(site.pki)
    for certificate, use in (
        (controller, ExtendedKeyUsageOID.SERVER_AUTH),
        (host, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        certificate.verify_directly_issued_by(ca)
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [use]
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_ca_is_never_overwritten(site: Site) -> None:
    before = (site.pki / pki.CA_KEY).read_bytes()
    with pytest.raises(ConflictError):
        pki.init(site.pki)
    assert (site.pki / pki.CA_KEY).read_bytes() == before


def test_without_a_ca_it_says_what_to_run(site: Site) -> None:
    settings = ControllerSettings(pki_dir=str(site.directory / "nowhere"))
    with pytest.raises(NotFoundError, match="onehop pki init"):
        add_host(site.store, settings, "host-1", "127.0.0.1:1")


def test_an_address_that_others_cannot_use_does_not_get_into_a_token() -> None:
    assert stream_address(ControllerSettings(stream_address="c.example:9697")) == "c.example:9697"
    for useless in ("0.0.0.0:9697", "[::]:9697", "127.0.0.1:0"):
        with pytest.raises(SettingsError, match="stream_address"):
            stream_address(ControllerSettings(stream_listen=useless))
