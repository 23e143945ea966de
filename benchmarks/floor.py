"""The floor: what the kernel itself costs for exactly the objects that onehop puts there for one router.

It is given the objects (compiled beforehand, not timed), packs them one after another into as few netlink sends as the
kernel allows, hands the rulesets to libnftables in process, and that is all: no observation, no diff, no plan, no word
on which object failed, nothing read back. Run alone it prints milliseconds for each router.

usage: python -m benchmarks.floor [ROUTERS ...]      default: 50 500
"""

import ctypes
import itertools
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from benchmarks import packing, sandbox, scenario
from onehop.compiler.host import compile_host
from onehop.net.naming import PROTOCOL
from onehop.objects import ALL_ZERO, Bridge, KernelObject, Link, Namespace, Veth, Vxlan, nftables

_libc = ctypes.CDLL(None, use_errno=True)
_nft = ctypes.CDLL("libnftables.so.1")
_nft.nft_ctx_new.restype = ctypes.c_void_p
for _name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_get_error_buffer"):
    getattr(_nft, _name).argtypes = [ctypes.c_void_p]
_nft.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
_nft.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
CLONE_NEWNET, MS_BIND = 0x40000000, 4096
SCOPES = {"global": 0, "link": 253}


class Wanted:
    """The objects of one router and its networks, by kind and place."""

    def __init__(self, objects: Iterable[KernelObject]) -> None:
        self.here: dict[str, list[Any]] = defaultdict(list)
        self.inside: dict[str, list[Any]] = defaultdict(list)
        self.name = self.mark = ""
        for item in objects:
            if isinstance(item, Namespace):
                self.name, self.mark = item.namespace, item.mark
            else:
                (self.inside if item.namespace else self.here)[item.kind].append(item)


class Floor:
    """Builds routers in the namespace in which it is made."""

    def __init__(self) -> None:
        self._root = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._netlink = packing.Batch()
        self._nft = nft_context()
        self._next = itertools.count(100_000)
        self._index: dict[str, int] = {}

    def realise_all(self, routers: Iterable[Wanted]) -> None:
        """Put routers there, one after another."""
        for wanted in routers:
            self.realise(wanted)

    def realise(self, wanted: Wanted) -> None:
        """Put one router and its networks there."""
        index = self._index
        links: list[Link] = wanted.here["link"]
        for link in links:
            index[link.name] = next(self._next)
        bridges = [link for link in links if isinstance(link.spec, Bridge)]
        tunnels = [link for link in links if isinstance(link.spec, Vxlan)]
        self._netlink.send([create(link, index) for link in bridges + tunnels])
        load(self._nft, wanted.here["ruleset"])
        self._inside(wanted)
        self._netlink.send(
            [change(link, index) for link in links]
            + [packing.change_link(index[link.name], up=True) for link in links if link.up]
            + entries(wanted, index)
        )

    def _inside(self, wanted: Wanted) -> None:
        inside = new_namespace(wanted)
        index: dict[str, int] = {}
        batch: list[bytes] = []
        for number, link in enumerate(wanted.inside["link"], 10):
            index[link.name] = number
            peer = packing.veth_peer(self._index[link.spec.peer_name], link.spec.peer_name, link.mtu, self._root)
            address = packing.number(4, link.mtu) + packing.attribute(1, mac(link.mac))
            batch.append(packing.new_link(number, link.name, b"veth", peer, address))
            batch.append(packing.change_link(number, packing.text(20, link.alias) + packing.no_own_addresses()))
        batch += [packing.change_link(index[link.name], up=True) for link in wanted.inside["link"] if link.up]
        for item in wanted.inside["address"]:
            host, _, length = item.address.partition("/")
            batch.append(packing.new_address(index[item.link], host, int(length), SCOPES[item.scope]))
        batch += [packing.new_neighbour(index[n.link], n.address, mac(n.mac)) for n in wanted.inside["neighbour"]]
        batch += [packing.new_blackhole(r.destination, r.metric, PROTOCOL) for r in wanted.inside["route"]]
        if wanted.inside["ruleset"]:
            context = nft_context()
            load(context, wanted.inside["ruleset"])
            free(context)
        inside.send(batch)
        write([setting for setting in wanted.inside["sysctl"] if setting.link is not None])
        inside.close()
        check(_libc.setns(self._root, CLONE_NEWNET), "setns")


def new_namespace(wanted: Wanted) -> packing.Batch:
    """Make a router's namespace and enter it, marked, named, with the settings that concern no link."""
    check(_libc.unshare(CLONE_NEWNET), "unshare")
    inside = packing.Batch()
    inside.send([packing.change_link(1, packing.text(20, wanted.mark), up=True)])
    path = sandbox.RUN / wanted.name
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o444))
    sandbox.mount("/proc/thread-self/ns/net", path, "none", MS_BIND)
    write([setting for setting in wanted.inside["sysctl"] if setting.link is None])
    return inside


