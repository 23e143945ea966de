"""Joining: a one-time token becomes a certificate."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from websockets.asyncio.server import ServerConnection

from onehop.controller import pki
from onehop.errors import NotFoundError, SettingsError
from onehop.log import logger
from onehop.net.endpoint import split_address
from onehop.net.identifier import HostName, parse_host
from onehop.settings import ControllerSettings
from onehop.store import Store, Transaction
from onehop.wire import Joined, JoinRequest, agreed, decode_join, encode
from onehop.wire.token import JoinToken

LOG = logger("join")


def add_host(
    store: Store,
    settings: ControllerSettings,
    name: str,
    address: str = "",
    gateway_host: bool = False,
    physical_networks: Sequence[str] = (),
) -> str:
    """Add a host; returns a join token for it. Arguments and errors as for `new_token`, and `Transaction.add_host`.

    Raises:
        ConflictError: there is a host of this name.
    """
    pki.authority(Path(settings.pki_dir))
    reachable = stream_address(settings, address)
    store.run(lambda tx: tx.add_host(name, gateway_host=gateway_host, physical_networks=physical_networks))
    return new_token(store, settings, parse_host(name), reachable)


def new_token(store: Store, settings: ControllerSettings, host: HostName, address: str = "") -> str:
    """A join token for a host that was added; its earlier ones end.

    Args:
        store: open.
        settings: say how long it is good for, where the CA is, and how agents reach the stream.
        host: its name.
        address: at which this agent reaches the stream, where that differs.

    Raises:
        NotFoundError: there is no such host, or no CA.
        SettingsError: it cannot be told how the host is to reach the stream.
    """
    fingerprint = pki.fingerprint(pki.authority(Path(settings.pki_dir)))
    reachable = stream_address(settings, address)
    secret = store.run(lambda tx: tx.create_join_token(host, settings.join_token_seconds))
    return JoinToken(reachable, fingerprint, host, secret).text()


def stream_address(settings: ControllerSettings, given: str = "") -> str:
    """How agents reach the stream.

    Raises:
        SettingsError: neither given nor configured, and the listening address is of no use to others.
    """
    address = given or settings.stream_address or settings.stream_listen
    host, port = split_address(address)
    if port == 0 or host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        raise SettingsError(
            "how do hosts reach this controller? Set stream_address in its configuration, or give --address HOST:PORT"
        )
    return address


async def join(connection: ServerConnection, store: Store, directory: Path, places: asyncio.Semaphore) -> None:
    """Talk to somebody who has a token instead of a certificate, once.

    Args:
        connection: theirs.
        store, directory: where hosts and the CA are.
        places: who has said all takes one, for the moment that an answer takes; to say nothing takes none.

    Raises:
        OnehopError: why there is no certificate.
    """
    request = await _request(connection)
    async with places:
        host, certificate = await asyncio.to_thread(_issue, store, directory, request.token, request.request.encode())
    LOG.info("host joined", host=host)
    await connection.send(encode(Joined(host=host, certificate=certificate)))
    await connection.close()


def why_not(tx: Transaction, host: HostName, serial: str) -> str | None:
    """Why the certificate of that serial number does not make its bearer this host, or None where it does."""
    certificate = tx.certificate(serial)
    if certificate is None or certificate.host != host or tx.host(host) is None:
        return f"the certificate of host {host} is unknown here; let the host join again"
    if certificate.revoked_at is not None:
        return f"the certificate of host {host} was revoked; let the host join again"
    return None


async def renew(connection: ServerConnection, store: Store, directory: Path, host: HostName, serial: str) -> None:
    """Give a host that has shown its certificate a new one, once. The old one stays good until it ends.

    Raises:
        OnehopError: why there is no certificate.
    """
    request = await _request(connection)
    certificate = await asyncio.to_thread(_renew, store, directory, host, serial, request.request.encode())
    LOG.info("host renewed its certificate", host=host)
    await connection.send(encode(Joined(host=host, certificate=certificate)))
    await connection.close()


async def _request(connection: ServerConnection) -> JoinRequest:
    request = decode_join(await connection.recv())
    agreed(request.version, "agent")
    return request


def _renew(store: Store, directory: Path, host: HostName, serial: str, request: bytes) -> str:
    certificate = pki.sign_host(directory, host, request)
    expires = certificate.not_valid_after_utc.timestamp()

    def record(tx: Transaction) -> None:
        reason = why_not(tx, host, serial)
        if reason is not None:
            raise NotFoundError(reason)
        tx.add_certificate(host, pki.serial_of(certificate), expires)

    # Not revoked: the agent may be lost before it has kept the new one. Nobody else has the key that both are for.
    store.run(record)
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _issue(store: Store, directory: Path, token: str, request: bytes) -> tuple[HostName, str]:
    # The request is looked at before the token is used up, so that a bad one does not cost it.
    pki.check_request(request)
    host = parse_host(store.run(lambda tx: tx.redeem_join_token(token)))
    certificate = pki.sign_host(directory, host, request)
    serial = pki.serial_of(certificate)
    expires = certificate.not_valid_after_utc.timestamp()

    def record(tx: Transaction) -> None:
        tx.add_certificate(host, serial, expires)
        tx.revoke_certificates(host, keep=serial)

    store.run(record)
    return host, certificate.public_bytes(serialization.Encoding.PEM).decode()
