"""Security groups end to end: the unmodified `openstack` command, agents, and packets between instances."""

import os
import subprocess
import sys
import time
from pathlib import Path

from onehop.net import naming
from onehop.net.identifier import PortId
from tests.dataplane.site import Box, Site, World, until


def openstack(site: Site, *words: str) -> str:
    """The client, unmodified; what it prints."""
    command = [str(Path(sys.executable).with_name("openstack")), "--os-auth-type", "none"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run(
        [*command, "--os-endpoint", site.directory.endpoint, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, f"openstack {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def answers(site: Site, caller: Box, address: str) -> bool:
    """Whether a ping is answered."""
    return site.result(caller.name, "ping", "-n", "-c", "1", "-W", "0.3", address).returncode == 0


def test_what_the_client_says_is_in_force_on_every_host_and_cut_when_it_is_taken_back(site: Site, world: World) -> None:
    net = world.network()
    world.router(net)
    called, near = world.instance(net, "host-1"), world.instance(net, "host-1")
    far = world.instance(net, "host-2")
    for caller in (near, far):
        for address in (called.v4, called.v6):
            site.ping(caller, address)
    group = openstack(site, "security", "group", "create", "web", "-f", "value", "-c", "id")
    world.afterwards(lambda: openstack(site, "security", "group", "delete", group))
    world.afterwards(lambda: openstack(site, "port", "set", "--no-security-group", called.port))
    openstack(site, "port", "set", "--no-security-group", "--security-group", group, called.port)
    assert until(lambda: not answers(site, far, called.v4))
    for caller in (near, far):
        for address in (called.v4, called.v6):
            site.no_ping(caller, address)
    site.ping(called, far.v4)
    site.ping(called, far.v6)
    rule = ("security", "group", "rule", "create", group, "--protocol", "icmp", "--remote-ip", f"{far.v4}/32")
    created = openstack(site, *rule, "-f", "value", "-c", "id")
    assert created in openstack(site, "security", "group", "rule", "list", group, "-f", "value", "-c", "ID")
    assert until(lambda: answers(site, far, called.v4))
    site.no_ping(near, called.v4)
    with site.running(far.name, "ping", "-n", "-i", "0.1", called.v4) as pings:
        assert pings.stdout is not None
        assert any("bytes from" in line for line in pings.stdout)
        openstack(site, "security", "group", "rule", "delete", created)
        begun = time.monotonic()
        assert until(lambda: not answers(site, far, called.v4), limit=2)
        assert time.monotonic() - begun < 1.5
    openstack(site, "port", "set", "--no-security-group", called.port)
    assert until(lambda: not answers(site, called, far.v4))
    site.no_ping(called, far.v6)


def test_a_member_on_one_host_is_let_in_on_another_and_no_longer_when_it_leaves(site: Site, world: World) -> None:
    net = world.network()
    (mates,) = site.client.get("/v2.0/security-groups?name=default")["security_groups"]
    a = world.instance(net, "host-1", security_groups=[mates["id"]])
    b = world.instance(net, "host-2", security_groups=[mates["id"]])
    other = world.instance(net, "host-2")
    site.ping(b, a.v4)
    site.ping(a, b.v6)
    site.no_ping(other, a.v4)
    site.client.put(f"/v2.0/ports/{b.port}", {"port": {"security_groups": [world.open_group()]}})
    assert until(lambda: not answers(site, b, a.v4))
    site.ping(a, b.v4)


def test_tables_that_somebody_took_away_come_back(site: Site, world: World) -> None:
    net = world.network()
    called, caller = world.instance(net, "host-1", security_groups=[]), world.instance(net, "host-1")
    site.no_ping(caller, called.v4)
    site.run("host-1", "nft", "delete", "table", "bridge", naming.SECURITY_TABLE)
    assert until(lambda: naming.SECURITY_TABLE in site.run("host-1", "nft", "list", "tables", "bridge"), limit=3)
    assert naming.tap(PortId(called.port)) in site.run(
        "host-1", "nft", "list", "table", "bridge", naming.SECURITY_TABLE
    )
    site.no_ping(caller, called.v4)
