"""The floor of one more port: the objects that an instance's port is made of, put by hand on the measured host.

They are those that onehop made for its own last port, under other names and addresses, packed into one send for the
host and one for the router's namespace, the table that protects it handed to libnftables; nothing is observed, compared
or read back. What is made is taken away again, untimed.
"""

import ctypes
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from benchmarks import floor, packing, sandbox
from onehop.objects import BridgeFdb, KernelObject, Link, Neighbour, Ruleset, Veth

_libc = ctypes.CDLL(None, use_errno=True)
_FIRST_INDEX = 1_000_000


class PortFloor:
    """Makes ports by hand in the namespace in which it is made."""

    def __init__(self) -> None:
        self._root = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._host = packing.Batch()
        self._nft = floor.nft_context()
        self._next = itertools.count(_FIRST_INDEX)

    def turn(self, like: Iterable[KernelObject]) -> float:
        """Milliseconds of CPU for one more port like one that is there, made of these objects."""
        objects = list(like)
        number = next(self._next)
        tap = next(o for o in objects if isinstance(o, Link))
        if not isinstance(tap.spec, Veth) or tap.master is None:
            raise TypeError("the floor makes ports of instances in namespaces")
        subprocess.run(["ip", "netns", "add", f"floor-{number}"], check=True)
        bridge = socket.if_nametoindex(tap.master)
        mac = (2 << 40 | number).to_bytes(6, "big")
        inside = [o for o in objects if isinstance(o, Neighbour) and o.namespace]
        places = [(sandbox.RUN / o.namespace, self._index(o)) for o in inside]
        address = f"198.18.{number >> 8 & 255}.{number & 255}"
        begin = time.process_time()
        instance = os.open(sandbox.RUN / f"floor-{number}", os.O_RDONLY)
        peer = packing.veth_peer(0, tap.spec.peer_name, tap.mtu, instance)
        own = packing.number(4, tap.mtu) + packing.attribute(1, mac)
        messages = [
            packing.new_link(number, f"floor-{number}", b"veth", peer, own),
            packing.change_link(number, packing.number(10, bridge)),
            packing.change_link(number, packing.bridge_port(learning=False, flood=False, suppress=False)),
        ]
        self._host.send(messages)
        tables = [_under(o, tap.name, f"floor-{number}") for o in objects if isinstance(o, Ruleset)]
        if tables:
            floor.load(self._nft, tables)
        messages = [packing.change_link(number, up=True)]
        messages += [packing.new_bridge_entry(number, mac) for o in objects if isinstance(o, BridgeFdb)]
        own_neighbours = [o for o in objects if isinstance(o, Neighbour) and not o.namespace]
        messages += [packing.new_neighbour(bridge, address, mac) for _ in own_neighbours]
        self._host.send(messages)
        os.close(instance)
        for path, index in places:
            self._in(path, [packing.new_neighbour(index, address, mac)])
        spent = (time.process_time() - begin) * 1e3
        for table in tables:
            subprocess.run(["nft", "delete", "table", table.family, table.table], check=True)
        self._take_away(number, tap.master, address, inside)
        return spent

    def _in(self, path: Path, messages: list[bytes]) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        floor.check(_libc.setns(descriptor, floor.CLONE_NEWNET), "setns")
        batch = packing.Batch()
        batch.send(messages)
        batch.close()
        os.close(descriptor)
        floor.check(_libc.setns(self._root, floor.CLONE_NEWNET), "setns")

    def _index(self, neighbour: Neighbour) -> int:
        show = ["ip", "-n", neighbour.namespace, "-o", "link", "show", neighbour.link]
        return int(subprocess.run(show, check=True, capture_output=True, text=True).stdout.partition(":")[0])

    def _take_away(self, number: int, bridge: str, address: str, inside: list[Neighbour]) -> None:
        gone = [["ip", "link", "delete", f"floor-{number}"], ["ip", "netns", "delete", f"floor-{number}"]]
        gone += [["ip", "neighbour", "delete", address, "dev", bridge]]
        gone += [["ip", "-n", o.namespace, "neighbour", "delete", address, "dev", o.link] for o in inside]
        for words in gone:
            subprocess.run(words, check=True)


def _under(like: Ruleset, tap: str, name: str) -> Ruleset:
    """The same table for another link."""
    return replace(like, table=f"onehop-{name}", body=like.body.replace(tap, name), devices=(name,))
