"""Two instances and a way between them through a router: how fast, how soon, how many packets."""

import array
import ctypes
import fcntl
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.sandbox import RUN

SIOCETHTOOL = 0x8946
CONNECT_MS = 5000
"""A way that lets nothing through is told after so long, not after TCP's two minutes."""
SET_SENDERS = {"scatter-gather": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
_libc = ctypes.CDLL(None, use_errno=True)


class Path(msgspec.Struct, frozen=True):
    """A way between two instances.

    Attributes:
        left, right: names of their namespaces; each has an ``eth0``.
        target: the right one's address.
    """

    left: str
    right: str
    target: str


def run(*words: str) -> str:
    """Run a command to its end and return its output; its complaints go to stderr."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL).stdout


def inside(namespace: str, work: Callable[[], None]) -> None:
    """Do something in a thread that has entered a namespace."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            pin = os.open(RUN / namespace, os.O_RDONLY)
            if _libc.setns(pin, 0x40000000):
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            os.close(pin)
            work()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def set_offload(path: Path, on: bool) -> None:
    """Switch segmentation offload of both instances' links (TSO, GSO, GRO) on or off."""

    def work() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            for feature in ("tso", "gso", "gro"):
                value = array.array("B", struct.pack("=II", SET_SENDERS[feature], int(on)))
                request = struct.pack("16sP", b"eth0", value.buffer_info()[0])
                fcntl.ioctl(handle, SIOCETHTOOL, request)

    for namespace in (path.left, path.right):
        inside(namespace, work)


@contextmanager
def server(path: Path) -> Iterator[None]:
    """An iperf3 server on the right, for as long as the block runs."""
    words = ["ip", "netns", "exec", path.right, "iperf3", "--server", "--forceflush"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "listening" in line:
                break
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        yield
    finally:
        process.kill()
        process.wait()


def throughput(path: Path, seconds: int, reverse: bool = False) -> float:
    """Gbit/s of one TCP connection, as received; `reverse`: the server sends."""
    answer = _iperf(path, seconds, *_direction(reverse))
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9


def packet_rate(path: Path, seconds: int, reverse: bool = False) -> float:
    """Thousands of small UDP datagrams a second that arrive; `reverse`: the server sends."""
    options = ("--udp", "--bitrate", "0", "--length", "64", *_direction(reverse))
    total = _iperf(path, seconds, *options)["end"]["sum"]
    return float(total["packets"] - total["lost_packets"]) / float(total["seconds"]) / 1e3


def round_trip(path: Path, count: int) -> float:
    """Mean round trip in µs of pings sent as fast as they are answered, without the slowest twentieth.

    ping itself prints a mean in whole microseconds, of which there are only about ten: so the single times are read.
    """
    printed = run("ip", "netns", "exec", path.left, "ping", "-A", "-c", str(count), "-i", "0", path.target)
    times = sorted(float(time) for time in re.findall(r"time=([\d.]+) ms", printed))
    kept = times[: len(times) - len(times) // 20]
    return statistics.fmean(kept) * 1e3


def _direction(reverse: bool) -> tuple[str, ...]:
    return ("--reverse",) if reverse else ()


def _iperf(path: Path, seconds: int, *options: str) -> dict:  # type: ignore[type-arg]  # iperf3's own document
    words = ("iperf3", "--client", path.target, "--connect-timeout", str(CONNECT_MS), "--time", str(seconds), "--json")
    command = ("ip", "netns", "exec", path.left, *words, *options)
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    answer = dict(json.loads(done.stdout or "{}"))
    if done.returncode or "error" in answer:
        why = answer.get("error", f"it ended with {done.returncode}")
        raise RuntimeError(f"iperf3 from {path.left} to {path.target}: {why}")
    return answer
