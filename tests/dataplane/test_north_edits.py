"""What the API changes under running routers: settings, sizes, names, switches, gateways; and bridges that vanish."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from onehop.lab import plan
from tests.dataplane import answering
from tests.dataplane.capture import capture
from tests.dataplane.north import North, north_world
from tests.dataplane.notices import told
from tests.dataplane.owning import answerers
from tests.dataplane.site import until
from tests.dataplane_north.echo import PORT, echoes, ping, tcp, udp

OUTSIDE = plan.OUTSIDE
MOST = 5.0
"""Seconds that a change may take on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    with north_world(f"edits-{os.getpid()}") as made:
        yield made


def _edit(north: North, kind: str, identifier: str, **changes: object) -> None:
    north.client.put(f"/v2.0/{kind}s/{identifier}", {kind: changes})
    north.site.wait()


def _call(north: North, caller: str, target: str) -> socket.socket:
    sock: socket.socket = north.at(caller).inside(lambda: socket.create_connection((target, PORT), timeout=5))
    sock.settimeout(5)
    assert sock.recv(100).endswith(b"\n")
    return sock


def _inside_router(north: North, host: str, *command: str) -> str:
    return north.site.run(host, "ip", "netns", "exec", f"qrouter-{north.router_id}", *command)


def test_connections_of_floating_ips_go_on_while_snat_is_switched_off_and_on(north: North) -> None:
    with ExitStack() as stack:
        kept = []
        for name in ("a", "b", "c"):
            kept.append(stack.enter_context(_call(north, "outside", north.ip(name))))
            kept.append(stack.enter_context(_call(north, name, OUTSIDE)))
        for snat in (False, True):
            gateway = {"network_id": north.ext.id, "enable_snat": snat}
            _edit(north, "router", north.router_id, external_gateway_info=gateway)
            assert all(echoes(sock) for sock in kept), f"enable_snat={snat}"
            for name in ("a", "b", "c"):
                answer = udp(north.at(name), OUTSIDE)
                assert answer is not None, name
                assert answer.seen == north.ip(name)
            for name in ("a2", "b2", "c2"):
                with capture(north.site, "upstream", "ext0") as seen:
                    answer = udp(north.at(name), OUTSIDE)
                    senders = {f.sender for f in seen.of("ip") if f.target == OUTSIDE}
                # Nobody leads back to private addresses here, but without translation these are what is sent.
                assert (answer.seen if answer else None) == (north.gateway if snat else None)
                assert senders == {north.gateway if snat else north.boxes[name].v4}


def test_a_description_or_a_name_touches_nothing_on_any_host(north: North) -> None:
    gateway_port = next(
        str(p["id"])
        for p in north.client.get("/v2.0/ports", device_id=north.router_id)["ports"]
        if p["device_owner"] == "network:router_gateway"
    )
    targets = [("router", north.router_id), ("network", north.ext.id), ("port", gateway_port)]
    targets += [("floatingip", str(north.floating["a"]["id"])), ("port", north.boxes["a"].port)]
    hosts = north.site.hosts
    router = ["ip", "netns", "exec", f"qrouter-{north.router_id}"]
    commands = (
        [*router, "ip", "-o", "monitor", "link", "address", "route", "rule"],
        [*router, "nft", "monitor"],
        ["ip", "-o", "monitor", "address", "route", "rule"],
        ["nft", "monitor"],
    )
    with ExitStack() as stack:
        watches = [(h, stack.enter_context(north.site.running(h, *command))) for h in hosts for command in commands]
        links = {host: stack.enter_context(told(north.site, host)) for host in hosts}
        for kind, identifier in targets:
            _edit(north, kind, identifier, description="looked at")
            if kind != "floatingip":
                before = str(north.client.get(f"/v2.0/{kind}s/{identifier}")[kind]["name"])
                _edit(north, kind, identifier, name="renamed")
                _edit(north, kind, identifier, name=before)
        said = []
        for host, process in watches:
            process.terminate()
            lines = process.communicate(timeout=10)[0].splitlines()
            said += [(host, line) for line in lines if line.strip()]
        assert {host: notices.read() for host, notices in links.items()} == {host: [] for host in hosts}
    assert said == []


