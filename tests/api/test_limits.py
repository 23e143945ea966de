"""What one source may ask of the API: sizes, connections, requests; each with an answer that says so."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from onehop.controller import border, parser
from onehop.controller.allowance import MAXIMUM_SOURCES, Allowance
from onehop.controller.app import create_app
from onehop.controller.users import hash_password
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.client import ADMIN_PROJECT, PROJECT_A, Api, identity
from tests.api.server import serving

LIMIT = 60


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_source_that_was_silent_may_do_twice_as_many_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    allowance = Allowance(10, clock)
    assert [allowance.wait("a") for _ in range(20)] == [0.0] * 20
    assert allowance.wait("a") == pytest.approx(0.1)
    assert allowance.wait("b") == 0
    clock.now += 0.1
    assert allowance.wait("a") == 0
    assert allowance.wait("a") > 0


def test_looking_takes_nothing() -> None:
    allowance = Allowance(1, Clock(), burst=1)
    assert [allowance.wait("a", take=False) for _ in range(5)] == [0.0] * 5
    assert allowance.wait("a") == 0
    assert allowance.wait("a", take=False) == 1


def test_no_limit_is_no_limit() -> None:
    allowance = Allowance(0, Clock())
    assert not any(allowance.wait("a") for _ in range(1000))


def test_sources_without_end_do_not_fill_the_memory() -> None:
    allowance = Allowance(1, Clock())
    for number in range(MAXIMUM_SOURCES + 50):
        allowance.wait(str(number))
    assert len(allowance._left) == MAXIMUM_SOURCES


@pytest.fixture
def limited(store: Store, portal: Any) -> Callable[..., Api]:
    def make(clock: Callable[[], float], **settings: Any) -> Api:
        app = create_app(store, ControllerSettings(**{"auth": "trusted_headers", **settings}), monotonic=clock)
        return Api(app, portal, identity(ADMIN_PROJECT, "admin"))

    return make


def test_too_many_requests_of_one_user_are_429_and_no_others(limited: Callable[..., Api]) -> None:
    clock = Clock()
    api = limited(clock, api_requests_per_second=2)
    member = api.as_(PROJECT_A, "member")
    for _ in range(4):
        member.get("networks")
    refused = member.send("GET", "networks")
    assert refused.error == (429, "HTTPTooManyRequests")
    assert refused.headers["retry-after"] == "1"
    assert "try again in 1 s" in refused.message
    api.get("networks")
    clock.now += 0.5
    member.get("networks")


def test_passwords_cannot_be_guessed_at_speed(limited: Callable[..., Api], tmp_path: Path) -> None:
    users = tmp_path / "users.toml"
    users.write_text(
        f'[[user]]\nname = "a"\npassword = "{hash_password("right", 4)}"\nproject = "p"\nroles = ["member"]\n'
    )
    users.chmod(0o600)
    clock = Clock()
    api = limited(clock, auth="http_basic", users_file=str(users), api_failed_logins_per_minute=3).anonymous()

    def tried(password: str) -> int:
        word = base64.b64encode(f"a:{password}".encode()).decode()
        return api.send("GET", "networks", headers={"Authorization": f"Basic {word}"}).status

    assert tried("right") == 200
    assert [tried(f"wrong {n}") for n in range(4)] == [401, 401, 401, 429]
    assert tried("right") == 429
    clock.now += 20
    assert tried("right") == 200


def test_a_body_that_is_too_long_is_413(limited: Callable[..., Api]) -> None:
    api = limited(Clock(), api_body_octets=1024)
    answer = api.send("POST", "networks", {"network": {"name": "x" * 1024}})
    assert answer.error == (413, "HTTPRequestEntityTooLarge")
    assert "1024 octets" in answer.message
    assert api.ids("networks") == []


# over real sockets ----------------------------------------------------------------------------------------------------


@contextmanager
def served(path: Path, migrated: Path, **settings: Any) -> Iterator[tuple[str, int]]:
    path.write_bytes(migrated.read_bytes())
    store = Store.open(f"sqlite:///{path}")
    given = ControllerSettings(**settings)
    with serving(create_app(store, given), parser.protocol(given)) as url:
        split = urlsplit(url)
        yield split.hostname or "", split.port or 0
    store.close()


def answered(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer after which the server hangs up."""
    head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split()[1]), msgspec.json.decode(body)


def test_a_head_that_is_too_long_is_431(tmp_path: Path, migrated_sqlite: Path) -> None:
    with served(tmp_path / "db", migrated_sqlite, api_head_octets=2048) as place:
        with socket.create_connection(place, timeout=LIMIT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 4096)
            status, body = answered(connection)
        assert (status, body["NeutronError"]["type"]) == (431, "HTTPRequestHeaderFieldsTooLarge")
        assert "2048 octets" in body["NeutronError"]["message"]
        with socket.create_connection(place, timeout=LIMIT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert answered(connection)[0] == 200


@pytest.mark.parametrize("setting", ["api_connections", "api_connections_per_source"])
def test_connections_beyond_the_limit_are_503_and_room_comes_back(
    tmp_path: Path, migrated_sqlite: Path, setting: str
) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with served(tmp_path / "db", migrated_sqlite, **{setting: 3}) as place, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(place, timeout=LIMIT)) for _ in range(3)]
        with socket.create_connection(place, timeout=LIMIT) as connection:
            assert answered(connection)[0] == 503
        idle[0].sendall(ask)
        assert answered(idle[0])[0] == 200
        with socket.create_connection(place, timeout=LIMIT) as connection:
            connection.sendall(ask)
            assert answered(connection)[0] == 200


@pytest.mark.slow
def test_a_body_that_never_ends_is_408_and_hung_up(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border, "BODY_SECONDS", 0.1)
    head = b"POST /v2.0/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with ExitStack() as stack:
        place = stack.enter_context(served(tmp_path / "db", migrated_sqlite))
        connection = stack.enter_context(socket.create_connection(place, timeout=LIMIT))
        connection.sendall(head + b'Content-Length: 1000\r\n\r\n{"network":')
        assert answered(connection)[0] == 408


def test_a_head_that_never_comes_is_not_waited_for(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "HEAD_SECONDS", 0.1)
    with served(tmp_path / "db", migrated_sqlite) as place:
        for begin in (b"", b"GET / HTTP/1.1\r\nHost:"):
            with socket.create_connection(place, timeout=LIMIT) as connection:
                connection.sendall(begin)
                assert connection.makefile("rb").read() == b""
