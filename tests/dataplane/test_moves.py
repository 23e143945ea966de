"""What a running instance notices when it moves, and when agents, hosts and the controller come and go."""

import socket

import pytest

from onehop.errors import ConflictError, NotFoundError
from onehop.lab import instance, power
from onehop.lab.prober import probing
from tests.dataplane.site import Site, World, until

FAMILIES = pytest.mark.parametrize("family", [4, 6])
MOST_LOST = 100
"""Probes of a millisecond each: 100 ms."""
ENOUGH = 100
"""Probes after a move, so that there are so many also of one that is quicker than that."""

TARGETS = ("host-3", "host-1", "host-2")


@FAMILIES
@pytest.mark.parametrize("routed", [False, True], ids=["same-subnet", "other-subnet"])
def test_a_move_loses_at_most_100_ms_of_a_1_khz_probe(site: Site, world: World, family: int, routed: bool) -> None:
    red, blue = world.network(), world.network()
    world.router(red, blue)
    source = world.instance(blue if routed else red, "host-1")
    guest = world.instance(red, "host-2")
    lost = []
    for target in TARGETS:
        with probing(site.directory, source.name, guest.name, guest.address(family)) as probes:
            world.move(guest, target)
            probes.go_on(ENOUGH)
        lost.append(probes.result.lost)
        assert probes.result.sent > ENOUGH
        assert probes.result.answered_from == (guest.address(family),)
        assert guest.name in site.namespaces(target)
        assert not any(guest.name in site.namespaces(host) for host in site.hosts if host != target)
    print(f"lost by the moves to {TARGETS}: {lost}")
    assert max(lost) <= MOST_LOST, f"probes lost by three moves: {lost}"


def test_a_connection_goes_on_over_a_move(site: Site, world: World) -> None:
    red = world.network()
    client, server = world.instance(red, "host-1"), world.instance(red, "host-2")
    listener = site.inside(server.name, lambda: socket.create_server(("", 7008)))
    caller = site.inside(client.name, lambda: socket.create_connection((server.v4, 7008), timeout=5))
    with listener, caller, listener.accept()[0] as accepted:
        accepted.settimeout(5)
        caller.sendall(b"before")
        assert accepted.recv(16) == b"before"
        world.move(server, "host-3")
        caller.sendall(b"after")
        assert accepted.recv(16) == b"after"
        accepted.sendall(b"answer")
        assert caller.recv(16) == b"answer"


def test_a_move_leaves_nothing_behind_and_says_what_it_cannot_do(site: Site, world: World) -> None:
    red = world.network()
    guest = world.instance(red, "host-1")
    world.move(guest, "host-2")
    site.wait()
    assert red.bridge not in site.links("host-1")
    bindings = site.client.get(f"/v2.0/ports/{guest.port}/bindings")["bindings"]
    assert [(binding["host"], binding["status"]) for binding in bindings] == [("host-2", "ACTIVE")]
    world.move(guest, "host-2")
    with pytest.raises(NotFoundError, match="host-9"):
        world.move(guest, "host-9")
    power.agent(site.directory, "host-3", "stop")
    with pytest.raises(ConflictError, match="agent"):
        world.move(guest, "host-3")
    power.agent(site.directory, "host-3", "start")
    site.ping(guest, guest.v4)


@FAMILIES
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_no_packet_is_lost_while_agents_restart(site: Site, world: World, family: int, how: str) -> None:
    red, blue = world.network(), world.network()
    router = world.router(red, blue)
    source, sink = world.instance(red, "host-1"), world.instance(blue, "host-2")
    before = {host: (site.namespaces(host), site.links(host)) for host in site.hosts}
    with probing(site.directory, source.name, sink.name, sink.address(family)) as probes:
        for host in ("host-1", "host-2"):
            power.agent(site.directory, host, how)
            assert f"qrouter-{router}" in site.namespaces(host)
            probes.settle()
            power.agent(site.directory, host, "start")
        site.wait()
    assert probes.result.lost == 0
    assert {host: (site.namespaces(host), site.links(host)) for host in site.hosts} == before


@FAMILIES
def test_no_packet_is_lost_while_the_controller_restarts(site: Site, world: World, family: int) -> None:
    red, blue = world.network(), world.network()
    world.router(red, blue)
    source, sink = world.instance(red, "host-1"), world.instance(blue, "host-2")
    with probing(site.directory, source.name, sink.name, sink.address(family)) as probes:
        power.controller(site.directory, "kill")
        probes.settle()
        power.controller(site.directory, "start")
        site.wait()
    assert probes.result.lost == 0


def test_an_instance_deleted_while_its_host_was_off_does_not_come_back(site: Site, world: World) -> None:
    red = world.network()
    guest, other = world.instance(red, "host-3"), world.instance(red, "host-1")
    power.stop_host(site.directory, "host-3")
    with pytest.raises(ConflictError, match="start"):
        instance.boot(site.directory, "more", guest.port, "host-3")
    world.gone(guest)
    power.start_host(site.directory, "host-3")
    site.wait()
    assert guest.name not in site.namespaces("host-3")
    assert red.bridge not in site.links("host-3")
    site.no_ping(other, guest.v4)
    assert site.client.get(f"/v2.0/ports/{guest.port}")["port"]["binding:host_id"] == ""


@pytest.mark.parametrize("controller", ["runs", "is stopped"])
def test_a_host_that_lost_power_comes_back_with_its_instances(site: Site, world: World, controller: str) -> None:
    red, blue = world.network(), world.network()
    world.router(red, blue)
    stays, guest = world.instance(red, "host-1"), world.instance(blue, "host-2")
    site.ping(stays, guest.v4)
    if controller == "is stopped":
        power.controller(site.directory, "stop")
    power.stop_host(site.directory, "host-2")
    power.stop_host(site.directory, "host-2")
    assert site.directory.read().instances[guest.name].state == "down"
    site.no_ping(stays, guest.v4)
    site.no_ping(stays, guest.v6)
    power.start_host(site.directory, "host-2")
    assert site.directory.read().instances[guest.name].state == "up"
    reached = until(lambda: site.result(stays.name, "ping", "-c1", "-W1", guest.v4).returncode == 0, limit=10)
    assert reached, "a rebooted host forwards again within 10 s, with or without a controller"
    site.ping(guest, stays.v6)
    if controller == "is stopped":
        power.controller(site.directory, "start")
    site.wait()
    site.ping(stays, guest.v4)