@pytest.mark.parametrize("what", ["network", "external"])
def test_a_networks_mtu_reaches_every_leg_and_is_told_outside(north: North, what: str) -> None:
    network, legs = (north.red.id, ("qr-", "qt-")) if what == "network" else (north.ext.id, ("qg-", "qt-"))
    before = int(north.client.get(f"/v2.0/networks/{network}")["network"]["mtu"])
    # Those at its other ends are told: the instances (by router advertisements, for one), and upstream.
    told = [(box.name, "eth0") for box in north.boxes.values() if box.net == north.red]
    told = told if what == "network" else [("upstream", "ext0")]
    was = [_mtu(north.site.run(name, "ip", "-o", "link", "show", "dev", link)) for name, link in told]
    _edit(north, "network", network, mtu=1400)
    for name, link in told:
        north.site.run(name, "ip", "link", "set", link, "mtu", "1400")
    try:
        for host in north.site.hosts:
            sizes = _sizes(north, host)
            for leg in legs if host != "host-3" else legs[what == "external" :]:
                assert "1400" in {size for name, size in sizes.items() if name.startswith(leg)}, (host, leg, sizes)
        for name in ("a", "b", "c"):
            north.site.run("outside", "ip", "route", "flush", "cache")
            done = north.site.result("outside", "ping", "-M", "do", "-s", "1400", "-c", "2", "-W", "1", north.ip(name))
            assert "mtu = 1400" in done.stdout or "mtu=1400" in done.stdout, done
            assert ping(north.at("outside"), north.ip(name), 4000) == north.ip(name)
            answer = tcp(north.at("outside"), north.ip(name), octets=bytes(100_000))
            assert answer is not None, name
    finally:
        _edit(north, "network", network, mtu=before)
        for (name, link), size in zip(told, was, strict=True):
            north.site.run(name, "ip", "link", "set", link, "mtu", size)
        north.site.run("outside", "ip", "route", "flush", "cache")
    for host in north.site.hosts:
        assert "1400" not in _sizes(north, host).values(), host


def _sizes(north: North, host: str) -> dict[str, str]:
    """The MTU of each link of the router on a host."""
    lines = _inside_router(north, host, "ip", "-o", "link").splitlines()
    return {line.split(":")[1].strip().partition("@")[0]: _mtu(line) for line in lines}


def _mtu(line: str) -> str:
    """Of what `ip link` says of a link."""
    return line.partition("mtu ")[2].split()[0]


def test_a_router_taken_down_is_silent_outside_and_comes_back_whole(north: North) -> None:
    addresses = [north.gateway, *(north.ip(name) for name in "abc")]
    _edit(north, "router", north.router_id, admin_state_up=False)
    try:
        assert answering.answerers(north.site, *addresses) == {address: set() for address in addresses}
        assert tcp(north.at("a"), OUTSIDE) is None
        for floating in north.floating.values():
            assert north.becomes(floating, "DOWN", MOST)
        for host in north.site.hosts:
            left = {link for link in north.site.links(host) if link.startswith("hg-")}
            assert (left, f"qrouter-{north.router_id}" in north.site.namespaces(host)) == (set(), False), host
    finally:
        _edit(north, "router", north.router_id, admin_state_up=True)
    north.ready()
    for address in addresses:
        assert until(lambda address=address: ping(north.at("outside"), address) == address, MOST), address
        assert len(answerers(north, address)) == 1
    for name in ("a2", "b2", "c2"):
        assert tcp(north.at(name), OUTSIDE) is not None, name


@pytest.mark.parametrize("what", ["port", "network"])
@pytest.mark.parametrize("name", ["a", "c"])
def test_a_floating_ip_of_what_is_taken_down_is_down_and_leads_nowhere(north: North, name: str, what: str) -> None:
    identifier = north.boxes[name].port if what == "port" else north.red.id
    _edit(north, what, identifier, admin_state_up=False)
    try:
        assert ping(north.at("outside"), north.ip(name)) is None
        assert north.becomes(north.floating[name], "DOWN", MOST)
        assert tcp(north.at("a2"), OUTSIDE) is not None, "the others go on"
        assert (ping(north.at("outside"), north.ip("b")) is None) == (what == "network")
    finally:
        _edit(north, what, identifier, admin_state_up=True)
    north.ready()
    assert until(lambda: tcp(north.at("outside"), north.ip(name)) is not None, MOST)


