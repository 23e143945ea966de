"""The store is restored under hosts that carry out a later one: they come back to it, and what both have goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onehop.agent.worker import REPLACED
from onehop.lab import power
from onehop.lab.prober import probing
from tests.dataplane.north import North, north_world
from tests.dataplane.owning import answerers, holds, other_than
from tests.dataplane.site import Site, until
from tests.dataplane_north.echo import ping

pytestmark = pytest.mark.slow
LIMIT = 20


@pytest.fixture
def north() -> Iterator[North]:
    with north_world(f"backup-{os.getpid()}") as made:
        yield made


def _db(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """`onehop db`, as an operator types it."""
    config = str(site.directory.controller / "controller.toml")
    command = [sys.executable, "-m", "onehop", "db", *words, "--config", config]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_hosts_come_back_to_a_store_that_was_restored_and_what_both_know_loses_nothing(
    north: North, tmp_path: Path
) -> None:
    site, owner = north.site, north.owner
    heir, backup = other_than(owner), str(tmp_path / "backup")
    kept = _db(site, "backup", backup)
    assert kept.returncode == 0, kept.stderr

    # What the backup knows nothing of: an address of an instance, and that another host owns the router.
    since = north.floating_ip(north.boxes["a2"].port)
    published = str(since["floating_ip_address"])
    assert north.becomes(since, "ACTIVE")
    assert until(lambda: ping(north.at("outside"), published) == published, LIMIT)
    north.drain(owner)
    assert until(lambda: holds(north, heir, north.gateway), LIMIT)

    assert "stop every controller" in _db(site, "restore", backup, "--replace").stderr
    a, c = north.boxes["a"], north.boxes["c"]
    with probing(site.directory, a.name, c.name, c.v4) as probes:
        power.controller(site.directory, "stop")
        restored = _db(site, "restore", backup, "--replace")
        assert restored.returncode == 0, restored.stderr
        power.controller(site.directory, "start")
        north.ready()
        assert north.owner == owner
        assert until(lambda: holds(north, owner, north.gateway) and not holds(north, heir, north.gateway), LIMIT)
        assert until(lambda: not any(holds(north, host, published) for host in site.hosts), LIMIT)
        probes.settle()
    assert probes.result.lost == 0
    assert len(answerers(north, north.gateway)) == 1
    for name in "abc":
        assert until(lambda name=name: ping(north.at("outside"), north.ip(name)) == north.ip(name), LIMIT)
    assert REPLACED in (site.directory.host(owner) / "agent.log").read_text()
