"""Memory of the real daemons: an agent with 500 routers in its kernel, a controller with 10,000 ports in its store.

The baseline is a Python process that has imported the same code and does nothing. The agent is killed then and started
again, and it is measured how soon all its routers are in sync.
"""

import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import scenario
from benchmarks.client import Client
from benchmarks.controller import NotStartedError, appears, controller, cpu, end, resident, resident_mib, start
from benchmarks.report import Row, main, say
from onehop.agent.call import call
from onehop.agent.localcopy import LocalCopy
from onehop.agent.request import StatusAnswer, StatusRequest
from onehop.kernel.linux import KNOWN

ROUTERS = 500
PORTS = 10_000
AT_ONCE = 500
RESTART_S = 10.0
LOOK_S = 10
"""Seconds between two looks at everything. With the first the agent writes down what rulesets read like."""


def imported(*modules: str) -> float:
    """MiB of a process that has imported modules and nothing else."""
    code = f"import {', '.join(modules)}; print(open('/proc/self/status').read())"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return resident(printed)


def agent() -> Iterator[Row]:
    """The agent comes up from its local copy and makes everything, and once more when it is there; no controller is."""
    say(f"memory of an agent with {ROUTERS} routers: it builds them from its local copy")
    with tempfile.TemporaryDirectory(prefix="onehop-bench-") as folder:
        place = Path(folder)
        (place / "state").mkdir()
        view = scenario.view(ROUTERS)
        LocalCopy(place / "state", scenario.HERE).snapshot(view.revision, list(view))
        config = place / "agent.toml"
        config.write_text(
            f'host = "{scenario.HERE}"\ncontroller = "127.0.0.1:9"\nvtep = "192.0.2.1"\nlog_level = "error"\n'
            f'state_dir = "{place}/state"\nrun_dir = "{place}/run"\nobserve_seconds = {LOOK_S}\n'
        )
        process = start("agent", "--config", str(config))
        try:
            settled(place / "run", process)
            base = imported("onehop.agent.daemon", "onehop.kernel.linux")
            yield row(f"memory: agent with {ROUTERS} routers", resident_mib(process.pid), base, 150)
            say("once it has looked at everything, the agent is killed and started again")
            appears(place / "run" / KNOWN, process)
            process.kill()
            process.wait()
            (place / "run/agent.sock").unlink(missing_ok=True)
            begin = time.perf_counter()
            process = start("agent", "--config", str(config))
            settled(place / "run", process)
            took, used = time.perf_counter() - begin, cpu(process.pid)
        finally:
            end(process)
    what = f"an agent with {ROUTERS} routers is killed and started: all in sync after"
    yield Row(what=what, value=took, unit="s", reach=f"≤ {RESTART_S:g} s", met=took <= RESTART_S)
    yield Row(what=f"an agent with {ROUTERS} routers is killed and started: CPU of the agent", value=used, unit="s")


def settled(run_dir: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until every router is ACTIVE."""
    appears(run_dir / "agent.sock", process)
    while call(run_dir, StatusRequest(), StatusAnswer).resources.get("router", {}).get("ACTIVE", 0) < ROUTERS:
        if process.poll() is not None:
            raise NotStartedError("the agent ended; its words are above")
        select.select([], [], [], 0.1)


def of_controller() -> Row:
    """The controller that made the ports, in bulk."""
    say(f"memory of a controller with {PORTS:,} ports: making them")
    with controller() as (address, pid), closing(Client(address)) as client:
        network = client.network()
        for _ in range(PORTS // AT_ONCE):
            client.ports(network, AT_ONCE)
        assert len(client.call("GET", "ports?fields=id")["ports"]) == PORTS
        used = resident_mib(pid)
    return row(f"memory: controller with {PORTS:,} ports", used, imported("onehop.controller.daemon"), 300)


def row(what: str, used: float, base: float, reach: int) -> Row:
    """One line."""
    met = used <= reach / 1.048576
    return Row(what=what, value=used, unit="MiB", baseline=base, ratio=used / base, reach=f"≤ {reach} MB", met=met)


def measure() -> Iterator[Row]:
    """Both."""
    yield of_controller()
    yield from agent()


if __name__ == "__main__":
    main("benchmarks.memory", measure)
