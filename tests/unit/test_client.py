"""Our own small client of the API."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from onehop.client import Client, segment
from onehop.errors import ApiError, InputError, UnreachableError


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked; ``/refuse`` refuses, ``/text`` answers no JSON, ``/close`` ends the connection."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        asked = {"method": self.command, "path": self.path, "body": body, "user": self.headers.get("Authorization")}
        status, document = 200, json.dumps(asked)
        if self.path == "/refuse":
            status, document = 409, json.dumps({"NeutronError": {"type": "InUse", "message": "it is", "detail": ""}})
        if self.path == "/text":
            document = "hello"
        if self.path == "/empty":
            status, document = 204, ""
        self.send_response(status)
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document.encode())
        self.close_connection = self.path == "/close"

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names that http.server looks up

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silence."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_requests_carry_json_both_ways_over_one_connection(endpoint: str) -> None:
    client = Client(endpoint)
    assert client.get("/x", name="a b")["path"] == "/x?name=a+b"
    assert client.post("/x", {"n": 1}) == {"method": "POST", "path": "/x", "body": {"n": 1}, "user": None}
    assert client.put("/x")["body"] is None
    assert client.delete("/empty") == {}
    client.close()


def test_a_kept_connection_that_was_closed_is_opened_again(endpoint: str) -> None:
    client = Client(endpoint)
    for _ in range(3):
        assert client.get("/close")["method"] == "GET"
    client.close()


def test_a_refusal_carries_status_type_and_message(endpoint: str) -> None:
    client = Client(endpoint)
    with pytest.raises(ApiError, match="it is") as refused:
        client.get("/refuse")
    assert (refused.value.status, refused.value.type) == (409, "InUse")
    client.close()


def test_a_user_is_named_by_basic_authentication(endpoint: str) -> None:
    client = Client(endpoint, user=("me", "secret"))
    assert base64.b64decode(client.get("/x")["user"].removeprefix("Basic ")) == b"me:secret"
    client.close()


def test_something_else_on_the_port_is_not_taken_for_a_controller(endpoint: str) -> None:
    client = Client(endpoint)
    with pytest.raises(UnreachableError, match="does not answer like"):
        client.get("/text")
    client.close()


def test_nobody_there_and_no_url_are_said() -> None:
    with pytest.raises(UnreachableError, match="no answer"):
        Client("http://127.0.0.1:1").get("/")
    with pytest.raises(InputError, match="endpoint"):
        Client("ftp://x")
    assert segment("a/b") == "a%2Fb"
