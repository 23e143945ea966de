"""A virtual address behind a floating IP, whole: API, controller, agents, kernel, keepalived in instances (walk 9)."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dataplane.site import Box, Site, World, until
from tests.keepalived import VIRTUAL_MAC, prepared

ELECTION = 15.0
SECONDS = 3.0
"""Within which the floating IP follows."""


@pytest.mark.parametrize("virtual_mac", [False, True], ids=["own-mac", "use-vmac"])
def test_a_floating_ip_follows_its_virtual_address_without_a_word_to_the_api(
    site: Site, world: World, tmp_path: Path, virtual_mac: bool
) -> None:
    external, net = world.external(), world.network()
    router = world.router(net)
    gateway = {"external_gateway_info": {"network_id": external.id}}
    site.client.put(f"/v2.0/routers/{router}", {"router": gateway})
    world.afterwards(lambda: site.client.put(f"/v2.0/routers/{router}", {"router": {"external_gateway_info": {}}}))
    virtual = world.port(net, fixed_ips=[{"subnet_id": net.v4["id"]}])
    inside = virtual["fixed_ips"][0]["ip_address"]
    pair = {"ip_address": inside, **({"mac_address": VIRTUAL_MAC[4]} if virtual_mac else {})}
    boxes = [world.instance(net, f"host-{n}", allowed_address_pairs=[pair]) for n in (1, 2, 3)]
    floating = world.floating_ip_on(external, virtual["id"])
    address, path = floating["floating_ip_address"], f"/v2.0/floatingips/{floating['id']}"
    with ExitStack() as stack:
        for number, box in enumerate(boxes):
            folder = tmp_path / box.name
            folder.mkdir()
            command = prepared(folder, [f"{inside}/24"], 100 - 10 * number, virtual_mac)
            stack.enter_context(site.running(box.name, *command))
        assert until(lambda: _has(site, boxes[0], inside), ELECTION)
        assert until(lambda: site.client.get(path)["floatingip"]["status"] == "ACTIVE", SECONDS)
        assert until(lambda: _answers(site, address), SECONDS)
        revision = site.client.get("/onehop/v1/status")["revision"]
        for dies, heir in ((0, 1), (1, 2)):
            site.run(boxes[dies].name, "ip", "link", "set", "eth0", "down")
            assert until(lambda heir=heir: _has(site, boxes[heir], inside), ELECTION)
            assert until(lambda: _answers(site, address), SECONDS), f"{address} did not follow to {boxes[heir]}"
        assert site.client.get("/onehop/v1/status")["revision"] == revision
        assert site.client.get(path)["floatingip"]["status"] == "ACTIVE"


def _has(site: Site, box: Box, address: str) -> bool:
    return f" {address}/" in site.run(box.name, "ip", "-o", "addr")


def _answers(site: Site, address: str) -> bool:
    return site.result("outside", "ping", "-n", "-c", "1", "-W", "1", address).returncode == 0
