"""The API behind a real HTTP server on a free port of loopback, for clients that cannot be called in process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from onehop.controller.parser import Protocol

_LIMIT = 60.0


class _Server(uvicorn.Server):
    """Says when it is ready, instead of being asked again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def serving(app: Starlette, protocol: type[Protocol] = Protocol) -> Iterator[str]:
    """The URL at which `app` is served inside the block."""
    # With the protocol named, asyncio switches Nagle's algorithm off for connections of this socket.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(
        app, http=protocol, log_level="error", access_log=False, server_header=False, lifespan="off"
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.ready.wait(_LIMIT), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_LIMIT)
        listener.close()
        assert not thread.is_alive()