def entries(wanted: Wanted, index: dict[str, int]) -> list[bytes]:
    """FDB entries and neighbours of the host's links."""
    return [
        *(packing.new_bridge_entry(index[e.port], mac(e.mac)) for e in wanted.here["bridge_fdb"]),
        *(
            packing.new_vxlan_entry(index[e.link], mac(e.mac), e.vtep, e.mac == ALL_ZERO)
            for e in wanted.here["vxlan_fdb"]
        ),
        *(packing.new_neighbour(index[n.link], n.address, mac(n.mac)) for n in wanted.here["neighbour"]),
    ]


def create(link: Link, index: dict[str, int]) -> bytes:
    """A bridge or VXLAN device of the host's, still down."""
    own = packing.number(4, link.mtu) + (packing.attribute(1, mac(link.mac)) if link.mac else b"")
    if isinstance(link.spec, Bridge):
        return packing.new_link(index[link.name], link.name, b"bridge", packing.attribute(23, b"\0"), own)
    if not isinstance(link.spec, Vxlan):
        raise TypeError(f"the floor makes no {link.spec} of the host's")
    data = (
        packing.number(1, link.spec.vni)
        + packing.attribute(4, packing.octets(link.spec.local))
        + packing.attribute(7, b"\0")
        + packing.attribute(15, link.spec.port.to_bytes(2, "big"))
    )
    master = packing.number(10, index[link.master]) if link.master else b""
    return packing.new_link(index[link.name], link.name, b"vxlan", data, own + master)


def change(link: Link, index: dict[str, int]) -> bytes:
    """What a link of the host's cannot be given at creation."""
    message = b""
    if isinstance(link.spec, Veth) and link.master:
        message = packing.change_link(index[link.name], packing.number(10, index[link.master]))
    own = packing.text(20, link.alias) + packing.no_own_addresses()
    if link.port is not None:
        own += packing.bridge_port(link.port.learning, link.port.flood, link.port.neigh_suppress)
    return message + packing.change_link(index[link.name], own)


def mac(address: str) -> bytes:
    """Six octets."""
    return bytes.fromhex(address.replace(":", ""))


def write(settings: list[Any]) -> None:
    """Write settings of the namespace that this thread is in."""
    for setting in settings:
        descriptor = os.open(f"/proc/sys/{setting.path}", os.O_WRONLY)
        os.write(descriptor, setting.value.encode())
        os.close(descriptor)


def nft_context() -> int:
    """A libnftables context of the namespace that this thread is in."""
    context: int = _nft.nft_ctx_new(0)
    _nft.nft_ctx_buffer_output(context)
    _nft.nft_ctx_buffer_error(context)
    return context


def free(context: int) -> None:
    """Give a libnftables context back."""
    _nft.nft_ctx_free(context)


def load(context: int, rulesets: list[Any]) -> None:
    """Put tables there, in one transaction, with the least that libnftables can be made to read before."""
    if _nft.nft_run_cmd_from_buffer(context, nftables.to_load(rulesets, anew=False).encode()):
        raise RuntimeError(_nft.nft_ctx_get_error_buffer(context).decode())


def check(result: int, what: str) -> None:
    """Raise what a libc call reported."""
    if result:
        raise OSError(ctypes.get_errno(), what)


def wanted(routers: int) -> list[Wanted]:
    """What the compiler yields for each of a number of routers."""
    found = []
    for number in range(routers):
        one = scenario.view_of(number)
        state = compile_host(one, scenario.HERE)
        found.append(Wanted(claim.object for part in state.values() for claim in part.claims.values()))
    return found


def measure(routers: int) -> dict[str, float]:
    """Milliseconds for each router, on the wall and of CPU, in a host namespace of its own."""
    objects = wanted(routers)
    result: dict[str, float] = {}

    def build() -> None:
        check(_libc.unshare(CLONE_NEWNET), "unshare")
        floor = Floor()
        wall, cpu = time.perf_counter(), time.process_time()
        floor.realise_all(objects)
        result["wall_ms"] = (time.perf_counter() - wall) / routers * 1e3
        result["cpu_ms"] = (time.process_time() - cpu) / routers * 1e3

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    if not result:
        raise RuntimeError("the floor failed; its error is above")
    return result


if __name__ == "__main__":
    sandbox.enter("benchmarks.floor")
    for count in [int(word) for word in sys.argv[1:]] or [50, 500]:
        print(json.dumps({"routers": count, **{k: round(v, 2) for k, v in measure(count).items()}}), flush=True)
        for pin in sandbox.RUN.iterdir():
            _libc.umount2(str(pin).encode(), 2)
            pin.unlink()
        sandbox.wait_for_the_dead()
