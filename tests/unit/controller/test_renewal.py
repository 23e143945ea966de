"""Certificates are renewed before they end, by whoever shows one that is good, and for the same name and key only."""

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from onehop.agent import credential, renewal
from onehop.agent.join import join
from onehop.controller import pki
from onehop.controller.join import new_token
from onehop.errors import StateError
from onehop.net.identifier import HostName
from tests.unit.controller.streams import Site, eventually

SOON = 1 / 144
"""Days: ten minutes. A certificate begins an hour before it is made."""


def certificate(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / credential.CERTIFICATE).read_bytes())


def test_it_is_due_when_two_thirds_of_its_life_are_over(site: Site) -> None:
    directory = site.host("host-1")
    now = dt.datetime.now(dt.UTC)
    life = dt.timedelta(days=pki.CERTIFICATE_DAYS)
    assert not renewal.is_due(directory, now)
    assert not renewal.is_due(directory, now + life * 0.66)
    assert renewal.is_due(directory, now + life * 0.67)
    assert renewal.is_due(directory, now + life * 2)
    assert not renewal.is_due(site.directory / "nowhere", now)


def test_an_agent_renews_what_is_about_to_end_and_is_let_in_with_it(site: Site) -> None:
    async def scenario() -> None:
        site.host("host-1")
        directory = site.certify("host-1", "short", SOON)
        old, key = certificate(directory), (directory / credential.KEY).read_bytes()
        async with site.running():
            keeping = asyncio.ensure_future(renewal.keep(directory, lambda: site.address))
            await eventually(lambda: certificate(directory) != old)
            keeping.cancel()
            new = certificate(directory)
            assert new.not_valid_after_utc - old.not_valid_after_utc > dt.timedelta(days=1000)
            assert new.subject == old.subject
            assert (directory / credential.KEY).read_bytes() == key
            assert not renewal.is_due(directory, dt.datetime.now(dt.UTC))
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: agent.syncs > 0)

    asyncio.run(scenario())


def test_a_revoked_certificate_or_none_is_not_renewed(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        old = certificate(directory)
        async with site.running():
            token = new_token(site.store, site.settings, HostName("host-1"), site.address)
            await asyncio.to_thread(join, token, site.directory / "again")
            with pytest.raises(StateError, match="403"):
                await renewal.renew(directory, site.address)
            with pytest.raises(Exception, match="403"):
                async with site.connection(None, "/v1/renew"):
                    pass
        assert certificate(directory) == old

    asyncio.run(scenario())
