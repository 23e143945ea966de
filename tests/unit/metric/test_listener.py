"""The listener of metrics and health, over real sockets on the loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from onehop.errors import SettingsError
from onehop.metric.listener import AT_ONCE, Health, Listener, Readiness, token_of

LIMIT = 10
TOKEN = "a-word-of-some-length"  # noqa: S105  # a test's own


@asynccontextmanager
async def listening(health: Health, token: str = "") -> AsyncIterator[str]:
    listener = Listener("127.0.0.1:0", token, health)
    task = asyncio.ensure_future(listener.run())
    try:
        async with asyncio.timeout(LIMIT):
            while not listener.bound:
                await asyncio.sleep(0)
        yield listener.bound
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(address: str, request: bytes) -> bytes:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(LIMIT):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        try:
            answer = await reader.read()
        except ConnectionResetError:  # closed before it was read to the end
            answer = b""
        writer.close()
    return answer


async def well() -> Readiness:
    return Readiness()


async def ill() -> Readiness:
    return Readiness(("there is no view yet",))


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def told(health: Health, request: bytes, token: str = "") -> bytes:
    async def run() -> bytes:
        async with listening(health, token) as address:
            return await ask(address, request)

    return asyncio.run(run())


def test_metrics_are_told_as_text() -> None:
    answer = told(Health(lambda: b"x 1\n", well), get("/metrics"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert body == b"x 1\n"


def test_who_is_ready_says_200_and_who_is_not_says_503_and_why() -> None:
    assert b" 200 " in told(Health(bytes, well), get("/readyz"))
    answer = told(Health(bytes, ill), get("/readyz"))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{"ready":false,"why_not":["there is no view yet"]}\n')


def test_who_is_not_ready_is_alive_until_it_should_be_restarted() -> None:
    assert b" 200 " in told(Health(bytes, ill), get("/healthz"))
    assert b" 503 " in told(Health(bytes, well, lambda: "a thread has ended"), get("/healthz"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/"), b" 404 "),
        (get("/metrics?name=x"), b" 200 "),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b" 405 "),
        (b"\xff\xfe \xfd\r\n\r\n", b" 405 "),
        (b"GET \xff HTTP/1.1\r\n\r\n", b" 404 "),
    ],
)
def test_what_is_asked_wrongly_is_refused(request_: bytes, status: bytes) -> None:
    assert status in told(Health(lambda: b"", well), request_)


def test_a_head_without_end_is_cut_off() -> None:
    assert told(Health(bytes, well), b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 5000) == b""


def test_a_number_that_cannot_be_told_does_not_end_the_listener() -> None:
    async def run() -> tuple[bytes, bytes]:
        def fails() -> bytes:
            raise ValueError("a bug")

        async with listening(Health(fails, well)) as address:
            return await ask(address, get("/metrics")), await ask(address, get("/readyz"))

    bad, good = asyncio.run(run())
    assert bad.startswith(b"HTTP/1.1 500 ")
    assert b"bug" not in bad
    assert b" 200 " in good


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], b" 401 "),
        ([f"Authorization: Bearer {TOKEN}x"], b" 401 "),
        ([f"Authorization: Basic {TOKEN}"], b" 401 "),
        ([f"authorization:  Bearer {TOKEN}"], b" 200 "),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_where_a_token_is_wanted_nothing_is_told_without_it(path: str, fields: list[str], status: bytes) -> None:
    assert status in told(Health(lambda: b"", well), get(path, *fields), TOKEN)


def test_who_keeps_many_connections_open_is_not_served_more() -> None:
    async def run() -> bytes:
        async with listening(Health(lambda: b"", well)) as address:
            host, _, port = address.rpartition(":")
            idle = [await asyncio.open_connection(host, int(port)) for _ in range(AT_ONCE)]
            answer = await ask(address, get("/metrics"))
            for _, writer in idle:
                writer.close()
            return answer

    assert asyncio.run(run()) == b""


def test_an_address_that_is_taken_is_no_end_of_the_daemon() -> None:
    async def run() -> bool:
        async with listening(Health(bytes, well)) as address:
            other = Listener(address, "", Health(bytes, well))
            task = asyncio.ensure_future(other.run())
            done, _ = await asyncio.wait([task], timeout=0.2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return not done and not other.bound

    assert asyncio.run(run())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1", ""])
def test_the_loopback_needs_no_token(address: str) -> None:
    assert token_of(address, None) == ""


@pytest.mark.parametrize("address", ["0.0.0.0:1", "192.0.2.1:1", "[::]:1", "host.example:1"])
def test_an_address_that_others_reach_needs_a_token(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="metrics_token_file"):
        token_of(address, None)
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    assert token_of(address, str(file)) == TOKEN


@pytest.mark.parametrize("word", ["", "short", "two words of some length", "ünderstood-by-nobody"])
def test_a_token_is_one_word_of_some_length(word: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(word)
    with pytest.raises(SettingsError, match="metrics_token_file"):
        token_of("127.0.0.1:1", str(file))


def test_a_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="metrics_token_file"):
        token_of("127.0.0.1:1", str(tmp_path / "nowhere"))