def test_a_floating_ip_of_an_unbound_port_goes_to_the_host_that_binds_it_and_one_answers(north: North) -> None:
    port = north.port(north.red)
    floating = north.floating_ip(port["id"])
    address, other = floating["floating_ip_address"], "host-2" if north.owner == "host-1" else "host-1"
    assert north.becomes(floating, "ACTIVE", MOST)
    owners = _holders(north, address)
    assert owners == [north.owner]
    box = north.instance_of(north.red, other, port)
    assert until(lambda: _holders(north, address) == [other], MOST)
    north.echo.serve(north.spot(box.name))
    assert until(lambda: tcp(north.at("outside"), address) is not None, MOST)
    assert len(answerers(north, address)) == 1
    assert north.becomes(floating, "ACTIVE", MOST)
    north.gone(box)
    assert until(lambda: _holders(north, address) == [north.owner], MOST)
    north.client.delete(f"/v2.0/floatingips/{floating['id']}")


def test_several_floating_ips_of_one_port_lead_to_its_several_addresses_and_go_one_by_one(north: North) -> None:
    subnet = north.red.v4["id"]
    port = north.port(north.red, fixed_ips=[{"subnet_id": subnet}, {"subnet_id": subnet}])
    box = north.instance_of(north.red, "host-3", port)
    fixed = [str(ip["ip_address"]) for ip in port["fixed_ips"]]
    both = [north.floating_ip(port["id"], one) for one in fixed]
    north.echo.serve(north.spot(box.name))
    for made in both:
        assert north.becomes(made, "ACTIVE", MOST)
        address = made["floating_ip_address"]
        answer = until(lambda address=address: tcp(north.at("outside"), address), MOST)
        assert answer is not None
        assert answer.source == address
    first, second = (str(made["floating_ip_address"]) for made in both)
    with _call(north, "outside", second) as kept:
        north.client.delete(f"/v2.0/floatingips/{both[0]['id']}")
        north.site.wait()
        assert until(lambda: ping(north.at("outside"), first) is None, MOST)
        assert echoes(kept)
    assert ping(north.at("outside"), second) == second
    north.client.delete(f"/v2.0/floatingips/{both[1]['id']}")
    north.gone(box)


def test_an_external_bridge_that_was_deleted_and_made_again_leads_outside_again(north: North) -> None:
    site, host, bridge = north.site, "host-1", plan.EXTERNAL_BRIDGE
    site.run(host, "ip", "link", "del", bridge)
    assert until(lambda: tcp(north.at("a2"), OUTSIDE) is not None, 10), "by the other host"
    assert until(lambda: ping(north.at("outside"), north.ip("a")) == north.ip("a"), 10)
    site.run(host, "ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
    site.run(host, "ip", "link", "set", bridge, "addrgenmode", "none", "up")
    site.run(host, "ip", "link", "set", plan.EXTERNAL_LINK, "master", bridge, "up")
    assert until(lambda: _holders(north, north.ip("a")) == [host], 15)
    north.ready()
    assert until(lambda: ping(north.at("outside"), north.ip("a")) == north.ip("a"), MOST)
    assert tcp(north.at("a2"), OUTSIDE) is not None


@pytest.mark.parametrize("how", ["cleared", "deleted"])
def test_of_a_gateway_that_is_cleared_or_deleted_with_its_router_nothing_is_left(north: North, how: str) -> None:
    site = north.site
    site.wait()
    before = {
        host: (site.namespaces(host), site.links(host), site.run(host, "nft", "list", "tables")) for host in site.hosts
    }
    router = north.router()
    _edit(north, "router", router, external_gateway_info={"network_id": north.ext.id})
    shown = north.client.get(f"/v2.0/routers/{router}")["router"]
    address = str(shown["external_gateway_info"]["external_fixed_ips"][0]["ip_address"])
    assert until(lambda: ping(north.at("outside"), address) == address, MOST)
    if how == "cleared":
        _edit(north, "router", router, external_gateway_info={})
    north.client.delete(f"/v2.0/routers/{router}")
    site.wait()
    assert answering.answerers(north.site, address) == {address: set()}
    after = {
        host: (site.namespaces(host), site.links(host), site.run(host, "nft", "list", "tables")) for host in site.hosts
    }
    assert after == before


def _holders(north: North, address: str) -> list[str]:
    """Hosts whose copy of the router has an address on a link."""
    return [h for h in north.site.hosts if f" {address}/" in _inside_router(north, h, "ip", "-o", "addr")]
