"""A lab as the tests use it: commands inside its namespaces, and resources through its API, removed again."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from onehop.client import Client
from onehop.errors import ApiError
from onehop.lab import build, instance, plan, wait
from onehop.lab import move as migration
from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import Directory

T = TypeVar("T")

_numbers = count(1)


def until(condition: Callable[[], T], limit: float = 5) -> T:
    """Wait until `condition` returns something true, and return it; the last value after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not (value := condition()) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return value


@dataclass(frozen=True)
class Net:
    """A network with an IPv4 and an IPv6 subnet."""

    id: str
    v4: dict[str, Any]
    v6: dict[str, Any]
    mtu: int
    vni: int | None

    @property
    def bridge(self) -> str:
        return "brq" + self.id[:11]

    @property
    def vxlan(self) -> str:
        return f"vxlan-{self.vni}"


@dataclass(frozen=True)
class Box:
    """An instance."""

    name: str
    port: str
    host: str
    net: Net
    mac: str
    v4: str
    v6: str

    def address(self, family: int) -> str:
        return self.v4 if family == 4 else self.v6


@dataclass(frozen=True)
class Site:
    """A lab."""

    directory: Directory
    client: Client

    @property
    def hosts(self) -> list[str]:
        return list(self.directory.read().hosts)

    def inside(self, name: str, work: Callable[[], T]) -> T:
        """Call `work` in a thread inside an instance, a host, upstream or outside."""
        pins, netns = target(self.directory, self.directory.read(), name)
        return inside(pins, work, netns)

    def run(self, name: str, *command: str, limit: float = 60, check: bool = True) -> str:
        """Run a command inside and return its output."""
        done = self.result(name, *command, limit=limit)
        assert not check or done.returncode == 0, f"{command} in {name}: {done.stdout}{done.stderr}"
        return done.stdout

    def result(self, name: str, *command: str, limit: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return self.inside(
            name,
            lambda: subprocess.run(command, text=True, capture_output=True, timeout=limit, check=False),
        )

    @contextmanager
    def running(self, name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs inside meanwhile; ended afterwards."""
        process = self.inside(
            name,
            lambda: subprocess.Popen(
                command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ),
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def namespaces(self, host: str) -> set[str]:
        """Names in a host's ``/run/netns``."""
        return {line.split()[0] for line in self.run(host, "ip", "netns").splitlines() if line}

    def links(self, host: str) -> set[str]:
        """Names of a host's links."""
        lines = self.run(host, "ip", "-o", "link").splitlines()
        return {line.split(":")[1].strip().partition("@")[0] for line in lines}

    def wait(self, limit: float = 60) -> None:
        """Until every running agent has applied the newest revision."""
        wait.wait(self.directory, limit)

    def down(self) -> None:
        """Remove the lab."""
        self.client.close()
        build.down(self.directory)

    # --- asserting what passes and what does not

    def ping(self, source: Box | str, address: str, *options: str, answers: int = 1) -> str:
        """Ping until `answers` came (at most a few seconds); fails without."""
        name = source if isinstance(source, str) else source.name
        done = self.result(name, "ping", "-n", "-c", str(answers), "-i", "0.02", "-W", "2", *options, address)
        assert done.returncode == 0, f"{name} gets no answer from {address}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def no_ping(self, source: Box | str, address: str, *options: str) -> None:
        """Fails if anything answers."""
        name = source if isinstance(source, str) else source.name
        done = self.result(name, "ping", "-n", "-c", "3", "-i", "0.1", "-W", "0.3", *options, address)
        received = re.search(r"(\d+) received", done.stdout)
        assert received is None or received[1] == "0", f"{name} reaches {address}, which it must not:\n{done.stdout}"

    def ttl(self, source: Box, address: str) -> int:
        """TTL or hop limit with which an answer of `address` arrives."""
        found = re.search(r"(?:ttl|hlim)=(\d+)", self.ping(source, address))
        assert found is not None
        return int(found[1])


@dataclass
class World:
    """What one test, or one module of them, makes through the API; `close` removes all of it."""

    site: Site
    client: Client
    prefix: str = "t"
    _open: str | None = None
    _undo: list[Callable[[], object]] = field(default_factory=list)
    _paths: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Remove everything, last first; goes on where something is gone already."""
        errors = []
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as error:  # noqa: BLE001 - collected: the rest must go too
                errors.append(error)
        assert not errors, errors

    def _create(self, resource: str, **attributes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.client.post(f"/v2.0/{resource}s", {resource: attributes})[resource]
        path = f"/v2.0/{resource}s/{made['id']}"
        self._undo.append(lambda: self._delete(path))
        return made

    def _delete(self, path: str) -> None:
        try:
            self.site.client.delete(path)
        except ApiError as error:
            if error.status != 404:
                raise

    def afterwards(self, undo: Callable[[], object]) -> None:
        """Do something before what was made so far is removed."""
        self._undo.append(undo)

    def network(
        self, v4: str | None = None, v6: str | None = None, advertised: str | None = None, **attributes: Any
    ) -> Net:
        """A network with a subnet of each IP version; that of IPv6 `advertised` in a mode such as slaac."""
        number = next(_numbers)
        made = self._create("network", name=f"{self.prefix}-{number}", **attributes)
        made = self.site.client.get(f"/v2.0/networks/{made['id']}")["network"]
        four = self.subnet(made["id"], v4 or f"10.{number // 250}.{number % 250}.0/24")
        modes = {"ipv6_ra_mode": advertised, "ipv6_address_mode": advertised} if advertised else {}
        six = self.subnet(made["id"], v6 or f"fd00:{number:x}::/64", **modes)
        return Net(made["id"], four, six, made["mtu"], made["provider:segmentation_id"])

    def external(self) -> Net:
        """The lab's external network, as its administrator makes it."""
        return self.network(
            str(plan.EXTERNAL),
            str(plan.EXTERNAL_V6),
            **{
                "router:external": True,
                "provider:network_type": "flat",
                "provider:physical_network": plan.PHYSICAL_NETWORK,
            },
        )

    def subnet(self, network: str, cidr: str, **attributes: Any) -> dict[str, Any]:
        """A subnet."""
        return self._create("subnet", network_id=network, cidr=cidr, ip_version=6 if ":" in cidr else 4, **attributes)

    def floating_ip_on(self, external: Net, port: str) -> dict[str, Any]:
        """A floating IP that leads to a port."""
        return self._create("floatingip", floating_network_id=external.id, port_id=port)

    def router(self, *nets: Net, **attributes: Any) -> str:
        """A router with an interface on both subnets of each network."""
        router: str = self._create("router", name=f"{self.prefix}-router", **attributes)["id"]
        for net in nets:
            for subnet in (net.v4, net.v6):
                self.join(router, subnet_id=subnet["id"])
        return router

    def join(self, router: str, **what: str) -> None:
        """An interface of a router, by subnet or by port."""
        self.client.put(f"/v2.0/routers/{router}/add_router_interface", what)
        self._undo.append(lambda: self._leave(router, what))

    def _leave(self, router: str, what: dict[str, str]) -> None:
        try:
            self.site.client.put(f"/v2.0/routers/{router}/remove_router_interface", what)
        except ApiError as error:
            if error.status != 404:
                raise

    def port(self, net: Net, **attributes: Any) -> dict[str, Any]:
        """A port with an address of each IP version."""
        fixed = attributes.pop("fixed_ips", [{"subnet_id": net.v4["id"]}, {"subnet_id": net.v6["id"]}])
        if attributes.get("port_security_enabled", True):
            attributes.setdefault("security_groups", [self.open_group()])
        return self._create("port", network_id=net.id, fixed_ips=fixed, **attributes)

    def open_group(self) -> str:
        """A security group that lets everything in; made once."""
        if self._open is None:
            group = self.client.post("/v2.0/security-groups", {"security_group": {"name": "open"}})["security_group"]
            for version in ("IPv4", "IPv6"):
                rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": version}
                self.client.post("/v2.0/security-group-rules", {"security_group_rule": rule})
            self._open = str(group["id"])
            # Ports go first, whenever they were made.
            self._undo.insert(0, lambda: self._delete(f"/v2.0/security-groups/{group['id']}"))
        return self._open

    def instance(self, net: Net, host: str, name: str | None = None, **attributes: Any) -> Box:
        """Boot an instance that every other may talk to: the one place that opens what instances need."""
        return self.instance_of(net, host, self.port(net, **attributes), name)

    def instance_of(self, net: Net, host: str, port: dict[str, Any], name: str | None = None) -> Box:
        """Boot an instance of a port that was made before, with two addresses."""
        box = Box(
            name or f"i{next(_numbers)}",
            port["id"],
            host,
            net,
            port["mac_address"],
            *(item["ip_address"] for item in port["fixed_ips"]),
        )
        instance.boot(self.site.directory, box.name, box.port, host)
        self._undo.append(lambda: self.gone(box))
        return box

    def gone(self, box: Box) -> None:
        """Delete an instance, where it still is."""
        if box.name in self.site.directory.read().instances:
            instance.delete(self.site.directory, box.name)

    def move(self, box: Box, host: str) -> None:
        """Move an instance."""
        migration.move(self.site.directory, box.name, host)


@contextmanager
def settled(site: Site) -> Iterator[World]:
    """A world; what an earlier test left stopped is started."""
    build.up(site.directory, print)
    made = World(site, site.client)
    try:
        yield made
    finally:
        made.close()
