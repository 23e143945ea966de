"""The gate of the stream: lets connections in by path and certificate, and counts them.

Paths: ``/v1/stream`` needs a certificate that the store knows and has not revoked, and the name in it is the host;
``/v1/ca`` gives the CA's certificate to anybody; ``/v1/join`` takes a one-time token instead of a certificate;
``/v1/renew`` gives whom ``/v1/stream`` would let in a new certificate for the one that it shows.
"""

import http
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from onehop.controller import pki
from onehop.controller.allowance import Allowance
from onehop.controller.join import why_not
from onehop.controller.together import Together
from onehop.errors import OnehopError
from onehop.log import logger
from onehop.net.identifier import HostName, parse_host
from onehop.settings import ControllerSettings
from onehop.store import Store

LOG = logger("stream")
STRANGERS_AT_ONCE = 100
AT_ONCE = 100
"""Certificates that are looked up in one reading of the store."""

STREAM_PATH, CA_PATH, JOIN_PATH, RENEW_PATH = "/v1/stream", "/v1/ca", "/v1/join", "/v1/renew"


class Peer(NamedTuple):
    """Whoever has shown a good certificate."""

    host: HostName
    serial: str


class Gate:
    """Whoever is let in, and as whom.

    Attributes:
        known: told the address of whoever has shown a good certificate.

    Args:
        store: open.
        settings: limits and directories.
    """

    def __init__(self, store: Store, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings
        self._pki = Path(settings.pki_dir)
        self.known: Callable[[tuple[Any, ...]], None] = lambda _peer: None
        self._peers: WeakKeyDictionary[ServerConnection, Peer] = WeakKeyDictionary()
        self._looking = Together(self._look, AT_ONCE)
        self._strangers = Allowance(settings.stream_joins_per_second, time.monotonic, burst=STRANGERS_AT_ONCE)

    @property
    def open(self) -> int:
        """Connections with a host's certificate."""
        return len(self._peers)

    def peer(self, connection: ServerConnection) -> Peer | None:
        """Whose connection it is; None: a stranger's, who may join."""
        return self._peers.get(connection)

    def leave(self, connection: ServerConnection) -> None:
        """The connection is over."""
        self._peers.pop(connection, None)

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Decide by path and certificate; None lets it go on."""
        if len(self._peers) >= self._settings.stream_connections:
            LOG.warning("there are too many connections", count=len(self._peers))
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, b"there are too many connections\n")
        path = request.path.partition("?")[0]
        if path not in (STREAM_PATH, RENEW_PATH) and self._strangers.wait(str(connection.remote_address[0])):
            return _response(http.HTTPStatus.TOO_MANY_REQUESTS, b"too many at once; try again in a few seconds\n")
        if path == CA_PATH:
            body = (self._pki / pki.CA_CERTIFICATE).read_bytes()
            return _response(http.HTTPStatus.OK, body, "application/x-pem-file")
        if path == JOIN_PATH:
            return None
        if path not in (STREAM_PATH, RENEW_PATH):
            return _response(http.HTTPStatus.NOT_FOUND, b"there is no such path\n")
        refusal = await self._recognise(connection)
        if refusal is None:
            return None
        LOG.warning("refused a connection", reason=refusal, peer=str(connection.remote_address))
        return _response(http.HTTPStatus.FORBIDDEN, refusal.encode() + b"\n")

    async def _recognise(self, connection: ServerConnection) -> str | None:
        """Why this peer is not let in, or None: then its host is known."""
        name, serial = _peer(connection)
        if name is None or serial is None:
            return "a certificate is needed; run `onehop agent join` with a token of `onehop host add`"
        peer = Peer(parse_host(name), serial)
        refusal = await self._looking.ask(peer)
        if refusal is None:
            self._peers[connection] = peer
            self.known(connection.remote_address)
        return refusal

    def _look(self, peers: Sequence[Peer]) -> list[str | OnehopError | None]:
        """Why each of some is not let in, as the store knows them now."""
        with self._store.read() as tx:
            return [why_not(tx, *peer) for peer in peers]


def is_renewal(connection: ServerConnection) -> bool:
    """Whether it was opened to renew a certificate."""
    return connection.request is not None and connection.request.path.partition("?")[0] == RENEW_PATH


def _peer(connection: ServerConnection) -> tuple[str | None, str | None]:
    """Name and serial number of the peer's certificate, which TLS has verified."""
    certificate = connection.transport.get_extra_info("ssl_object").getpeercert()
    if not certificate:
        return None, None
    names = [value for part in certificate["subject"] for key, value in part if key == "commonName"]
    serial = format(int(certificate["serialNumber"], 16), "x")
    return (names[0], serial) if len(names) == 1 else (None, None)


def _response(status: http.HTTPStatus, body: bytes, type_: str = "text/plain") -> Response:
    headers = Headers({"Content-Type": type_, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status.value, status.phrase, headers, body)
