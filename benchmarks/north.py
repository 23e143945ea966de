"""A lab of one gateway host, by its own controller and agent processes, with routers that have a gateway each."""

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from typing import Any

from onehop.client import Client
from onehop.lab import build, instance, plan, wait
from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import DIRECTORY, FABRIC, OUTSIDE, UPSTREAM, Directory

HOST = "host-1"
EVERY = 0.001
"""Seconds between two questions."""

NEVER = 10.0
_ECHO, _REPLY = 8, 0


class Town:
    """The lab, and what was made in it through the API.

    Attributes:
        port: of the one instance that is really there.
        routers: how many there are.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.client = Client(directory.endpoint)
        self.routers = 0
        external = self._make(
            "network",
            **{
                "router:external": True,
                "provider:network_type": "flat",
                "provider:physical_network": plan.PHYSICAL_NETWORK,
            },
        )
        self.external = external["id"]
        self._make("subnet", network_id=self.external, cidr=str(plan.EXTERNAL), ip_version=4, enable_dhcp=False)
        self.port = self.add_router()
        instance.boot(directory, "one", self.port, HOST)
        self.floating_ip = self._make("floatingip", floating_network_id=self.external)
        self.settle()
        pins, netns = target(directory, directory.read(), OUTSIDE)
        self._asker = inside(pins, _asker, netns)
        self._number = 0

    def _make(self, resource: str, **attributes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.client.post(f"/v2.0/{resource}s", {resource: attributes})[resource]
        return made

    def add_router(self) -> str:
        """A router with a gateway and one network, on which one port is bound to the host; the port's id."""
        number = self.routers
        self.routers += 1
        network = self._make("network")["id"]
        cidr = f"10.{number // 250}.{number % 250}.0/24"
        subnet = self._make("subnet", network_id=network, cidr=cidr, ip_version=4)["id"]
        router = self._make("router", external_gateway_info={"network_id": self.external})["id"]
        self.client.put(f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
        bound = {"binding:host_id": HOST} if number else {}
        port: str = self._make("port", network_id=network, port_security_enabled=False, **bound)["id"]
        return port

    def settle(self) -> None:
        """Wait until the host holds everything."""
        wait.wait(self._directory, 300)

    def associate(self, port: str | None) -> None:
        """Lead the floating IP to a port, or nowhere."""
        self.client.put(f"/v2.0/floatingips/{self.floating_ip['id']}", {"floatingip": {"port_id": port}})

    def status(self) -> str:
        """The floating IP's."""
        return str(self.client.get(f"/v2.0/floatingips/{self.floating_ip['id']}")["floatingip"]["status"])

    @property
    def address(self) -> str:
        """The floating IP."""
        return str(self.floating_ip["floating_ip_address"])

    def forget(self) -> None:
        """Let the upstream router forget whom it knows outside, as if it had never asked."""
        self.run(UPSTREAM, "ip", "neigh", "flush", "dev", "ext0")

    def run(self, name: str, *words: str) -> None:
        """Run a command inside a node."""
        pins, netns = target(self._directory, self._directory.read(), name)
        inside(pins, lambda: subprocess.run(words, check=True, capture_output=True), netns)

    def node(self, work: Callable[[], Any]) -> None:
        """Do something where the switches are."""
        inside(self._directory.pins(FABRIC), work)

    def first_reply(self, address: str) -> float:
        """Ask from outside once a millisecond until something answers; `time.perf_counter` of that moment.

        Raises:
            RuntimeError: nothing answered.
        """
        self._number = (self._number + 1) & 0xFFFF
        begin = time.perf_counter()
        sent = 0
        while (now := time.perf_counter()) < begin + NEVER:
            if now >= begin + sent * EVERY:
                self._asker.sendto(_question(self._number, sent & 0xFFFF), (address, 0))
                sent += 1
            self._asker.settimeout(max(1e-5, begin + sent * EVERY - time.perf_counter()))
            try:
                octets, peer = self._asker.recvfrom(256)
            except (TimeoutError, OSError):
                continue
            if peer[0] == address and octets[20] == _REPLY and octets[24:26] == pack("!H", self._number):
                return time.perf_counter()
        raise RuntimeError(f"{address} did not answer within {NEVER} s")

    def close(self) -> None:
        """Give back sockets."""
        self._asker.close()
        self.client.close()


@contextmanager
def town() -> Iterator[Town]:
    """A lab for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[DIRECTORY] = folder
        directory = Directory("bench", Path(folder))
        build.up(directory, lambda _line: None, 1, 1, 0)
        try:
            made = Town(directory)
            try:
                yield made
            finally:
                made.close()
        finally:
            build.down(directory)


def pause(seconds: float) -> None:
    """Let what is under way come to rest."""
    threading.Event().wait(seconds)


def _asker() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _question(identifier: int, sequence: int) -> bytes:
    words = pack("!BBHHH", _ECHO, 0, 0, identifier, sequence)
    total = sum(int.from_bytes(words[at : at + 2]) for at in range(0, 8, 2))
    total = (total & 0xFFFF) + (total >> 16)
    return words[:2] + pack("!H", ~(total + (total >> 16)) & 0xFFFF) + words[4:]
