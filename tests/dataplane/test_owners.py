"""Partitions, and ways outside that are lost: who answers for what, with real packets."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from onehop.lab import fabric, plan, power
from onehop.lab.prober import probing
from onehop.lab.streaming import PORT as STREAM_PORT
from onehop.lab.streaming import serving
from onehop.net.announcement import gratuitous_arp
from tests.dataplane.capture import capture
from tests.dataplane.north import DETECTION, SLACK, North
from tests.dataplane.owning import GATEWAYS, INTERVAL, alone, answerers, holds, other_than, owned_world, restored
from tests.dataplane.site import until
from tests.dataplane_north.echo import ping, tcp

pytestmark = pytest.mark.slow
OUTSIDE = plan.OUTSIDE


@pytest.fixture(scope="module")
def whole() -> Iterator[North]:
    """The world, once for the module."""
    with owned_world("owners") as made:
        yield made


@pytest.fixture
def north(whole: North) -> North:
    """The world as it was made."""
    return restored(whole)


def test_an_owner_cut_off_from_the_underlay_gives_up_what_another_was_given(north: North) -> None:
    """It hears the new owner on the external network, and no controller; when it is back it owns nothing."""
    owner, heir = north.owner, other_than(north.owner)
    fabric.cut(north.site.directory, owner, "underlay")
    assert until(lambda: holds(north, heir, north.gateway), DETECTION + 2 + SLACK)
    seconds = alone(north, heir, north.gateway, 5)
    print(f"{owner} gave up {seconds:.2f} s after {heir} had the address")
    assert seconds <= INTERVAL + SLACK
    assert len(answerers(north, north.gateway)) == 1
    fabric.mend(north.site.directory, owner, "underlay")
    north.ready()
    assert north.owner == heir
    assert holds(north, heir, north.gateway)
    assert not holds(north, owner, north.gateway)
    for name in ("a", "b", "c"):
        assert ping(north.at("outside"), north.ip(name)) == north.ip(name)


def test_an_owner_cut_off_from_everything_gives_up_as_soon_as_it_hears_theother_than(north: North) -> None:
    """The external network comes back first: nobody tells it but the other's answer to its question."""
    owner, heir = north.owner, other_than(north.owner)
    for switch in ("underlay", "external"):
        fabric.cut(north.site.directory, owner, switch, carrier=True)
    assert until(lambda: north.owner == heir, DETECTION + 2 + SLACK)
    assert until(lambda: holds(north, heir, north.gateway), 2)
    assert holds(north, owner, north.gateway), "it cannot know"
    # What is announced at the beginning is over: only a question finds the other.
    begin = time.monotonic()
    fabric.mend(north.site.directory, owner, "external")
    alone(north, heir, north.gateway, 5)
    seconds = time.monotonic() - begin
    print(f"{owner} gave up {seconds:.2f} s after it could hear {heir}")
    assert seconds <= INTERVAL + SLACK
    fabric.mend(north.site.directory, owner, "underlay")
    north.ready()
    assert north.owner == heir


@pytest.mark.parametrize("lost", ["cable", "bridge"])
def test_an_owner_that_loses_its_way_outside_hands_over_and_its_instances_go_by_the_new_owner(
    north: North, lost: str
) -> None:
    owner, heir, site = north.owner, other_than(north.owner), north.site
    near = "a" if owner == "host-1" else "b"
    if lost == "cable":
        fabric.cut(site.directory, owner, "external")
    else:
        site.run(owner, "ip", "link", "set", plan.EXTERNAL_BRIDGE, "down")
    begin = time.monotonic()
    assert until(lambda: north.owner == heir, 5)
    assert until(lambda: holds(north, heir, north.gateway), 5)
    print(f"{heir} had it after {time.monotonic() - begin:.2f} s")
    site.wait()
    # Walk 3, "host without an external leg": the floating IP and what is translated to the gateway address.
    assert until(lambda: ping(north.at("outside"), north.ip(near)) == north.ip(near), 5)
    answer = until(lambda: tcp(north.at(near + "2"), OUTSIDE), 5)
    assert answer is not None
    assert answer.seen == north.gateway
    assert north.becomes(north.floating[near], "ACTIVE")
    assert holds(north, heir, north.ip(near))
    assert "is not reached" in site.run(owner, *_onehop(north, owner, "status"))
    if lost == "cable":
        fabric.mend(site.directory, owner, "external")
    else:
        site.run(owner, "ip", "link", "set", plan.EXTERNAL_BRIDGE, "up")
    assert until(lambda: holds(north, owner, north.ip(near)), 10)
    north.ready()
    assert north.owner == heir, "no pre-emption"
    assert until(lambda: ping(north.at("outside"), north.ip(near)) == north.ip(near), 5)


def _onehop(north: North, host: str, *words: str) -> tuple[str, ...]:
    config = north.site.directory.host(host) / "agent.toml"
    return (sys.executable, "-m", "onehop", *words, "--config", str(config))


def test_a_router_that_nobody_leads_outside_says_so_and_heals(north: North) -> None:
    owner, heir, site = north.owner, other_than(north.owner), north.site
    for host in GATEWAYS:
        fabric.cut(site.directory, host, "external")
    assert until(lambda: north.shown()["status"] == "ERROR", 8)
    assert f"physical network {plan.PHYSICAL_NETWORK}" in north.shown()["status_reason"]
    for host in GATEWAYS:
        fabric.mend(site.directory, host, "external")
    assert until(lambda: north.shown()["status"] == "ACTIVE", 8)
    north.ready()
    assert north.owner in (owner, heir)
    assert until(lambda: ping(north.at("outside"), north.gateway) == north.gateway, 5)


