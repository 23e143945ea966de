"""A range to shoot on: two hosts, a router, and instances that attack, are attacked, and are impersonated.

| instance | host | |
|---|---|---|
| protected | 1 | attacks; a port as everybody gets it |
| paired | 1 | attacks; may use every address, as its pairs 0.0.0.0/0 and ::/0 say |
| open | 1 | attacks; without protection: what it sends shows that an attack is one |
| near, far | 1, 2 | are attacked |
| claimed | 2 | is whom attackers pretend to be |
"""

import os
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import msgspec

from onehop.model.port import Port
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.objects.counter import Count
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import Site
from tests.dataplane_north.wire import emit
from tests.northern import Northern

ATTACKERS = ("protected", "paired", "open")
VICTIMS = ("near", "far")
HOSTS = {"protected": 1, "paired": 1, "open": 1, "near": 1, "far": 2, "claimed": 2}
EVERYWHERE = ("0.0.0.0/0", "::/0")
PATIENCE = 5.0
_ALL = 3
_FORCE = 33  # SO_RCVBUFFORCE
_TOKEN = 8


class Who(msgspec.Struct, frozen=True):
    """Somebody on the network, as a frame names them."""

    mac: str
    v4: str
    v6: str
    local: str


class Range(Site):
    """The site; all of it is plugged and booted."""

    def __init__(self) -> None:
        world = Northern(hosts=2, six=True)
        world.network(1)
        world.router(1, [1])
        self.ports: dict[str, Port] = {}
        for number, (name, host) in enumerate(HOSTS.items(), 1):
            mac = f"fa:16:3e:01:00:{number:02x}"
            pairs = [(mac, prefix) for prefix in EVERYWHERE] if name == "paired" else []
            self.ports[name] = world.port(1, host, pairs=pairs)
        world.change(self.ports["open"].id, port_security_enabled=False)
        super().__init__(world)
        self.start(self.ports.values())

    def who(self, name: str) -> Who:
        """An instance, or ``gateway``."""
        port = self.world.topology().legs_on(self.world.network_id(1))[0] if name == "gateway" else self.ports[name]
        v4, v6 = (ip.ip_address for ip in port.fixed_ips)
        return Who(port.mac_address, v4, v6, address.link_local(port.mac_address))

    def place(self, name: str) -> Place:
        """An instance's namespace."""
        return self.instances[self.ports[name].id]

    def refused(self, name: str) -> Mapping[str, Count]:
        """What the kernel counted at an instance's tap."""
        port = self.ports[name]
        kernel = self.machines[HostName(f"host-{HOSTS[name]}")].kernel
        table = naming.tap_table(port.network_id, port.id)
        return kernel.count("netdev", table).get(table, {})

    def arrived(self, attacker: str, victim: str, frames: Mapping[str, bytes]) -> set[str]:
        """Send frames by name; names of those that arrive at the victim.

        Each has octets behind its end by which it is known again whatever becomes of its headers. The last is one that
        must pass: when it has come, what has not will not.
        """
        source, target = self.who(attacker), self.who(victim)
        last = _plain(source, target)
        tokens = {name: os.urandom(_TOKEN) for name in [*frames, ""]}
        marked = [octets + tokens[name] for name, octets in frames.items()]
        with heard(self.place(victim)) as sock:
            emit(self.place(attacker), "eth0", *marked, last + tokens[""])
            got = _until(sock, tokens[""])
        return {name for name in frames if any(octets.endswith(tokens[name]) for octets in got)}


def _plain(source: Who, target: Who) -> bytes:
    """A datagram to the discard port, by hand."""
    head = bytes.fromhex((target.mac + source.mac).replace(":", "")) + b"\x08\0"
    packet = b"\x45\0\0\x1c\0\0\0\0\x40\x11\0\0" + address.pack(source.v4) + address.pack(target.v4)
    return head + packet + b"\x9c\x40\0\x09\0\x08\0\0"


@contextmanager
def heard(place: Place, link: str = "eth0") -> Iterator[socket.socket]:
    """A socket that hears all that passes a link."""

    def opened() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        sock.setsockopt(socket.SOL_SOCKET, _FORCE, 16 << 20)
        sock.bind((link, _ALL))
        sock.setblocking(False)
        return sock

    with place.inside(opened) as sock:
        yield sock


def _until(sock: socket.socket, token: bytes) -> list[bytes]:
    got: list[bytes] = []
    deadline = time.monotonic() + PATIENCE
    while not any(octets.endswith(token) for octets in got):
        left = deadline - time.monotonic()
        assert left > 0, "what must pass did not pass"
        select.select([sock], [], [], left)
        got += waiting(sock)
    return got


def waiting(sock: socket.socket) -> Iterable[bytes]:
    """What a socket has heard and nobody has read."""
    got: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            got.append(sock.recv(70_000))
    return got
