"""`onehop audit` on a lab with something in it: nothing to find, on any host, and it finds what is done to one."""

import json
import sys
from typing import Any

from tests.dataplane.site import Site, World, until


def _audited(site: Site, host: str) -> dict[str, Any]:
    """What the audit of a host and the controller says."""
    configs = (
        ("--controller", site.directory.controller / "controller.toml"),
        ("--agent", site.directory.host(host) / "agent.toml"),
    )
    words = [str(word) for pair in configs for word in pair]
    done = site.result(host, sys.executable, "-m", "onehop", "audit", "--json", *words)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if found["findings"] else 0), done.stderr
    return found


def _clean(site: Site, host: str) -> dict[str, Any] | None:
    document = _audited(site, host)
    return None if _findings(document) else document


def _findings(document: dict[str, Any]) -> list[str]:
    return [f"{r['where']}, {r['check']}: {r['result']}" for r in document["results"] if r["state"] == "finding"]


def test_the_audit_of_every_host_of_a_lab_is_clean_and_finds_what_is_done_to_one(site: Site, world: World) -> None:
    net = world.network()
    world.router(net)
    world.instance(net, "host-1")
    world.instance(net, "host-2")
    for host in ("host-1", "host-2", "host-3"):
        document = until(lambda host=host: _clean(site, host), 60)  # type: ignore[misc]  # a default that binds early
        assert document, _findings(_audited(site, host))
        assert {result["pillar"] for result in document["results"]} >= {"CWE-284", "CWE-664", "CWE-693"}
    site.run("host-1", "ip", "netns", "add", "qrouter-other")
    try:
        assert "qrouter-other" in " ".join(_findings(_audited(site, "host-1")))
    finally:
        site.run("host-1", "ip", "netns", "del", "qrouter-other")
