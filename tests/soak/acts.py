"""What a soak does to a world: operations through the API, and faults. Each says what it did and leaves it whole.

While a fault lasts, questions that do not need what is broken are asked of real packets: they must be answered as the
model said before. After it everything must be as the model says.
"""

import random
from collections.abc import Callable, Sequence

from onehop.errors import ApiError
from onehop.lab import fabric, power
from tests.dataplane.north import North, drain
from tests.soak.probes import Probe, Probes, Wrong

HOSTS = ("host-1", "host-2", "host-3")
GATEWAYS = ("host-1", "host-2")
SAMPLE = 10
AGREE = 5.0
"""Seconds after which all must be as the model says: a lost owner is replaced in 3.3 at most."""

DRAIN = 60.0
"""Seconds that draining may take on a busy machine."""

Result = tuple[str, list[Wrong]]


class Acts:
    """Everything that may be done.

    Args:
        north: the world.
        chance: of what is done, and to whom; questions have a chance of their own.
        probes: asked while faults last.
    """

    def __init__(self, north: North, chance: random.Random, probes: Probes) -> None:
        self._north = north
        self._chance = chance
        self._probes = probes
        self._directory = north.site.directory
        self._drained = ""
        self.all: list[Callable[[], Result]] = [
            self.associate,
            self.switch_port,
            self.switch_snat,
            self.move,
            self.extra_route,
            self.drain,
            self.kill_agent,
            self.kill_controller,
            self.drift_routes,
            self.drift_rules,
            self.drift_link,
            self.cut_underlay,
            self.cut_external,
            self.power,
        ]

    # operations

    def associate(self) -> Result:
        """A floating IP leads to another instance, or nowhere."""
        letter = self._chance.choice(sorted(self._north.floating))
        free = [name for name in self._north.boxes if name.endswith("2")]
        target = self._chance.choice([None, letter, self._chance.choice(free)])
        port = None if target is None else self._north.boxes[target].port
        try:
            self._north.associate(self._north.floating[letter], port)
        except ApiError as error:
            return f"floating IP {letter} to {target}: refused ({error.status})", []
        return f"floating IP {letter} to {target}", []

    def switch_port(self) -> Result:
        """A port is switched off, and on again."""
        name = self._chance.choice(sorted(self._north.boxes))
        self._put("ports", self._north.boxes[name].port, admin_state_up=False)
        try:
            self._north.site.wait()
            return f"port {name} off", self._probes.settle(self._probes.choose(SAMPLE), AGREE, anew=True)[1]
        finally:
            self._put("ports", self._north.boxes[name].port, admin_state_up=True)

    def switch_snat(self) -> Result:
        """The router translates, or does not."""
        on = self._chance.random() < 0.7
        info = {"network_id": self._north.ext.id, "enable_snat": on}
        self._put("routers", self._north.router_id, external_gateway_info=info)
        self._probes.translated = on
        return f"translation {'on' if on else 'off'}", []

    def extra_route(self) -> Result:
        """The router has another route, or none."""
        nexthop = self._north.boxes[self._chance.choice(("a", "b", "c"))].v4
        routes = self._chance.choice([[], [{"destination": "198.18.0.0/24", "nexthop": nexthop}]])
        self._put("routers", self._north.router_id, routes=routes)
        return f"{len(routes)} extra routes", []

    def move(self) -> Result:
        """An instance moves."""
        name, host = self._chance.choice(sorted(self._north.boxes)), self._chance.choice(HOSTS)
        box = self._north.boxes[name]
        if box.host == host:
            return f"{name} stays on {host}", []
        self._north.move(box, host)
        self._north.boxes[name] = type(box)(**{**vars(box), "host": host})
        return f"{name} moves to {host}", []

    def drain(self) -> Result:
        """A gateway host is drained, or the last one no more."""
        host, self._drained = self._drained, ""
        if host:
            drain(self._north.site, host, undo=True, limit=DRAIN)
            return f"{host} is drained no more", []
        self._drained = self._chance.choice(GATEWAYS)
        drain(self._north.site, self._drained, limit=DRAIN)
        return f"{self._drained} is drained", []

    # faults

    def kill_agent(self) -> Result:
        """An agent is killed and started again."""
        host = self._chance.choice(HOSTS)
        return f"agent of {host} killed", self._meanwhile(
            lambda: power.agent(self._directory, host, "kill"), lambda: power.agent(self._directory, host, "start")
        )

    def kill_controller(self) -> Result:
        """The controller is killed and started again."""
        return "controller killed", self._meanwhile(
            lambda: power.controller(self._directory, "kill"), lambda: power.controller(self._directory, "start")
        )

    def drift_routes(self) -> Result:
        """Somebody deletes our routes in a router."""
        host = self._chance.choice(HOSTS)
        self._run(host, "ip", "-n", f"qrouter-{self._north.router_id}", "route", "flush", "proto", "111")
        return f"routes of {host} deleted by hand", []

    def drift_rules(self) -> Result:
        """Somebody deletes the tables of a router."""
        host, namespace = self._chance.choice(HOSTS), f"qrouter-{self._north.router_id}"
        self._run(host, "ip", "netns", "exec", namespace, "nft", "flush", "ruleset")
        return f"tables of {host} deleted by hand", []

    def drift_link(self) -> Result:
        """Somebody deletes a tunnel."""
        host, net = self._chance.choice(HOSTS), self._chance.choice((self._north.red, self._north.blue))
        self._run(host, "ip", "link", "delete", net.vxlan)
        return f"{net.vxlan} of {host} deleted by hand", []

    def cut_underlay(self) -> Result:
        """A host without gateway loses its cable to the others."""
        return self._cut("host-3", "underlay")

    def cut_external(self) -> Result:
        """A gateway host loses its way outside."""
        return self._cut(self._chance.choice(GATEWAYS), "external")

    def _cut(self, host: str, switch: str) -> Result:
        return f"{switch} of {host} unplugged", self._meanwhile(
            lambda: fabric.cut(self._directory, host, switch), lambda: fabric.mend(self._directory, host, switch), host
        )

    def power(self) -> Result:
        """A host loses its power and gets it back."""
        host = self._chance.choice(HOSTS)
        return f"{host} without power", self._meanwhile(
            lambda: power.stop_host(self._directory, host), lambda: self._north.power_on(host), host
        )

    # inside

    def _meanwhile(self, breaks: Callable[[], object], mends: Callable[[], object], broken: str = "") -> list[Wrong]:
        """Ask what does not need the broken host; what leads outside by another owner may take its time."""
        chosen = self._unconcerned(self._probes.choose(SAMPLE), broken)
        breaks()
        try:
            return self._probes.settle(chosen, AGREE if broken else 0.0, anew=False)[1]
        finally:
            mends()

    @staticmethod
    def _unconcerned(probes: Sequence[Probe], broken: str) -> list[Probe]:
        return [probe for probe in probes if broken not in probe.hosts]

    def _put(self, plural: str, id: str, **values: object) -> None:
        self._north.client.put(f"/v2.0/{plural}/{id}", {plural.removesuffix("s"): values})

    def _run(self, host: str, *command: str) -> None:
        """By hand, so it does not matter whether there was anything to delete."""
        self._north.site.result(host, *command)
