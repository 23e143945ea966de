"""HTTP within limits: what is sent without end is cut off, and what is long but allowed is taken."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onehop.controller import parser
from onehop.controller.app import create_app
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.server import serving

LIMIT = 60
ENOUGH = 64 * 1024 * 1024
"""Octets: a server that takes these takes anything."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[tuple[str, int]]:
    path = tmp_path_factory.mktemp("parser") / "onehop.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    store = Store.open(f"sqlite:///{path}")
    with serving(create_app(store, ControllerSettings())) as url:
        split = urlsplit(url)
        yield split.hostname or "", split.port or 0
    store.close()


def said(place: tuple[str, int], begin: bytes, more: bytes = b"", end: bytes = b"") -> tuple[bytes, int]:
    """What the server answers to a request, and how many octets of `more`, sent again and again, it took."""
    taken = 0
    with socket.create_connection(place, timeout=LIMIT) as connection:
        # Cut off, which is what some of these want; the answer, if any, is still to be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(begin)
            while more and taken < ENOUGH:
                connection.sendall(more)
                taken += len(more)
            connection.sendall(end)
        try:
            return connection.makefile("rb").readline(), taken
        except ConnectionResetError:
            return b"", taken


HEAD = b"Host: localhost\r\nConnection: close\r\n"


def test_a_head_without_end_is_cut_off(place: tuple[str, int]) -> None:
    for begin, more in ((b"GET /v2.0/networks?name=", b"x" * 4096), (b"GET / HTTP/1.1\r\nX: ", b"x" * 4096)):
        assert said(place, begin, more)[1] < ENOUGH
    assert said(place, b"GET / HTTP/1.1\r\n" + HEAD, b"X-More: 1\r\n" * 400)[1] < ENOUGH


def test_trailers_without_end_are_cut_off(place: tuple[str, int]) -> None:
    begin = b"POST /v2.0/networks HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    assert said(place, begin, b"X-More: 1\r\n" * 400)[1] < ENOUGH


def test_a_long_head_and_a_long_body_are_taken(place: tuple[str, int]) -> None:
    query = b"name=" + b"x" * (parser.MAXIMUM_HEAD - 4096)
    assert said(place, b"GET /v2.0/networks?" + query + b" HTTP/1.1\r\n" + HEAD + b"\r\n")[0].startswith(
        b"HTTP/1.1 200"
    )
    body = b'{"network": {"name": "long"}}'.ljust(ControllerSettings().api_body_octets)
    head = b"POST /v2.0/networks HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    assert said(place, head, end=body)[0].startswith(b"HTTP/1.1 201")


def test_a_body_in_chunks_is_taken_whatever_is_around_it(place: tuple[str, int]) -> None:
    head = b"POST /v2.0/networks HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1;x=y\r\n%c\r\n" % octet for octet in b'{"network": {"name": "chunked"}}' + b" " * 50_000)
    assert said(place, head, end=chunks + b"0\r\n\r\n")[0].startswith(b"HTTP/1.1 201")
