"""Clients of the API that write down what they did: each request goes to some controller, and may get no answer."""

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from tests.controllers.history import History, Operation

PATIENCE = 2.0
"""Seconds that a client waits for an answer; then it does not know what became of its request."""

AGAIN = 0.05
"""Seconds between a request that failed and the next, so that clients do not do nothing else while nobody answers."""


class RefusedError(Exception):
    """Answered with 4xx: nothing was done. The status is the first argument."""


def call(api: str, method: str, path: str, body: object = None, patience: float = PATIENCE) -> Any:
    """One request on a connection of its own.

    Raises:
        RefusedError: 4xx.
        OSError, http.client.HTTPException: no answer, or one that does not say what was done.
    """
    host, _, port = api.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=patience)
    try:
        words = None if body is None else json.dumps(body)
        connection.request(method, f"/v2.0/{path}", words, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 500:
        raise http.client.HTTPException(f"{answer.status} {text[:300]!r}")
    if answer.status >= 400:
        raise RefusedError(answer.status, text[:300])
    return json.loads(text) if text else None


class Client:
    """Makes, renames, reads and deletes ports of its own until told to end.

    Args:
        number: of the client.
        seed: of its choices.
        apis: of the controllers.
        places: pairs of network and host that ports may be at.
        history: takes what was done.
    """

    def __init__(
        self, number: int, seed: str, apis: Sequence[str], places: Sequence[tuple[str, str]], history: History
    ) -> None:
        self._thread = threading.Thread(target=self._run, name=f"client-{number}")
        self.failure: BaseException | None = None
        self._number = number
        self._chance = random.Random(f"{seed}/client-{number}")
        self._apis = apis
        self._places = places
        self._history = history
        self._end = threading.Event()
        self._writes = 0
        self._mine: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Let the operation on its way be the last."""
        self._end.set()

    def join(self, seconds: float) -> None:
        """Wait for that one."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                self._one()
        except Exception as error:  # noqa: BLE001  # whatever it is fails the test, in the thread that waits for us
            self.failure = error

    def _one(self) -> None:
        choice = self._chance.random()
        if not self._mine or (choice < 0.35 and len(self._mine) < 12):
            self._create()
        elif choice < 0.60:
            self._rename(self._chance.choice(self._mine))
        elif choice < 0.80:
            self._read(self._chance.choice(self._mine))
        else:
            self._delete(self._mine.pop(self._chance.randrange(len(self._mine))))

    def _name(self) -> str:
        self._writes += 1
        return f"{self._number}-{self._writes}"

    def _create(self) -> None:
        network, host = self._chance.choice(self._places)
        name = self._name()
        begin = time.monotonic()
        answer = self._try("POST", "ports", {"port": {"network_id": network, "name": name, "binding:host_id": host}})
        if answer is None:
            self._add("create", "", begin, name=name, network=network, host=host)
            return
        end, port = time.monotonic(), answer["port"]
        given = tuple((ip["subnet_id"], ip["ip_address"]) for ip in port["fixed_ips"])
        self._add("create", port["id"], begin, end=end, name=name, network=network, host=host, addresses=given)
        self._mine.append(port["id"])

    def _rename(self, port: str) -> None:
        name, begin = self._name(), time.monotonic()
        answer = self._try("PUT", f"ports/{port}", {"port": {"name": name}})
        self._add("rename", port, begin, name=name, **({} if answer is None else {"end": time.monotonic()}))

    def _read(self, port: str) -> None:
        begin = time.monotonic()
        try:
            answer = self._try("GET", f"ports/{port}")
        except RefusedError as error:
            if error.args[0] != 404:
                raise
            answer = {"port": {"name": ""}}
        if answer is not None:
            self._add("read", port, begin, end=time.monotonic(), name=answer["port"]["name"])

    def _delete(self, port: str) -> None:
        begin = time.monotonic()
        answer = self._try("DELETE", f"ports/{port}")
        self._add("delete", port, begin, **({} if answer is None else {"end": time.monotonic()}))

    def _add(self, kind: str, port: str, begin: float, **given: Any) -> None:
        self._history.add(Operation(kind=kind, port=port, begin=begin, **given))

    def _try(self, method: str, path: str, body: object = None) -> Any:
        """The answer, True where there are no words in it, or None where nobody knows what was done."""
        try:
            answer = call(self._chance.choice(self._apis), method, path, body)
        except (OSError, http.client.HTTPException):
            self._end.wait(AGAIN)
            return None
        return True if answer is None else answer
