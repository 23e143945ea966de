"""``python -m tests.soak --without-controller MINUTES``: packets of every path for so long while no controller runs.

Meanwhile a host loses its power and boots from its copy, and a gateway host that owns the router dies and is followed
by the next. Probes of 1 kHz are on every path; those that do not need a host that is down may lose none.
"""

import json
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from onehop.lab import plan, power
from onehop.lab.prober import Prober, Result, probing
from tests.dataplane.north import North, north_world
from tests.dataplane.site import until

REPORT = Path("build/alone.json")
FOLLOWED = 5.0
"""Seconds that may pass until packets go by the next owner."""
BACK = 30.0
"""Seconds that a host may take to boot, and a controller to hear of everything."""


class Way(msgspec.Struct, frozen=True):
    """One path: who probes, who answers at which address, and the hosts that it needs.

    Attributes:
        ends: hosts of its two instances.
        steered: whether it leads by the router's owner.
    """

    source: str
    sink: str
    address: str
    ends: frozenset[str]
    steered: bool = False


class Stretch(msgspec.Struct, frozen=True):
    """Probes of one path from one event to another; `concerned` where the path needs what fails in that time."""

    path: str
    during: str
    concerned: bool
    result: Result


class Alone:
    """A world without a controller, and the probes that are under way in it."""

    def __init__(self, north: North, pause: float) -> None:
        self.north = north
        self.done: list[Stretch] = []
        self.seconds: dict[str, float] = {}
        self._pause = pause
        self._owner = north.owner
        self._heir = "host-2" if self._owner == "host-1" else "host-1"
        self._paths = self._all_paths()
        self._running: dict[str, tuple[str, bool, ExitStack, Prober]] = {}

    def _all_paths(self) -> dict[str, Way]:
        """By what each is."""
        north, x, o = self.north, "a" if self._heir == "host-1" else "b", "a" if self._owner == "host-1" else "b"
        heir, both, far = frozenset({self._heir}), frozenset({self._owner, self._heir}), frozenset({"host-3"})
        name, boxes = north.name, north.boxes
        return {
            "east-west": Way(name(o), name(x + "2"), boxes[x + "2"].v4, both),
            "east-west to a host without gateway": Way(name(x), name("c2"), boxes["c2"].v4, heir | far),
            "east-west, IPv6": Way(name(x + "2"), name("c"), boxes["c"].v6, heir | far),
            "floating IP on its instance's host": Way("outside", name(x), north.ip(x), heir),
            "floating IP by the owner": Way("outside", name("c"), north.ip("c"), far, steered=True),
            "SNAT, answers steered by the owner": Way(name(x + "2"), "outside", plan.OUTSIDE, heir, steered=True),
            "IPv6 from outside": Way("outside", name(x), boxes[x].v6, heir, steered=True),
        }

    def run(self) -> None:
        """Everything that happens, in order."""
        site = self.north.site
        try:
            self._begin(self._paths, "no controller")
            power.controller(site.directory, "kill")
            self._let_pass()
            self._reboot("host-3", {name for name, path in self._paths.items() if "host-3" in path.ends})
            self._let_pass()
            self._lose_owner()
            self._let_pass()
            begin = time.monotonic()
            power.controller(site.directory, "start")
            site.wait()
            assert until(lambda: self.north.owner == self._heir, BACK), self.north.shown()
            self._took("until the controller that came back named who acts as owner", begin)
            self.north.ready()
        finally:
            self._end(self._running)

    def _reboot(self, host: str, concerned: set[str]) -> None:
        """A host loses its power, and boots from its copy."""
        self._end(concerned)
        power.stop_host(self.north.site.directory, host)
        begin = time.monotonic()
        self.north.power_on(host)
        self._begin(concerned, f"after {host} booted from its copy")
        self._took(f"until packets went by {host} again that booted from its copy", begin)

    def _lose_owner(self) -> None:
        """The owner dies, is followed, and boots from its copy while the next acts."""
        concerned = {name for name, path in self._paths.items() if path.steered}
        gone = {name for name, path in self._paths.items() if self._owner in path.ends}
        self._end(gone | concerned)
        self._begin(concerned, "while the owner dies", concerned=True)
        power.stop_host(self.north.site.directory, self._owner)
        for name in concerned:
            self._running[name][3].settle()
        self._end(concerned)
        self._begin(concerned, "by the owner that followed")
        self._let_pass()
        self._reboot(self._owner, gone)

    def _begin(self, names: Iterable[str], during: str, concerned: bool = False) -> None:
        for name in names:
            path, stack = self._paths[name], ExitStack()
            prober = stack.enter_context(probing(self.north.site.directory, path.source, path.sink, path.address))
            self._running[name] = (during, concerned, stack, prober)

    def _end(self, names: Iterable[str]) -> None:
        for name in [*names]:
            if name in self._running:
                during, concerned, stack, prober = self._running.pop(name)
                stack.close()
                self.done.append(Stretch(name, during, concerned, prober.result))
                print(f"  {name}, {during}: {prober.result}", flush=True)

    def _let_pass(self) -> None:
        threading.Event().wait(self._pause)

    def _took(self, what: str, begin: float) -> None:
        self.seconds[what] = round(time.monotonic() - begin, 2)
        print(f"{what}: {self.seconds[what]:.2f} s", flush=True)


def main(minutes: float) -> int:
    """Run for so many minutes without a controller; the exit status."""
    with north_world("alone-soak") as north, north.known_outside():
        alone = Alone(north, minutes * 60 / 4)
        alone.run()
    wrong = [one for one in alone.done if one.result.lost and not one.concerned]
    late = [one for one in alone.done if one.concerned and one.result.gap > FOLLOWED * 1000]
    REPORT.parent.mkdir(exist_ok=True)
    document = {"seconds": alone.seconds, "stretches": msgspec.to_builtins(alone.done)}
    REPORT.write_text(json.dumps(document, indent=2) + "\n")
    for one in (*wrong, *late):
        print(f"WRONG: {one.path}, {one.during}: {one.result}")
    sent = sum(one.result.sent for one in alone.done)
    print(f"{sent} probes in {len(alone.done)} stretches; wrong: {len(wrong) + len(late)}")
    return int(bool(wrong or late))
