"""What a hand that is not onehop's turned on or off in links of ours is seen, and turned back in place."""

import ipaddress

import pytest

from onehop.objects import Address
from onehop.reconciler.diff import diff
from tests.contract import things
from tests.contract.hosts import LinuxHost
from tests.contract.things import ALL, ROUTER, assert_there, put, seen

pytestmark = pytest.mark.root

TURNED = (
    ("ip", "link", "set", "brq1", "type", "bridge", "stp_state", "1"),
    ("ip", "link", "set", "brq1", "type", "bridge", "mcast_snooping", "1"),
    ("ip", "link", "set", "vxlan-5", "type", "vxlan", "learning"),
    ("bridge", "link", "set", "dev", "tap1", "isolated", "on"),
    ("bridge", "link", "set", "dev", "tap1", "locked", "on"),
    ("bridge", "link", "set", "dev", "tap1", "bcast_flood", "off"),
    ("bridge", "link", "set", "dev", "tap1", "mcast_flood", "off"),
)


@pytest.fixture
def host(linux: LinuxHost) -> LinuxHost:
    return linux


@pytest.mark.parametrize("command", TURNED, ids=lambda command: " ".join(command[-2:]))
def test_what_somebody_turned_on_in_a_bridge_or_its_ports_is_turned_off_again(
    host: LinuxHost, command: tuple[str, ...]
) -> None:
    put(host.kernel, *ALL)
    before = seen(host.kernel)
    host.run("", *command)
    plan = diff(seen(host.kernel), before)
    assert len(plan.ops) == 1
    assert not host.kernel.execute(plan).failed
    assert_there(host.kernel, *ALL)
    assert not diff(seen(host.kernel), before).ops


def test_a_routers_loopback_that_somebody_took_down_comes_up_again(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    before = seen(host.kernel)
    host.run(ROUTER, "ip", "link", "set", "lo", "down")
    plan = diff(seen(host.kernel), before)
    assert len(plan.ops) == 1
    assert not host.kernel.execute(plan).failed
    assert_there(host.kernel, *ALL)
    assert not diff(seen(host.kernel), before).ops


@pytest.mark.parametrize("address", [things.four, things.six], ids=["v4", "v6"])
def test_a_connected_route_that_somebody_deleted_comes_back_with_its_address(host: LinuxHost, address: Address) -> None:
    put(host.kernel, *ALL)
    before = seen(host.kernel)
    subnet = str(ipaddress.ip_interface(address.address).network)
    host.run(ROUTER, "ip", "route", "del", subnet, "dev", address.link)
    plan = diff(seen(host.kernel), before)
    assert not host.kernel.execute(plan).failed
    assert subnet in host.run(ROUTER, "ip", "route", "show", "dev", address.link) + host.run(
        ROUTER, "ip", "-6", "route", "show", "dev", address.link
    )
    assert_there(host.kernel, *ALL)
    assert not diff(seen(host.kernel), before).ops
