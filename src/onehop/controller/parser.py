"""HTTP/1.1 as it comes in, within limits: the parser itself would keep a head of any length in memory.

Bodies are limited by `onehop.controller.border.read_body`, which knows what a client declared. Refused here is what
never gets so far: a head without end or one that never comes, what is sent on and on around a body (chunk extensions,
trailers), and connections beyond what one controller holds.
"""

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import ClassVar, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from onehop.settings import ControllerSettings

MAXIMUM_HEAD: Final = 64 * 1024
"""Octets of request line and headers; what one read from the socket brings more is taken."""

MAXIMUM_AROUND: Final = 8 * 1024 * 1024
"""Octets of one request that are no body."""

HEAD_SECONDS: Final = 30.0
"""How long a connection may take to send the head of its first request."""


class Protocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        maximum_head: octets of request line and headers.
        maximum_connections: open at a time, of everybody.
        maximum_per_source: open at a time, of one address.
        sources: how many each address has open.
    """

    maximum_head: ClassVar[int] = MAXIMUM_HEAD
    maximum_connections: ClassVar[int] = 4096
    maximum_per_source: ClassVar[int] = 1024
    sources: ClassVar[Counter[str]] = Counter()

    _octets = 0
    _in_head = False
    _source: str | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody connects."""
        super().connection_made(transport)
        self._source = self.client[0] if self.client else ""
        self.sources[self._source] += 1
        self._patience = self.loop.call_later(HEAD_SECONDS, transport.close)
        if len(self.connections) > self.maximum_connections or self.sources[self._source] > self.maximum_per_source:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", "There are too many connections.")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._be_patient()
        if self._source is not None:
            self.sources[self._source] -= 1
            if not self.sources[self._source]:
                del self.sources[self._source]
            self._source = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._octets = 0
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._be_patient()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._octets -= len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Some octets have come."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._octets += len(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._octets > self.maximum_head:
            message = f"The head of the request is longer than {self.maximum_head} octets."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "HTTPRequestHeaderFieldsTooLarge", message)
        elif self._octets > MAXIMUM_AROUND:
            self.transport.close()

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: HTTPStatus, type: str, message: str) -> None:
        """Answer before there is a request, and hang up."""
        body = msgspec.json.encode({"NeutronError": {"type": type, "message": message, "detail": ""}})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def protocol(settings: ControllerSettings) -> type[Protocol]:
    """Connections with the limits that the settings say, counted apart from those of any other API in this process."""

    class Limited(Protocol):
        maximum_head = settings.api_head_octets
        maximum_connections = settings.api_connections
        maximum_per_source = settings.api_connections_per_source
        sources: ClassVar[Counter[str]] = Counter()

    return Limited
