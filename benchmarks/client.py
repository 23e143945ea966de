"""A client of the API that costs as little as possible itself: one kept connection, no conveniences."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any


class Client:
    """One connection to the API on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and return the decoded answer.

        Raises:
            RuntimeError: it was refused.
        """
        data = None if body is None else json.dumps(body)
        self._connection.request(method, f"/v2.0/{path}", data, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def network(self) -> str:
        """Make a network with one large subnet; returns its id."""
        network = str(self.call("POST", "networks", {"network": {"name": "bench"}})["network"]["id"])
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}
        self.call("POST", "subnets", {"subnet": subnet})
        return network

    def port(self, network: str) -> None:
        """Make one port."""
        self.call("POST", "ports", {"port": {"network_id": network}})

    def ports(self, network: str, count: int) -> None:
        """Make many in one request: all or nothing."""
        self.call("POST", "ports", {"ports": [{"network_id": network}] * count})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def rate(port: int, clients: int, count: int, one: Callable[[Client], None]) -> float:
    """How often a second something is done by some clients at once, `count` times in all."""
    failures: list[BaseException] = []

    def body() -> None:
        client = Client(port)
        try:
            for _ in range(count // clients):
                one(client)
        except (OSError, RuntimeError) as error:
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=body) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return count // clients * clients / (time.perf_counter() - begin)
