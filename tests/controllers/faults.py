"""What is broken, in an order that a seed decides, and when it is mended again."""

import http.client
import random
import signal
import time
from collections.abc import Callable

from tests.controllers.clients import RefusedError, call
from tests.controllers.cluster import Cluster
from tests.controllers.followers import Followers
from tests.controllers.history import History

LIMIT = 12.0
"""Seconds that a fault lasts at most, where nothing gets on meanwhile."""

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"


class Faults:
    """Breaks and mends; at least one controller runs at any time.

    Args:
        seed: of the order.
        cluster: what is broken.
        agents: whose connections are.
        gateways: ids of the gateway hosts' agents in the API; one of them is drained now and then.
        history: how far the clients are: faults last for some operations.
    """

    def __init__(
        self, seed: str, cluster: Cluster, agents: Followers, gateways: dict[str, str], history: History
    ) -> None:
        self.done: list[str] = []
        self._chance = random.Random(f"{seed}/faults")
        self._cluster = cluster
        self._agents = agents
        self._gateways = gateways
        self._drained = ""
        self._history = history
        self._kinds: list[Callable[[], str]] = [
            self._kill,
            self._pause,
            self._restart_database,
            self._crash_database,
            self._fail_over_database,
            self._cut_database,
            self._cut_agents,
            self._restart_agent,
            self._drain,
        ]

    def run(self, seconds: float) -> None:
        """Each kind of fault once, in some order, and again in others until so many seconds are over.

        After each one some agents lose their connection too: they meet controllers that have known them before.
        """
        deadline = time.monotonic() + seconds
        todo: list[Callable[[], str]] = self._chance.sample(self._kinds, len(self._kinds))
        while todo or time.monotonic() < deadline:
            todo = todo or self._chance.sample(self._kinds, len(self._kinds))
            fault, began = todo.pop(), time.monotonic()
            what = fault()
            mended = time.monotonic()
            self._wait(5, 15)
            self._cut_agents()
            self._wait(5, 15)
            self.done.append(f"{what}: {mended - began:.1f} s, and then {time.monotonic() - mended:.1f} s")
            if mended > deadline and len(self.done) >= len(self._kinds):
                return

    def _wait(self, least: int, most: int) -> None:
        self._history.goes_on(self._chance.randint(least, most), LIMIT)

    def _kill(self) -> str:
        controller = self._chance.choice(self._cluster.controllers)
        controller.kill()
        self._wait(10, 25)
        controller.start()
        controller.until_ready()
        return f"kill controller {controller.number}"

    def _pause(self) -> str:
        controller = self._chance.choice(self._cluster.controllers)
        controller.pause()
        self._wait(15, 40)
        controller.resume()
        return f"pause controller {controller.number}"

    def _restart_database(self) -> str:
        self._cluster.postgres.stop(signal.SIGINT)
        self._cluster.postgres.start()
        return "restart the database"

    def _crash_database(self) -> str:
        self._cluster.postgres.stop(signal.SIGQUIT)
        self._cluster.postgres.start()
        return "crash the database"

    def _fail_over_database(self) -> str:
        self._cluster.postgres.fail_over()
        return "fail the database over"

    def _cut_database(self) -> str:
        self._cluster.postgres.ask(CUT)
        return "cut every connection to the database"

    def _cut_agents(self) -> str:
        found = self._chance.sample(list(self._agents.all), len(self._agents.all) // 2)
        for follower in found:
            self._agents.cut(follower)
        return f"cut {' '.join(follower.host for follower in found)}"

    def _restart_agent(self) -> str:
        follower = self._chance.choice(list(self._agents.all))
        self._agents.restart(follower)
        return f"restart the agent of {follower.host}"

    def _drain(self) -> str:
        """Drain a gateway host and take back the last drain; no matter whether that succeeds."""
        drained = self._chance.choice(sorted(self._gateways))
        for host, up in ((self._drained, True), (drained, False)):
            if host:
                try:
                    api = self._chance.choice(self._cluster.controllers).api
                    call(api, "PUT", f"agents/{self._gateways[host]}", {"agent": {"admin_state_up": up}})
                except (OSError, http.client.HTTPException, RefusedError) as error:
                    return f"drain {drained}: no answer ({error})"
        self._drained = drained
        return f"drain {drained}"
