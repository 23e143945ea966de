"""HTTP/1.1 as it comes in, within limits: the parser itself would keep a head of any length in memory.

Bodies are limited by `onehop.controller.border.read_body`, which knows what a client declared. Refused here is what
never gets so far: a head without end, and what is sent on and on around a body (chunk extensions, trailers).
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAXIMUM_HEAD: Final = 64 * 1024
"""Octets of request line and headers; what one read from the socket brings more is taken."""

MAXIMUM_AROUND: Final = 8 * 1024 * 1024
"""Octets of one request that are no body."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _octets = 0
    _in_head = False

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._octets = 0
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._octets -= len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Some octets have come."""
        super().data_received(data)
        self._octets += len(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._octets > MAXIMUM_HEAD:
            self.send_400_response(f"The head of the request is longer than {MAXIMUM_HEAD} octets.")
        elif self._octets > MAXIMUM_AROUND:
            self.transport.close()
