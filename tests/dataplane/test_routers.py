"""Where routers are, and whom they connect."""

import pytest

from onehop.lab import plan
from tests.dataplane.site import Site, World

FAMILIES = pytest.mark.parametrize("family", [4, 6])


def test_a_router_is_only_where_it_is_needed(site: Site, world: World) -> None:
    net, lonely = world.network(), world.network()
    router = world.router(net)
    world.instance(net, "host-1")
    world.instance(lonely, "host-3")
    site.wait()
    assert f"qrouter-{router}" in site.namespaces("host-1")
    for host in ("host-2", "host-3"):
        assert f"qrouter-{router}" not in site.namespaces(host)
        assert net.bridge not in site.links(host)
    assert lonely.bridge not in site.links("host-1")


def test_nothing_is_left_after_everything_was_deleted_through_the_api(site: Site, world: World) -> None:
    site.wait()
    before = {host: (site.namespaces(host), site.links(host)) for host in site.hosts}
    net, other = world.network(), world.network()
    router = world.router(net, other)
    boxes = [world.instance(net, "host-1"), world.instance(other, "host-2")]
    site.ping(boxes[0], boxes[1].v4)
    assert f"qrouter-{router}" in site.namespaces("host-1")
    assert {net.vxlan, net.bridge} <= site.links("host-1")
    world.close()
    site.wait()
    after = {host: (site.namespaces(host), site.links(host)) for host in site.hosts}
    assert after == before


@FAMILIES
def test_routers_meet_on_a_shared_inside_network(site: Site, world: World, family: int) -> None:
    """Two routers, one transit network: both hops are on the source host."""
    left, middle, right = world.network(), world.network(), world.network()
    one = world.router(left)
    two = world.router(right)
    ports = [world.port(middle), world.port(middle)]
    for router, port in zip((one, two), ports, strict=True):
        world.join(router, port_id=port["id"])
    index = 0 if family == 4 else 1
    hops = [port["fixed_ips"][index]["ip_address"] for port in ports]
    prefixes = [(net.v4 if family == 4 else net.v6)["cidr"] for net in (left, right)]
    site.client.put(f"/v2.0/routers/{one}", {"router": {"routes": [{"destination": prefixes[1], "nexthop": hops[1]}]}})
    site.client.put(f"/v2.0/routers/{two}", {"router": {"routes": [{"destination": prefixes[0], "nexthop": hops[0]}]}})
    source, sink = world.instance(left, "host-1"), world.instance(right, "host-2")
    site.wait()
    assert {f"qrouter-{one}", f"qrouter-{two}"} <= site.namespaces("host-1")
    assert site.ttl(source, sink.address(family)) == 62
    site.client.put(f"/v2.0/routers/{one}", {"router": {"routes": []}})
    site.wait()
    site.no_ping(source, sink.address(family))
    site.client.put(f"/v2.0/routers/{two}", {"router": {"routes": []}})


@FAMILIES
def test_overlapping_subnets_of_two_projects_do_not_meet(site: Site, world: World, family: int) -> None:
    prefixes = ("10.99.0.0/24", "fd99::/64")
    ours, theirs = world.network(*prefixes), world.network(*prefixes)
    world.router(ours)
    world.router(theirs)
    boxes = [world.instance(ours, "host-1"), world.instance(ours, "host-2")]
    same = [
        {"subnet_id": subnet["id"], "ip_address": address}
        for subnet, address in ((theirs.v4, boxes[0].v4), (theirs.v6, boxes[0].v6))
    ]
    stranger = world.instance(theirs, "host-1", fixed_ips=same)
    assert (stranger.v4, stranger.v6) == (boxes[0].v4, boxes[0].v6)
    site.ping(boxes[0], boxes[1].address(family))
    site.no_ping(stranger, boxes[1].address(family))


def test_a_router_taken_down_forwards_nothing_and_comes_back(site: Site, world: World) -> None:
    red, blue = world.network(), world.network()
    router = world.router(red, blue)
    source, sink = world.instance(red, "host-1"), world.instance(blue, "host-1")
    site.ping(source, sink.v4)
    site.client.put(f"/v2.0/routers/{router}", {"router": {"admin_state_up": False}})
    site.wait()
    site.no_ping(source, sink.v4)
    site.client.put(f"/v2.0/routers/{router}", {"router": {"admin_state_up": True}})
    site.wait()
    site.ping(source, sink.v4)


def test_removing_an_interface_cuts_its_subnet_only(site: Site, world: World) -> None:
    red, blue, green = world.network(), world.network(), world.network()
    router = world.router(red, blue, green)
    source, cut, kept = (world.instance(net, f"host-{n}") for n, net in enumerate((red, blue, green), 1))
    site.ping(source, cut.v4)
    site.client.put(f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": blue.v4["id"]})
    site.wait()
    site.no_ping(source, cut.v4)
    site.ping(source, kept.v4)
    site.ping(source, cut.v6)


@FAMILIES
def test_an_instance_on_the_flat_external_network_talks_to_the_far_internet(
    site: Site, world: World, family: int
) -> None:
    external = world.external()
    box, inside = world.instance(external, "host-1"), world.instance(world.network(), "host-1")
    far = plan.OUTSIDE if family == 4 else plan.OUTSIDE_V6
    assert site.ttl(box, far) == 63
    site.ping("outside", box.address(family))
    site.no_ping(inside, far)
    site.no_ping("outside", inside.address(family))
