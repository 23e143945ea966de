"""A whole session with everything that is secret in it, and then what was logged and written."""

import asyncio
import base64
import io
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from onehop import log
from onehop.agent import credential, renewal
from onehop.agent.join import join
from onehop.controller import pki
from onehop.controller.app import create_app
from onehop.controller.join import add_host, new_token
from onehop.controller.users import hash_password
from onehop.errors import OnehopError, StateError, StoreError
from onehop.net.identifier import HostName
from onehop.settings import ControllerSettings
from onehop.store import Store
from onehop.wire.token import parse_token
from tests.unit.agent.place import Place
from tests.unit.controller.streams import Site

PASSWORDS = ("correct horse battery", "wrong staple", "hunter2hunter2")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, at the level that says most."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    out = io.StringIO()
    log.setup("json", "debug", out)
    logging.getLogger().setLevel(logging.DEBUG)
    yield out
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


async def ask(site: Site, users: Path) -> None:
    """Log in rightly and wrongly, and as nobody."""
    app = create_app(site.store, ControllerSettings(auth="http_basic", users_file=str(users)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        for password in PASSWORDS:
            word = base64.b64encode(f"alice:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {word}", "X-Auth-Token": "gAAAAtoken"}
            await client.get("/v2.0/networks", headers=headers)
            await client.post("/v2.0/networks", headers=headers, content=b'{"network": {"bad": 1}}')
        await client.get("/v2.0/networks", headers={"Authorization": "Basic !!!"})


def test_nothing_secret_is_logged_and_no_key_is_open(place: Place, written: io.StringIO) -> None:
    site = place.site
    users = site.directory / "users.toml"
    hashed = hash_password(PASSWORDS[0], 4)
    users.write_text(f'[[user]]\nname = "alice"\npassword = "{hashed}"\nproject = "p"\nroles = ["member"]\n')
    users.chmod(0o600)
    tokens: list[str] = []

    async def scenario() -> None:
        async with site.running():
            tokens.append(add_host(site.store, site.settings, "host-1", site.address))
            tokens.append(new_token(site.store, site.settings, HostName("host-1"), site.address))
            with pytest.raises(StateError):
                await asyncio.to_thread(join, tokens[0], place.state_dir)
            await asyncio.to_thread(join, tokens[1], place.state_dir)
            with pytest.raises(StateError):
                await asyncio.to_thread(join, tokens[1], site.directory / "thief")
            place.port()
            async with place.running():
                await place.until(lambda answer: answer.connected and answer.in_sync)
                await renewal.renew(place.state_dir, site.address)
                await ask(site, users)
                site.store.run(lambda tx: tx.revoke_certificates("host-1"))
            with pytest.raises(StateError):
                await renewal.renew(place.state_dir, site.address)

    asyncio.run(scenario())
    url = f"postgresql+psycopg://onehop:{PASSWORDS[2]}@/onehop?host={site.directory}"
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    log.logger("test").error("the store cannot be opened", error=str(caught.value))
    text = written.getvalue()
    assert '"status": 401' in text
    assert "host joined" in text
    assert "host renewed" in text

    secrets = [*PASSWORDS, hashed, "gAAAAtoken", "PRIVATE KEY"]
    secrets += [base64.b64encode(f"alice:{password}".encode()).decode() for password in PASSWORDS]
    secrets += [word for token in tokens for word in (token, parse_token(token).secret)]
    keys = [place.state_dir / credential.KEY, site.pki / pki.CA_KEY, site.pki / pki.CONTROLLER_KEY]
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        secrets += key.read_text().splitlines()[1:-1]
        secrets.append(_number(key))
    assert [secret for secret in secrets if secret in text] == []


def _number(path: Path) -> str:
    """A private key as one would print it."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return str(key.private_numbers().private_value)


def test_a_state_directory_is_closed_to_others(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            await place.until(lambda answer: answer.in_sync)

    asyncio.run(scenario())
    for path in place.state_dir.iterdir():
        if path.name not in (credential.CERTIFICATE, credential.AUTHORITY):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_error_that_quotes_a_token_does_not_exist(place: Place) -> None:
    site = place.site

    async def scenario() -> None:
        async with site.running():
            token = add_host(site.store, site.settings, "host-1", site.address)
            for wrong in (token[:-3], token + "x", token.upper(), f" {token}\n{token}"):
                with pytest.raises(OnehopError) as caught:
                    await asyncio.to_thread(join, wrong, site.directory / "agent")
                assert parse_token(token).secret not in str(caught.value)

    asyncio.run(scenario())
