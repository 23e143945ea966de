"""Paths between instances, measured with `ping`: does it arrive, over how many hops, how long does it take?"""

import re
import subprocess

import msgspec

from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import Directory

_PROBES = 20
_FIRST_TTL = 64
_ROUND_TRIP = re.compile(r"= ([0-9.]+)/([0-9.]+)/")
_TTL = re.compile(r"ttl=([0-9]+)")
_SENT = re.compile(r"([0-9]+) packets transmitted, ([0-9]+) received")


class Path(msgspec.Struct, frozen=True):
    """What became of a path.

    Attributes:
        title: what kind of path it is.
        source, sink: names of instances.
        version: IP version.
        wanted: whether packets should arrive.
        arrived: whether they did.
        hops: routers in between, where it arrived.
        milliseconds: the average round trip, where it arrived.
    """

    title: str
    source: str
    sink: str
    version: int
    wanted: bool
    arrived: bool
    hops: int | None = None
    milliseconds: float | None = None

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self.wanted == self.arrived


def run(directory: Directory, name: str, *command: str) -> str:
    """Run a command inside an instance or a node and return what it prints, errors too."""
    pins, netns = target(directory, directory.read(), name)
    done = inside(
        pins,
        lambda: subprocess.run(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
        ),
        netns,
    )
    return done.stdout


def path(directory: Directory, title: str, source: str, sink: str, address: str, wanted: bool = True) -> Path:
    """Measure one path; one that should lead nowhere is given up after a second."""
    effort = ("-c", str(_PROBES), "-i", "0.01", "-W", "2") if wanted else ("-c", "3", "-i", "0.2", "-W", "0.5")
    shown = run(directory, source, "ping", "-n", *effort, address)
    sent, ttl, times = _SENT.search(shown), _TTL.search(shown), _ROUND_TRIP.search(shown)
    return Path(
        title=title,
        source=source,
        sink=sink,
        version=6 if ":" in address else 4,
        wanted=wanted,
        arrived=sent is not None and int(sent[2]) > 0,
        hops=_FIRST_TTL - int(ttl[1]) if ttl else None,
        milliseconds=float(times[2]) if times else None,
    )
