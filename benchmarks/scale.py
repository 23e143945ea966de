"""One controller with 1,000 agents (real protocol, no kernel) and 20,000 ports: what a change costs, and a storm.

Agents and their TLS run in this process, beside the controller on the same CPUs. Nearly all ports are on networks of
20 ports on four hosts each; the others on networks that span 1 to 500 hosts, a port on each host. Each network is a
project's of its own, and so is the security group of its ports.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.client import Client
from benchmarks.controller import cpu, end, resident_mib
from benchmarks.receivers import Receiver
from benchmarks.report import Row, main, say
from benchmarks.scale_site import Site, Size

STORM_SECONDS = 60.0
WIDE = 500


def peak_mib(pid: int) -> float:
    """Most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def change(site: Site, network: str, span: int, idle: float) -> list[Row]:
    """Ports on a network that spans so many hosts, made one after another."""
    hearing = site.of(span)
    times: list[float] = []
    before, begin = cpu(site.pid), time.perf_counter()
    with closing(Client(site.api)) as client:
        for _ in range(site.size.changes):
            asked = time.perf_counter()
            body = {"port": site.port(network, hearing[0].host)}
            made = ("port", (await asyncio.to_thread(client.call, "POST", "ports", body))["port"]["id"])
            await until(hearing, lambda receiver, made=made: made in receiver.heard, site.size.limit)  # type: ignore[misc]  # bound early
            times.append(max(receiver.heard[made] for receiver in hearing) - asked)
    used = cpu(site.pid) - before - idle * (time.perf_counter() - begin)
    what = f"a port on a network of {span} host{'s' if span > 1 else ''}"
    wide = span >= WIDE
    met = max(times) <= 1.0 if wide else None
    longest = f"{what}: request to the last agent (longest of {len(times)})"
    return [
        Row(what=f"{what}: request to the last agent (median)", value=statistics.median(times) * 1e3, unit="ms"),
        Row(what=longest, value=max(times) * 1e3, unit="ms", reach="≤ 1,000 ms" if wide else "", met=met),
        Row(what=f"{what}: CPU of the controller", value=used / len(times) * 1e3, unit="ms"),
    ]


async def floating_ip(site: Site, network: str) -> list[Row]:
    """A floating IP of an instance whose network is on one host: who is told?"""
    outside = {"provider:network_type": "flat", "provider:physical_network": "external", "router:external": True}
    with closing(Client(site.api)) as client:
        external = client.call("POST", "networks", {"network": outside})["network"]["id"]
        subnet = {"network_id": external, "ip_version": 4, "cidr": "172.29.0.0/16"}
        client.call("POST", "subnets", {"subnet": subnet})
        inside = client.call("GET", f"subnets?network_id={network}")["subnets"][0]["id"]
        port = client.call("GET", f"ports?network_id={network}")["ports"][0]["id"]
        info = {"external_gateway_info": {"network_id": external}}
        router = client.call("POST", "routers", {"router": info})["router"]["id"]
        client.call("PUT", f"routers/{router}/add_router_interface", {"subnet_id": inside})
        given = {"floating_network_id": external, "port_id": port}
        made = (await asyncio.to_thread(client.call, "POST", "floatingips", {"floatingip": given}))["floatingip"]["id"]
        newest = site.revision()
    # Each agent hears of the revision, if only that nothing in it is for it.
    await until(site.fleet.receivers, lambda receiver: receiver.revision >= newest, site.size.limit)
    told = [receiver for receiver in site.fleet.receivers if ("floatingip", made) in receiver.heard]
    gateways = [receiver for receiver in told if receiver.gateway]
    reach, others = "1, beside gateway hosts", len(told) - len(gateways)
    return [
        Row(what="a floating IP: agents that are told", value=others, unit="agents", reach=reach, met=others == 1),
        Row(what="a floating IP: gateway hosts that are told, of 2", value=len(gateways), unit="agents"),
    ]


async def storm(site: Site, what: str) -> list[Row]:
    """The controller is killed and started again; all agents come back as soon as they can."""
    site.kill()
    await until(site.fleet.receivers, lambda receiver: not receiver.connected, site.size.limit)
    before = sum(receiver.values for receiver in site.fleet.receivers)
    await asyncio.to_thread(site.start)
    took = await until(site.fleet.receivers, lambda receiver: receiver.connected, site.size.limit)
    sent = sum(receiver.values for receiver in site.fleet.receivers) - before
    return [
        Row(what=f"{what}: all in sync after", value=took, unit="s", reach="≤ 60 s", met=took <= STORM_SECONDS),
        Row(what=f"{what}: values sent", value=sent, unit="values"),
        Row(what=f"{what}: most memory of the controller", value=peak_mib(site.pid), unit="MiB"),
    ]


async def until(receivers: Sequence[Receiver], condition: Callable[[Receiver], bool], seconds: float) -> float:
    """Wait until something holds for all; the seconds that it took.

    Raises:
        TimeoutError: it does not.
    """
    begin = time.perf_counter()
    waiting = list(receivers)
    async with asyncio.timeout(seconds):
        while waiting := [receiver for receiver in waiting if not condition(receiver)]:
            await asyncio.sleep(0.005)
    return time.perf_counter() - begin


async def run(size: Size) -> list[Row]:
    """All of it, of one size."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="onehop-bench-") as folder:
        site = Site(Path(folder), size)
        say(f"{size.hosts:,} hosts get their certificates")
        site.enrol()
        site.start()
        try:
            say(f"{size.ports:,} ports are made")
            wide = await asyncio.to_thread(site.populate)
            site.fleet.start()
            say("agents connect for the first time")
            took = await until(site.fleet.receivers, lambda receiver: receiver.connected, size.limit)
            rows.append(Row(what=f"{size.hosts:,} agents without a view: all in sync after", value=took, unit="s"))
            begin, before = time.perf_counter(), cpu(site.pid)
            await asyncio.sleep(size.idle)
            idle = (cpu(site.pid) - before) / (time.perf_counter() - begin)
            rows.append(
                Row(what=f"{size.hosts:,} agents, nothing happens: CPU of the controller", value=idle * 100, unit="%")
            )
            rows.append(
                Row(what=f"{size.hosts:,} agents: memory of the controller", value=resident_mib(site.pid), unit="MiB")
            )
            for span, network in sorted(wide.items()):
                say(f"a port on a network of {span} hosts")
                rows += await change(site, network, span, idle)
            rows += await floating_ip(site, wide[min(wide)])
            say("the controller is killed")
            rows += await storm(site, f"{size.hosts:,} agents come back with their views")
            for receiver in site.fleet.receivers:
                receiver.forget()
            say("the controller is killed, and no agent has a view")
            rows += await storm(site, f"{size.hosts:,} agents come back without a view")
        finally:
            await site.fleet.stop()
            assert site.process is not None
            end(site.process)
    return rows


def measure() -> Iterator[Row]:
    """Of the size that is asked for."""
    yield from asyncio.run(run(Size()))


if __name__ == "__main__":
    main("benchmarks.scale", measure, private=False)
