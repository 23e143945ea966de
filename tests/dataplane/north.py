"""The world of the tests of walks 3 to 8: a lab with one host that has no external leg, and a router with a gateway."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from onehop.client import Client
from onehop.lab import build, power
from onehop.lab.state import Directory
from tests.dataplane.site import Box, Site, World, until
from tests.dataplane_north.echo import Echo

T = TypeVar("T")

SLACK = 0.7
"""Seconds: what a machine that is busy with other things may add to the time of a hand-over."""
DETECTION = 3.0


class Spot:
    """An instance, a host, upstream or outside, as the questions of `tests.dataplane_north.echo` take it."""

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name

    def inside(self, work: Callable[[], T]) -> T:
        """Do something in there; sockets that it opens stay in there."""
        return self._site.inside(self._name, work)


class North(World):
    """A router with a gateway, and on each host an instance with a floating IP and one without."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, site.client, "n")
        self.echo = Echo()
        self.floating: dict[str, dict[str, Any]] = {}
        try:
            self.ext = self.external()
            self.red, self.blue = self.network(), self.network()
            self.router_id = self.router(self.red, self.blue)
            gateway = {"external_gateway_info": {"network_id": self.ext.id}}
            self.client.put(f"/v2.0/routers/{self.router_id}", {"router": gateway})
            self._undo.append(self._clear)
            self.boxes: dict[str, Box] = {}
            for number, letter in enumerate("abc", 1):
                for name, net in ((letter, self.red), (letter + "2", self.blue)):
                    self.boxes[name] = self.instance(net, f"host-{number}")
                    self.echo.serve(self.at(name))
                self.floating[letter] = self.floating_ip(self.boxes[letter].port)
            self.echo.serve(self.at("outside"))
            self.ready()
        except BaseException:
            self.close()
            raise

    def _clear(self) -> None:
        self.client.put(f"/v2.0/routers/{self.router_id}", {"router": {"external_gateway_info": {}, "routes": []}})

    def restore(self) -> None:
        """Start whatever a test stopped, and wait until all is as it should be."""
        for name, host in self.site.directory.read().hosts.items():
            if not host.running:
                self.power_on(name)
        build.up(self.site.directory, print, 3, 2, 1)
        self.ready()

    def close(self) -> None:
        """Remove everything."""
        self.echo.close()
        super().close()

    # --- names

    def at(self, name: str) -> Any:
        """A place by name: an instance's letter, a host, upstream or outside."""
        return self.spot(self.boxes[name].name if name in self.boxes else name)

    def spot(self, name: str) -> Any:
        """A place by the lab's name."""
        return Spot(self.site, name)

    def name(self, name: str) -> str:
        """The lab's name of an instance."""
        return self.boxes[name].name

    def ip(self, name: str) -> str:
        """The floating IP of an instance."""
        return str(self.floating[name]["floating_ip_address"])

    # --- the API

    def floating_ip(self, port: str | None = None, fixed: str | None = None) -> dict[str, Any]:
        """A floating IP, of a port's first address or of `fixed`."""
        which = {} if fixed is None else {"fixed_ip_address": fixed}
        return self._create("floatingip", floating_network_id=self.ext.id, port_id=port, **which)

    def associate(self, floating: dict[str, Any], port: str | None) -> None:
        """Lead a floating IP elsewhere, or nowhere."""
        self.client.put(f"/v2.0/floatingips/{floating['id']}", {"floatingip": {"port_id": port}})

    def status(self, floating: dict[str, Any]) -> str:
        """A floating IP's status."""
        return str(self.client.get(f"/v2.0/floatingips/{floating['id']}")["floatingip"]["status"])

    def becomes(self, floating: dict[str, Any], status: str, limit: float = 5) -> bool:
        """Whether a floating IP gets a status in time."""
        return until(lambda: self.status(floating) == status, limit)

    def ready(self) -> None:
        """Wait until every host is in sync and what leads somewhere is ACTIVE."""
        self.site.wait()
        for floating in self.floating.values():
            assert self.becomes(floating, "ACTIVE"), self.client.get(f"/v2.0/floatingips/{floating['id']}")

    def shown(self) -> dict[str, Any]:
        """The router."""
        found: dict[str, Any] = self.client.get(f"/v2.0/routers/{self.router_id}")["router"]
        return found

    @property
    def gateway(self) -> str:
        """The router's external IPv4 address."""
        ips = self.shown()["external_gateway_info"]["external_fixed_ips"]
        return next(str(ip["ip_address"]) for ip in ips if "." in ip["ip_address"])

    @property
    def owner(self) -> str:
        """The host that owns it."""
        return next(str(host["host"]) for host in self.shown()["gateway_hosts"] if host["owner"])

    def power_on(self, host: str) -> None:
        """Give a host its power back; its instances serve again."""
        power.start_host(self.site.directory, host)
        for name, box in self.boxes.items():
            if box.host == host:
                self.echo.serve(self.at(name))

    @contextmanager
    def known_outside(self) -> Iterator[None]:
        """Upstream knows the way to a subnet of the router meanwhile, as a provider's router would."""
        ips = self.shown()["external_gateway_info"]["external_fixed_ips"]
        router = next(str(ip["ip_address"]) for ip in ips if ":" in ip["ip_address"])
        self.site.run("upstream", "ip", "route", "replace", self.red.v6["cidr"], "via", router)
        try:
            yield
        finally:
            self.site.run("upstream", "ip", "route", "del", self.red.v6["cidr"])

    def drain(self, host: str, undo: bool = False) -> None:
        """`onehop host drain`, as an operator types it."""
        drain(self.site, host, undo)


def drain(site: Site, host: str, undo: bool = False, limit: float = 20) -> None:
    """`onehop host drain`, as an operator types it."""
    config = site.directory.controller / "controller.toml"
    command = [sys.executable, "-m", "onehop", "host", "drain", host, "--config", str(config)]
    subprocess.run([*command, *(["--undo"] if undo else [])], check=True, capture_output=True, timeout=limit)


@contextmanager
def north_site(name: str) -> Iterator[Site]:
    """A lab of three hosts, of which the last has no external leg."""
    directory = Directory(name)
    build.up(directory, print, 3, 2, 1)
    here = Site(directory, Client(directory.endpoint))
    try:
        yield here
    finally:
        here.down()


@contextmanager
def north_world(name: str) -> Iterator[North]:
    """A `North` in such a lab of its own."""
    with north_site(name) as site:
        made = North(site)
        try:
            yield made
        finally:
            made.close()
