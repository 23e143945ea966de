"""One controller with 1,000 agents (real protocol, no kernel) and 20,000 ports: what a change costs, and a storm.

Agents and their TLS run in this process, beside the controller on the same CPUs. Nearly all ports are on networks of
20 ports on four hosts each; the others on networks that span 1 to 500 hosts, a port on each host.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.client import Client
from benchmarks.controller import LIMIT_S, ONEHOP, appears, end, resident_mib, start
from benchmarks.receivers import Fleet, Receiver
from benchmarks.report import Row, main, say
from onehop import __version__
from onehop.agent import credential
from onehop.controller import pki
from onehop.net.identifier import HostName
from onehop.store import Store

CLUSTER, SMALL = 4, 20
AT_ONCE = 500
STORM_SECONDS = 60.0
GATEWAYS = 2
WIDE = 500


class Size(msgspec.Struct, frozen=True):
    """How large.

    Attributes:
        hosts, ports: how many.
        spans: how many hosts the wide networks span; each has hosts of its own.
        changes: how often each change is measured.
        idle: seconds in which nothing happens, to know what that costs.
        limit: seconds after which something does not happen any more.
        reconnect: longest wait of agents between two calls, in seconds.
    """

    hosts: int = 1000
    ports: int = 20_000
    spans: tuple[int, ...] = (1, 10, 50, 100, 250, 500)
    changes: int = 10
    idle: float = 5.0
    limit: float = 300.0
    reconnect: float = 10.0


class Site:
    """A controller that can be killed and started again, with its hosts."""

    def __init__(self, place: Path, size: Size) -> None:
        self.place = place
        self.size = size
        self.hosts = [f"host-{number}" for number in range(1, size.hosts + 1)]
        self.fleet = Fleet(size.reconnect)
        (place / "controller.toml").write_text(
            f'database_url = "sqlite:///{place}/store.sqlite"\nstate_dir = "{place}/state"\npki_dir = "{place}/pki"\n'
            'api_listen = "127.0.0.1:0"\nstream_listen = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n'
            'physical_networks = ["external"]\nlog_level = "error"\n'
        )
        words = [*ONEHOP, "pki", "init", "--config", str(place / "controller.toml")]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        self.process: subprocess.Popen[bytes] | None = None
        self.api = 0

    @property
    def pid(self) -> int:
        """Of the controller."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the controller, and let agents know where it is."""
        ready = self.place / "state/controller.json"
        ready.unlink(missing_ok=True)
        self.process = start("controller", "--config", str(self.place / "controller.toml"))
        appears(ready, self.process)
        where = json.loads(ready.read_text())
        self.api, self.fleet.address = int(where["api"].rpartition(":")[2]), where["stream"]

    def kill(self) -> None:
        """End the controller as a power failure does."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(LIMIT_S)

    def enrol(self) -> None:
        """Give every host its certificate, and the controller what its agent will say."""
        key = ec.generate_private_key(ec.SECP256R1())
        asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        request = asked.public_bytes(serialization.Encoding.PEM)
        with closing(Store.open(f"sqlite:///{self.place}/store.sqlite")) as store, store.write() as tx:
            for number, name in enumerate(self.hosts, 1):
                gateway = number > len(self.hosts) - GATEWAYS
                certificate = pki.sign_host(self.place / "pki", HostName(name), request)
                folder = self.place / name
                folder.mkdir()
                (folder / credential.KEY).write_bytes(pki.private_pem(key))
                (folder / credential.CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
                (folder / credential.AUTHORITY).symlink_to(self.place / "pki" / pki.CA_CERTIFICATE)
                reached = ["external"] if gateway else []
                tx.add_host(name, gateway_host=gateway, physical_networks=reached)
                tx.add_certificate(name, pki.serial_of(certificate), certificate.not_valid_after_utc.timestamp())
                self.fleet.add(name, folder, gateway)
                tx.open_session(
                    name,
                    vtep=self.fleet.receivers[-1].vtep,
                    underlay_mtu=1500,
                    physical_networks=reached,
                    details={"version": __version__, "gateway_host": gateway},
                )

    def populate(self) -> dict[int, str]:
        """Make all networks and ports; span → the network that has it."""
        wide: dict[int, str] = {}
        with closing(Client(self.api)) as client:
            begin, left = 0, self.size.ports
            for span in sorted(self.size.spans, reverse=True):
                wide[span] = client.network()
                ports(client, [(wide[span], host) for host in self.hosts[begin : begin + span]])
                begin, left = begin + span, left - span
            at: list[tuple[str, str]] = []
            for number in range(left // SMALL):
                network, first = client.network(), number * CLUSTER % len(self.hosts)
                at += [(network, self.hosts[(first + n % CLUSTER) % len(self.hosts)]) for n in range(SMALL)]
            ports(client, at)
        return wide

    def revision(self) -> int:
        """The newest."""
        with closing(Store.open(f"sqlite:///{self.place}/store.sqlite")) as store:
            return store.revision()

    def of(self, span: int) -> list[Receiver]:
        """The agents of the network that spans so many hosts."""
        wider = sum(other for other in self.size.spans if other > span)
        return self.fleet.receivers[wider : wider + span]


def ports(client: Client, at: Sequence[tuple[str, str]]) -> None:
    """Make bound ports, many in one request."""
    for begin in range(0, len(at), AT_ONCE):
        made = [{"network_id": network, "binding:host_id": host} for network, host in at[begin : begin + AT_ONCE]]
        client.call("POST", "ports", {"ports": made})


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
            body = {"port": {"network_id": network, "binding:host_id": hearing[0].host}}
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
