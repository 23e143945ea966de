"""What happened can be read in the metrics: a drop, a repair, a leak, a change of owner; and whether all is well."""

import json
import os
import sys
from collections.abc import Iterator
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onehop.lab import power
from onehop.objects import Link
from tests.dataplane.north import North, north_world
from tests.dataplane.owning import other_than
from tests.dataplane.site import Site, until
from tests.dataplane_north.wire import ipv4, udp_segment

pytestmark = pytest.mark.slow
AGENT = "127.0.0.1:9699"
_ASK = f"""
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://{AGENT}" + sys.argv[1], timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""
LIMIT = 15
"""Seconds in which a round of the sampler is over, on a machine that is busy."""


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    with north_world(f"metrics-{os.getpid()}") as made:
        yield made


def _asked(site: Site, host: str, path: str) -> str:
    return site.run(host, sys.executable, "-c", _ASK, path)


def _total(text: str, metric: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    )


def _told(site: Site, host: str, metric: str, **labels: str) -> float:
    return _total(_asked(site, host, "/metrics"), metric, **labels)


def _of_controller(site: Site, metric: str, **labels: str) -> float:
    address = json.loads((site.directory.controller / "controller.json").read_text())["metrics"]
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return _total(answer.read().decode(), metric, **labels)


def _has(north: North, host: str, namespace: str, address: str) -> bool:
    return f" {address}/" in north.site.run(host, "ip", "-n", namespace, "-o", "addr", check=False)


def _amended(site: Site) -> dict[str, float]:
    """By host, what was repaired and what leaked."""
    texts = {host: _asked(site, host, "/metrics") for host in site.hosts}
    names = ("onehop_drift_repairs_total", "onehop_leaks_removed_total")
    return {host: sum(_total(text, name) for name in names) for host, text in texts.items()}


def test_what_was_only_asked_for_is_no_repair_and_no_leak(north: North) -> None:
    """Networks, routers, a gateway, floating IPs, instances plugged and unplugged: nobody else changed anything."""
    site = north.site
    box = north.instance(north.red, "host-2")
    floating = north.floating_ip(box.port)
    assert north.becomes(floating, "ACTIVE")
    north.gone(box)
    site.wait()
    assert _amended(site) == dict.fromkeys(site.hosts, 0.0)


def test_what_a_port_must_not_send_is_a_drop_with_its_reason_on_its_own_host(north: North) -> None:
    site, box = north.site, north.boxes["a"]
    labels = {"port": box.port, "reason": "source-address"}
    before = _told(site, box.host, "onehop_port_drops_total", **labels)
    frame = bytes.fromhex("ffffffffffff" + box.mac.replace(":", "")) + b"\x08\0"
    frame += ipv4("10.99.99.99", "10.0.0.1", 17, udp_segment(9, 9))

    def spoof() -> None:
        import socket

        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("eth0", 0))
            for _ in range(3):
                sock.send(frame)

    site.inside(box.name, spoof)
    assert until(lambda: _told(site, box.host, "onehop_port_drops_total", **labels) == before + 3, LIMIT)
    assert _told(site, box.host, "onehop_drops_total", reason="source-address") >= 3
    assert _told(site, other_than(box.host), "onehop_port_drops_total", **labels) == 0


def test_what_a_router_drops_is_counted_by_chain(north: North) -> None:
    """Instances' packets to 169.254/16 die in the router."""
    site, box = north.site, north.boxes["a"]
    before = _told(site, box.host, "onehop_router_drops_total", router=north.router_id)
    site.no_ping(box, "169.254.77.7", "-c", "3")
    assert until(lambda: _told(site, box.host, "onehop_router_drops_total", router=north.router_id) > before, LIMIT)


