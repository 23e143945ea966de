"""A small client of the API for our own command line and lab: one connection, JSON in and out.

Whoever programs against onehop uses openstacksdk; this one is there so that the product needs no SDK to run.
"""

import base64
import contextlib
import http.client
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from onehop.errors import ApiError, InputError, UnreachableError

Document = dict[str, Any]
"""A JSON object: its shape is the API's, not ours to type."""


class Client:
    """A connection to one controller, opened when first used; one thread at a time."""

    def __init__(self, endpoint: str, user: tuple[str, str] | None = None, timeout: float = 30) -> None:
        """Name the endpoint; nothing is sent yet.

        Args:
            endpoint: ``http://host:port``.
            user: name and password for HTTP basic authentication, or None.
            timeout: seconds for each request.

        Raises:
            InputError: not an http URL.
        """
        parts = urlsplit(endpoint)
        if parts.scheme != "http" or not parts.hostname:
            raise InputError(f"the endpoint must look like http://127.0.0.1:9696, not {endpoint[:128]!r}")
        self._endpoint = endpoint
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
        self._headers = {"Accept": "application/json"}
        if user is not None:
            token = base64.b64encode(":".join(user).encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def get(self, path: str, **query: str) -> Document:
        """GET a path, such as ``/v2.0/ports``; see `request`."""
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Document) -> Document:
        """POST `body`; see `request`."""
        return self.request("POST", path, body)

    def put(self, path: str, body: Document | None = None) -> Document:
        """PUT `body`; see `request`."""
        return self.request("PUT", path, body)

    def delete(self, path: str) -> Document:
        """DELETE a path; see `request`."""
        return self.request("DELETE", path)

    def request(self, method: str, path: str, body: Document | None = None) -> Document:
        """Send one request.

        Returns:
            the JSON object of the answer; empty where the answer has no body.

        Raises:
            ApiError: the controller refused; carries status and error type.
            UnreachableError: no answer.
        """
        headers = dict(self._headers)
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        status, answer = self._exchange(method, path, content, headers)
        document: Document = {}
        if answer:
            try:
                document = msgspec.json.decode(answer, type=Document)
            except msgspec.DecodeError:
                raise UnreachableError(f"{self._endpoint} does not answer like a onehop controller") from None
        if status >= 400:
            raise _refusal(method, path, status, document)
        return document

    def _exchange(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        reused = self._connection.sock is not None
        while True:
            try:
                self._connection.request(method, path, content, headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                # A kept connection that the other side closed meanwhile was not used for this request: once more.
                if reused and isinstance(
                    error, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
                ):
                    reused = False
                    continue
                raise UnreachableError(f"no answer from the controller at {self._endpoint}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._connection.close()


def _refusal(method: str, path: str, status: int, document: Document) -> ApiError:
    error = document.get("NeutronError")
    kind, message = "", ""
    if isinstance(error, dict):
        kind, message = str(error.get("type", "")), str(error.get("message", ""))
    return ApiError(message or f"{method} {path} was answered with status {status}", status, kind)


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")