def test_a_host_that_comes_back_without_a_controller_publishes_what_nobody_has_and_nothing_else(north: North) -> None:
    """Its copy of the view says that it is the owner; another was chosen meanwhile, and the controller is gone."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    near = "a" if owner == "host-1" else "b"
    power.stop_host(site.directory, owner)
    assert until(lambda: north.owner == heir, DETECTION + 2 + SLACK)
    assert until(lambda: holds(north, heir, north.gateway), 5)
    gateway = north.gateway
    power.controller(site.directory, "kill")
    try:
        with probing(site.directory, north.name("c2"), "outside", OUTSIDE) as probes:
            # Boots, and plugs its instances by itself.
            north.power_on(owner)
            assert until(lambda: holds(north, owner, north.ip(near)), 10)
            assert until(lambda: ping(north.at("outside"), north.ip(near)) == north.ip(near), 5)
            assert not holds(north, owner, gateway)
            assert len(answerers(north, gateway)) == 1
        assert probes.result.lost == 0
    finally:
        power.controller(site.directory, "start")
    north.ready()
    assert north.owner == heir


def test_an_address_that_is_contested_stays_where_the_controller_wants_it(north: North) -> None:
    """Somebody claims it by the MAC of a peer's leg: the confirmed owner says again that it is its own."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    address = north.gateway
    mac = next(str(h["mac_address"]) for h in north.shown()["gateway_hosts"] if h["host"] == heir)

    def claim() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((plan.EXTERNAL_LINK, 0))
            sock.send(gratuitous_arp(mac, address))

    with capture(site, "upstream", "ext0") as seen:
        site.inside(heir, claim)
        assert until(lambda: any(f.sender == address and f.source != mac for f in seen.of("arp")), INTERVAL + SLACK)
    assert holds(north, owner, address)
    assert until(lambda: ping(north.at("outside"), address) == address, 5)


def test_a_floating_ip_whose_host_is_lost_is_down_and_one_whose_agent_is_dead_is_not(north: North) -> None:
    """Its host is no gateway host."""
    site, floating = north.site, north.floating["c"]
    power.agent(site.directory, "host-3", "kill")
    begin = time.monotonic()
    assert not until(lambda: north.status(floating) != "ACTIVE", 2 * DETECTION)
    assert ping(north.at("outside"), north.ip("c")) == north.ip("c")
    power.agent(site.directory, "host-3", "start")
    north.ready()
    begin = time.monotonic()
    power.stop_host(site.directory, "host-3")
    assert north.becomes(floating, "DOWN", DETECTION + 2 + SLACK)
    seconds = time.monotonic() - begin
    print(f"down after {seconds:.2f} s")
    assert seconds <= DETECTION + 0.3 + SLACK
    assert [north.status(north.floating[name]) for name in ("a", "b")] == ["ACTIVE", "ACTIVE"]
    north.power_on("host-3")
    assert north.becomes(floating, "ACTIVE", 10)
    assert ping(north.at("outside"), north.ip("c")) == north.ip("c")


def test_a_router_with_a_gateway_and_no_interface_answers_ping(north: North) -> None:
    client = north.client
    info = {"network_id": north.ext.id}
    router = client.post("/v2.0/routers", {"router": {"name": "lone", "external_gateway_info": info}})["router"]
    try:
        ips = router["external_gateway_info"]["external_fixed_ips"]
        address = next(ip["ip_address"] for ip in ips if "." in ip["ip_address"])
        assert until(lambda: ping(north.at("outside"), address) == address, 5)
    finally:
        client.delete(f"/v2.0/routers/{router['id']}")
    assert until(lambda: ping(north.at("outside"), address) is None, 5)


def test_a_host_whose_ports_run_out_is_given_a_further_block(north: North) -> None:
    """Blocks of 64: the 48th connection to one destination asks for more."""
    site, client, size = north.site, north.client, 64
    net = north.network()
    info = {"network_id": north.ext.id}
    router = north.router(port_block_size=size, external_gateway_info=info)
    path = f"/v2.0/routers/{router}"
    held: list[socket.socket] = []
    north.join(router, subnet_id=net.v4["id"])

    def blocks() -> int:
        hosts = client.get(path)["router"]["gateway_hosts"]
        return len(next(host["port_blocks"] for host in hosts if host["host"] == "host-1"))

    try:
        box = north.instance(net, "host-1")
        site.wait()
        with serving(site.directory, "outside"):
            held += _calls(north, box.name, size * 3 // 4 - 8)
            assert blocks() == 1
            held += _calls(north, box.name, 10)
            assert until(lambda: blocks() == 2, 10)
            site.wait()
            # As many as the first block would still take: new connections are spread over both.
            held += _calls(north, box.name, size - len(held))
            seen = {connection.recv(64) for connection in held}
            assert len(seen) == len(held), "each has a port of its own"
            assert len({int(one.split()[1]) // size for one in seen}) == 2, "both blocks are used"
    finally:
        for connection in held:
            connection.close()
        client.put(path, {"router": {"external_gateway_info": {}}})


def _calls(north: North, name: str, number: int) -> list[socket.socket]:
    """Connections from an instance to the server outside."""
    return north.site.inside(
        name, lambda: [socket.create_connection((OUTSIDE, STREAM_PORT), timeout=5) for _ in range(number)]
    )
