"""Owners: what a router's streams and its neighbours notice when its owner dies, is drained, or loses its agent.

In a lab of three hosts, two of them gateway hosts, with 200 routers on one external network. Of one of them 200 TCP
connections go from instances on the host that is not the owner, and on the one that is no gateway host, through SNAT to
the far internet. The limits are times; the baseline of a drain is the longest gap of the same streams before it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from benchmarks import streams
from benchmarks.ear import Ear
from benchmarks.report import Row, main, say
from onehop.client import Client
from onehop.lab import build, instance, plan, power, wait
from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.prober import probing
from onehop.lab.state import Directory

ROUTERS = int(os.environ.get("ONEHOP_BENCH_ROUTERS", "200"))
STREAMS = 200
INTERVAL = 0.05
"""Seconds between two records of a stream, so the least that a gap can be."""

QUIET_SECONDS = 10.0
"""So long the streams go on before anything is done to them: their longest gap then is the machine's own."""

DETECTION, SLACK = 3.0, 0.3
"""Seconds: what a loss may take to be found, and to be taken over."""

PORT = 7020
KILLED_SECONDS = 5.0


class World:
    """A lab with one router that has instances, and many that have a gateway alone."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.client = Client(directory.endpoint)
        external = self.create(
            "network",
            **{
                "name": "external",
                "router:external": True,
                "provider:network_type": "flat",
                "provider:physical_network": plan.PHYSICAL_NETWORK,
            },
        )
        self.create("subnet", network_id=external, cidr=str(plan.EXTERNAL), ip_version=4)
        inner = self.create("network", name="inner")
        subnet = self.create("subnet", network_id=inner, cidr="10.0.0.0/24", ip_version=4)
        info = {"network_id": external}
        self.router = self.create("router", name="main", external_gateway_info=info)
        self.client.put(f"/v2.0/routers/{self.router}/add_router_interface", {"subnet_id": subnet})
        for number in range(1, 4):
            port = self.create("port", network_id=inner, fixed_ips=[{"subnet_id": subnet}], port_security_enabled=False)
            instance.boot(directory, f"vm{number}", port, f"host-{number}")
        for number in range(ROUTERS - 1):
            self.create("router", name=f"r{number}", external_gateway_info=info)
        wait.wait(directory, 300)

    def create(self, resource: str, **attributes: Any) -> str:
        """Make something; its id."""
        return str(self.client.post(f"/v2.0/{resource}s", {resource: attributes})[resource]["id"])

    def gateways(self) -> list[dict[str, Any]]:
        """All routers."""
        found: list[dict[str, Any]] = self.client.get("/v2.0/routers")["routers"]
        return found

    def owner(self) -> str:
        """Who owns the main router."""
        router = self.client.get(f"/v2.0/routers/{self.router}")["router"]
        return next(str(host["host"]) for host in router["gateway_hosts"] if host["owner"])

    def owned(self, host: str) -> set[str]:
        """External addresses that a host owns."""
        return {
            str(router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"])
            for router in self.gateways()
            if any(place["owner"] and place["host"] == host for place in router["gateway_hosts"])
        }

    def concentrate(self, host: str) -> None:
        """Let a host own everything, and others be ready for it."""
        other = "host-2" if host == "host-1" else "host-1"
        self.drain(other)
        wait.wait(self.directory, 300)
        self.drain(other, "--undo")
        wait.wait(self.directory, 300)

    def drain(self, host: str, *options: str) -> None:
        """As an operator types it."""
        config = self.directory.controller / "controller.toml"
        words = [sys.executable, "-m", "onehop", "host", "drain", host, "--config", str(config), *options]
        subprocess.run(words, check=True, capture_output=True, timeout=60)


@contextmanager
def program(directory: Directory, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """One of the two programs of `benchmarks.streams` in an instance or node."""
    pins, netns = target(directory, directory.read(), name)
    command = [sys.executable, "-I", "-S", streams.__file__, *words]
    made = inside(
        pins, lambda: subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE), netns
    )
    try:
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n", f"{words} in {name} did not come up"
        yield made
    finally:
        made.kill()
        made.communicate()


class Calls:
    """Streams that are under way."""

    def __init__(self, callers: list[subprocess.Popen[str]]) -> None:
        self.callers = callers
        self.mark()

    def mark(self) -> float:
        """Count gaps from now on; the longest so far, in seconds."""
        gaps = []
        for caller in self.callers:
            assert caller.stdin is not None
            assert caller.stdout is not None
            caller.stdin.write("mark\n")
            caller.stdin.flush()
            gaps.append(float(caller.stdout.readline()))
        return max(gaps)

    def end(self) -> tuple[int, float]:
        """How many broke, and the longest gap of any, in seconds."""
        results = [json.loads(caller.communicate("end\n", timeout=60)[0]) for caller in self.callers]
        for result in results:
            if result["errors"]:
                say(f"broken: {result['errors']}")
        return sum(result["broken"] for result in results), max(result["gaps"][-1] for result in results)


@contextmanager
def calls(world: World, owner: str) -> Iterator[Calls]:
    """Streams of instances on hosts that are not the owner."""
    names = [f"vm{number}" for number in range(1, 4) if owner != f"host-{number}"]
    with ExitStack() as stack:
        stack.enter_context(program(world.directory, "outside", "serve", str(PORT)))
        words = ("call", plan.OUTSIDE, str(PORT), str(STREAMS // len(names)), str(INTERVAL))
        yield Calls([stack.enter_context(program(world.directory, name, *words)) for name in names])


def macs_of(world: World, host: str) -> dict[str, str]:
    """MAC of a host's leg by the router's external address."""
    found = {}
    for router in world.gateways():
        address = str(router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"])
        found[address] = next(str(p["mac_address"]) for p in router["gateway_hosts"] if p["host"] == host)
    return found


def taken_over(world: World, ear: Ear, addresses: set[str], heir: str, begin: float, limit: float) -> list[float]:
    """Seconds until the heir announced each address."""
    macs = macs_of(world, heir)
    deadline = begin + limit
    while time.monotonic() < deadline and any((a, macs[a]) not in ear.heard for a in addresses):
        time.sleep(0.05)
    return sorted(ear.heard.get((a, macs[a]), begin + limit) - begin for a in addresses)


def measure() -> Iterator[Row]:
    """Loss, drain, killed agent."""
    directory = Directory(f"bench-owner-{os.getpid()}")
    say("a lab of three hosts")
    build.up(directory, say, 3, 2, 0)
    try:
        say(f"{ROUTERS} routers")
        world = World(directory)
        ear = Ear(directory)
        try:
            yield from drained(world, ear)
            yield from killed(world)
            yield from lost(world, ear)
        finally:
            ear.close()
            world.client.close()
    finally:
        build.down(directory)


def lost(world: World, ear: Ear) -> Iterator[Row]:
    """The owner of everything loses its power."""
    owner = world.owner()
    heir = "host-2" if owner == "host-1" else "host-1"
    world.concentrate(owner)
    addresses = world.owned(owner)
    say(f"{owner} owns {len(addresses)} routers and loses its power")
    with calls(world, owner) as under_way:
        ear.clear()
        begin = time.monotonic()
        power.stop_host(world.directory, owner)
        seconds = taken_over(world, ear, addresses, heir, begin, 30)
        broken, gap = under_way.end()
    limit = DETECTION + SLACK
    what = f"owner of {len(addresses)} routers loses its power"
    yield _row(f"{what}: all taken over after", seconds[-1], "s", f"≤ {limit:g} s", seconds[-1] <= limit)
    yield _row(f"{what}: the first after", seconds[0], "s")
    yield _row(f"{what}: of {STREAMS} TCP streams broken", broken, "", "0", broken == 0)
    yield _row(f"{what}: longest gap of a stream", gap, "s", f"≤ {limit:g} s", gap <= limit)


def drained(world: World, ear: Ear) -> Iterator[Row]:
    """The owner is drained."""
    world.concentrate(world.owner())
    owner = world.owner()
    heir = "host-2" if owner == "host-1" else "host-1"
    addresses = world.owned(owner)
    say(f"{owner} owns {len(addresses)} routers and is drained")
    with calls(world, owner) as under_way:
        time.sleep(QUIET_SECONDS)
        quiet = under_way.mark()
        ear.clear()
        begin = time.monotonic()
        world.drain(owner)
        seconds = taken_over(world, ear, addresses, heir, begin, 30)
        wait.wait(world.directory, 120)
        broken, gap = under_way.end()
    world.drain(owner, "--undo")
    wait.wait(world.directory, 120)
    what = f"owner of {len(addresses)} routers is drained"
    yield _row(f"{what}: all taken over after", seconds[-1], "s")
    yield _row(f"{what}: of {STREAMS} TCP streams broken", broken, "", "0", broken == 0)
    longest = f"{what}: longest gap of a stream, against {QUIET_SECONDS:g} s before"
    row = _row(longest, gap * 1e3, "ms", "≤ 100 ms", gap <= 0.1)
    yield msgspec.structs.replace(row, baseline=quiet * 1e3, ratio=gap / quiet)


def killed(world: World) -> Iterator[Row]:
    """The owner's agent is killed and started again."""
    owner = world.owner()
    caller = "vm3"
    say(f"the agent of {owner} is killed and started")
    with probing(world.directory, caller, "outside", plan.OUTSIDE) as probes:
        power.agent(world.directory, owner, "kill")
        time.sleep(KILLED_SECONDS)
        power.agent(world.directory, owner, "start")
        wait.wait(world.directory, 120)
        probes.settle()
    result = probes.result
    what = f"owner's agent killed for {KILLED_SECONDS:g} s and started, {ROUTERS} routers"
    yield _row(f"{what}: of {result.sent} probes (1 kHz) lost", result.lost, "", "0", result.lost == 0)


def _row(what: str, value: float, unit: str, reach: str = "", met: bool | None = None) -> Row:
    return Row(what=what, value=value, unit=unit, reach=reach, met=met)


if __name__ == "__main__":
    main("benchmarks.owner", measure, private=False)
