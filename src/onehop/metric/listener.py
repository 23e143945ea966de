"""``/metrics``, ``/healthz`` and ``/readyz`` on a listener of their own: GET only, small, one answer a connection.

It is no part of the API and of nothing that packets need: what a scraper does wrong, or does slowly, ends here. On an
address that is not the loopback's every path wants a token (`refuse_strangers`).
"""

import asyncio
import contextlib
import hmac
import ipaddress
import os
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import msgspec

from onehop.errors import SettingsError
from onehop.log import logger
from onehop.metric.scrape import CONTENT_TYPE
from onehop.net.endpoint import join_address, split_address
from onehop.system import listen

LOG = logger("metric")
HEAD_SECONDS, BODY_SECONDS = 5.0, 30.0
HEAD_OCTETS = 8192
AT_ONCE = 16
AGAIN_SECONDS = 10.0
SHORTEST_TOKEN = 16


class Readiness(NamedTuple):
    """Whether a daemon can do its work; if not, why, in sentences."""

    why_not: tuple[str, ...] = ()


class Health:
    """What the listener serves.

    Args:
        text: gives the metrics; called in a thread, one at a time.
        ready: says whether the daemon can do its work.
        alive: why the daemon should be restarted, or "".
    """

    def __init__(
        self, text: Callable[[], bytes], ready: Callable[[], Awaitable[Readiness]], alive: Callable[[], str] = str
    ) -> None:
        self._text = text
        self._ready = ready
        self._alive = alive
        self._turn = asyncio.Lock()

    async def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body."""
        if path == "/metrics":
            async with self._turn:
                return HTTPStatus.OK, CONTENT_TYPE, await asyncio.to_thread(self._text)
        if path == "/healthz":
            return _judged("alive", tuple(filter(None, (self._alive(),))))
        if path == "/readyz":
            return _judged("ready", (await self._ready()).why_not)
        return HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics, /healthz and /readyz\n"


def _judged(word: str, why_not: tuple[str, ...]) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK
    return status, "application/json", msgspec.json.encode({word: not why_not, "why_not": why_not}) + b"\n"


class Listener:
    """Serves until cancelled. A daemon does not end because nobody can ask how it is: that is logged and tried again.

    Args:
        address: ``HOST:PORT``; "" listens nowhere.
        token: what a client has to show; "" nothing.
        health: what is served.
        sock: that listens already.

    Attributes:
        bound: address and port, "" while there are none.
    """

    def __init__(self, address: str, token: str, health: Health, sock: socket.socket | None = None) -> None:
        self.bound = ""
        self._sock = sock
        self._address = address
        self._token = f"Bearer {token}".encode() if token else b""
        self._health = health
        self._open = 0

    async def run(self) -> None:
        """Listen and answer."""
        while self._address:
            try:
                sock, self._sock = self._sock or listen(*split_address(self._address)), None
            except OSError as error:
                LOG.error(
                    "metrics and health cannot be asked for: choose another metrics_listen, or end whoever is there",
                    address=self._address,
                    why=os.strerror(error.errno or 0),
                )
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self.bound = join_address(*sock.getsockname()[:2])
            LOG.info("metrics and health can be asked for", address=self.bound)
            server = await asyncio.start_server(self._serve, sock=sock, limit=HEAD_OCTETS)
            try:
                await server.serve_forever()
            finally:
                self.bound = ""
                server.close()
        await asyncio.get_running_loop().create_future()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head))
                async with asyncio.timeout(BODY_SECONDS):
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError) as error:
            LOG.debug("somebody asked for metrics and did not finish", why=repr(error))
        except asyncio.CancelledError:
            # The daemon ends. This is the outermost frame of its task, and the streams of Python 3.11 log a task that
            # was cancelled as an error.
            LOG.debug("somebody asked for metrics at the end")
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _respond(self, head: bytes) -> bytes:
        request, *fields = head.split(b"\r\n")
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if not self._may(fields):
            return _response(HTTPStatus.UNAUTHORIZED, "text/plain", b"show the token: Authorization: Bearer TOKEN\n")
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET\n")
        try:
            status, type_, body = await self._health.answer(path.decode("latin-1"))
        except Exception as error:  # a bug in a number must not end what serves the others
            LOG.exception("metrics or health could not be told", path=path, error=repr(error))
            status, type_, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"the log says why\n"
        return _response(status, type_, body, bodiless=method == b"HEAD")

    def _may(self, fields: list[bytes]) -> bool:
        shown = b""
        for field in fields:
            name, _, value = field.partition(b":")
            if name.strip().lower() == b"authorization":
                shown = value.strip()
        return not self._token or hmac.compare_digest(shown, self._token)


def _response(status: HTTPStatus, type_: str, body: bytes, bodiless: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {type_}", f"Content-Length: {len(body)}"]
    if status == HTTPStatus.UNAUTHORIZED:
        lines.append("WWW-Authenticate: Bearer")
    head = "\r\n".join([*lines, "Cache-Control: no-store", "Connection: close", "", ""]).encode()
    return head if bodiless else head + body


def token_of(address: str, token_file: str | None) -> str:
    """The token that clients have to show, "" for none.

    Args:
        address: `metrics_listen`.
        token_file: `metrics_token_file`.

    Raises:
        SettingsError: it cannot be read or is too short; or there is none, and strangers could ask.
    """
    if token_file is None:
        refuse_strangers(address)
        return ""
    try:
        token = Path(token_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"metrics_token_file {token_file} cannot be read: {error}") from None
    if len(token) < SHORTEST_TOKEN or any(letter.isspace() for letter in token):
        raise SettingsError(f"metrics_token_file {token_file} must hold one word of {SHORTEST_TOKEN} or more letters")
    return token


def refuse_strangers(address: str) -> None:
    """Refuse an address that others than this machine reach, because nobody has to show anything on it.

    Raises:
        SettingsError: it is one.
    """
    if not address:
        return
    host, _ = split_address(address)
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(
            f"metrics_listen {address} can be reached by others: give a metrics_token_file too, or listen on 127.0.0.1"
        )