def test_what_somebody_deletes_by_hand_is_a_repair(north: North) -> None:
    site, host = north.site, north.owner
    namespace = f"qrouter-{north.router_id}"
    site.wait()
    repairs = {"kind": "address", "op": "create", "part": "router"}
    before = _told(site, host, "onehop_drift_repairs_total", **repairs)
    (leg,) = (line.split()[1] for line in site.run(host, "ip", "-n", namespace, "-o", "-4", "addr").splitlines()
              if f" {north.gateway}/" in line)  # fmt: skip
    site.run(host, "ip", "-n", namespace, "addr", "del", f"{north.gateway}/32", "dev", leg)
    assert until(lambda: _has(north, host, namespace, north.gateway), 5)
    assert until(lambda: _told(site, host, "onehop_drift_repairs_total", **repairs) == before + 1, LIMIT)


def test_what_an_earlier_life_left_is_a_leak(north: North) -> None:
    site, host = north.site, "host-3"
    network = str(uuid4())
    name = f"brq{network[:11]}"
    power.agent(site.directory, host, "stop")
    try:
        site.run(host, "ip", "link", "add", name, "type", "bridge")
        site.run(host, "ip", "link", "set", name, "alias", f"onehop net/{network} network/{network}")
    finally:
        power.agent(site.directory, host, "start")
    assert until(lambda: name not in site.links(host), LIMIT)
    assert until(lambda: _told(site, host, "onehop_leaks_removed_total", kind=Link.kind, when="start") == 1, LIMIT)
    assert _told(site, host, "onehop_leaks_removed_total", when="running") == 0
    site.wait()


def test_a_drained_owner_has_lost_and_the_heir_has_gained_a_router(north: North) -> None:
    site, owner, heir = north.site, north.owner, other_than(north.owner)
    lost, gained = (
        _told(site, host, "onehop_owner_changes_total", change=change, by="controller")
        for host, change in ((owner, "lost"), (heir, "gained"))
    )
    moved = _of_controller(site, "onehop_owner_moves_total", why="drained")
    amended = _amended(site)
    assert _told(site, owner, "onehop_owned_routers") == 1
    north.drain(owner)
    try:
        assert until(
            lambda: _told(site, heir, "onehop_owner_changes_total", change="gained", by="controller") == gained + 1,
            LIMIT,
        )
        assert until(
            lambda: _told(site, owner, "onehop_owner_changes_total", change="lost", by="controller") == lost + 1, LIMIT
        )
        assert _told(site, owner, "onehop_owned_routers") == 0
        assert _of_controller(site, "onehop_owner_moves_total", why="drained") == moved + 1
        assert until(lambda: _of_controller(site, "onehop_host_owned_routers", host=heir) == 1, LIMIT)
        assert _amended(site) == amended
    finally:
        north.drain(owner, undo=True)


def test_an_agent_in_sync_is_ready_and_says_how_far_it_is(north: North) -> None:
    site, host = north.site, north.owner
    site.wait()
    assert until(lambda: json.loads(_asked(site, host, "/readyz")) == {"ready": True, "why_not": []}, LIMIT)
    assert json.loads(_asked(site, host, "/healthz")) == {"alive": True, "why_not": []}
    text = _asked(site, host, "/metrics")
    assert _total(text, "onehop_agent_connected") == _total(text, "onehop_agent_in_sync") == 1
    assert _total(text, "onehop_agent_lag_revisions") == _total(text, "onehop_agent_failing_objects") == 0
    assert _total(text, "onehop_apply_seconds_count") > 0
    assert _total(text, "onehop_reconcile_cpu_seconds_total") > 0
    assert until(lambda: _of_controller(site, "onehop_host_lag_revisions", host=host) == 0, LIMIT)


def test_a_request_is_found_again_in_the_log_of_the_host_that_carried_it_out(north: North) -> None:
    site, box = north.site, north.boxes["a"]
    body = json.dumps({"port": {"allowed_address_pairs": [{"ip_address": "10.77.77.77"}]}}).encode()
    request = Request(f"http://127.0.0.1:{site.directory.read().api_port}/v2.0/ports/{box.port}", body, method="PUT")
    with urlopen(request, timeout=10) as answer:  # noqa: S310  # our own controller
        id = answer.headers["X-Openstack-Request-Id"]
    log = site.directory.host(box.host) / "agent.log"
    assert until(lambda: any(id in line and "carried out" in line for line in log.read_text().splitlines()), LIMIT)
    assert id in (site.directory.controller / "controller.log").read_text()
