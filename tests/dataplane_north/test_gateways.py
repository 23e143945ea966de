"""A gateway that is taken away, given back, or set to another external network while instances talk (walks 3 and 5)."""

from collections.abc import Iterator

import msgspec
import pytest

from onehop.model.network import Network
from onehop.model.port import FixedIp
from onehop.model.subnet import Subnet
from onehop.net.identifier import NetworkId, SubnetId
from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.site import BRIDGE, OUTSIDE
from tests.dataplane_north.stage import FLOATING, FORWARDED, GATEWAY, INSTANCES, VIRTUAL, A, B, C, Stage
from tests.dataplane_north.wire import watched
from tests.northern import PHYSICAL, router_of
from tests.worlds import PROJECT, uid

pytestmark = pytest.mark.root

OTHER, OTHER_SUBNET = NetworkId(uid(0x5100)), SubnetId(uid(0x5101))
OTHER_GATEWAY, OTHER_UPSTREAM = "198.18.0.10", "198.18.0.1"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stage, with a second external network that upstream serves too."""
    with Stage() as made:
        made.world.values += [
            Network(
                id=OTHER,
                project_id=PROJECT,
                network_type="flat",
                physical_network=PHYSICAL,
                mtu=1500,
                external=True,
            ),
            Subnet(id=OTHER_SUBNET, network_id=OTHER, cidr="198.18.0.0/24", gateway_ip=OTHER_UPSTREAM),
        ]
        made.upstream.run(f"ip addr add {OTHER_UPSTREAM}/24 dev ext0")
        yield made


def _without_floating_ips(stage: Stage) -> list:
    removed = list(stage.world.topology().floating_ips.values())
    for value in removed:
        stage.world.remove(value.id)
    return removed


def _external_links(stage: Stage) -> list[str]:
    found = []
    for name in sorted(stage.machines):
        found += stage.machines[name].place.run("ip -o link").splitlines()
        found += stage.machines[name].place.run("nft list tables").splitlines()
        found += stage.router(name).run("ip -o link", "ip rule", "nft list tables").splitlines()
    return [one for one in found if any(word in one for word in ("qg-", "qt-", "hg-", "fwmark", "gate", "north"))]


def test_without_its_gateway_a_router_has_nothing_outside_and_given_back_it_is_as_before(stage: Stage) -> None:
    gateway = router_of(stage.world, 1).gateway
    floating = _without_floating_ips(stage)
    stage.world.change(stage.world.router_id(1), gateway=None)
    stage.apply()
    stage.settled()
    assert _external_links(stage) == []
    with watched(stage.upstream, "ext0") as seen:
        stage.upstream.run("ip neigh flush dev ext0")
        for address in (GATEWAY, "203.0.113.101", VIRTUAL, FORWARDED):
            assert ping(stage.outside, address, patience=0.2) is None
        for name in INSTANCES:
            assert ping(stage.at(name), OUTSIDE, patience=0.2) is None
        assert not [f for f in seen.read() if f.source.startswith("fa:16:3e:02")]
    # East-west is none of its business.
    assert tcp(stage.at("a1"), stage.ports["b1"].fixed_ips[0].ip_address) is not None
    stage.world.change(stage.world.router_id(1), gateway=gateway)
    stage.world.values += floating
    stage.apply()
    stage.settled()
    for name, last in FLOATING.items():
        assert tcp(stage.outside, f"203.0.113.{last}") is not None, name
    for name in INSTANCES:
        assert tcp(stage.at(name), OUTSIDE) is not None, name
    assert tcp(stage.outside, FORWARDED, PORT) is not None
    assert tcp(stage.outside, VIRTUAL) is not None


def test_a_gateway_set_to_another_network_leaves_by_its_new_address_and_answers_no_old_one(stage: Stage) -> None:
    before = router_of(stage.world, 1).gateway
    assert before is not None
    floating = _without_floating_ips(stage)
    there = msgspec.structs.replace(before, network_id=OTHER, fixed_ips=(FixedIp(OTHER_SUBNET, OTHER_GATEWAY),))
    stage.world.change(stage.world.router_id(1), gateway=there)
    stage.apply()
    stage.settled()
    try:
        for name in INSTANCES:
            answer = udp(stage.at(name), OUTSIDE, octets=bytes(4096))
            assert answer is not None, name
            assert answer.seen == OTHER_GATEWAY
        assert ping(stage.outside, OTHER_GATEWAY) == OTHER_GATEWAY
        stage.upstream.run("ip neigh flush dev ext0")
        for address in (GATEWAY, "203.0.113.101", "203.0.113.104", VIRTUAL, FORWARDED):
            assert ping(stage.outside, address, patience=0.2) is None
        for host in (A, B, C):
            legs = stage.router(stage.world.host(host)).run("ip -o link").count(": qg-")
            assert legs == (0 if host == C else 1)
            machine = stage.machines[stage.world.host(host)]
            if machine.reaches:
                assert machine.place.run(f"bridge link show master {BRIDGE}").count(": hg-") == 1
    finally:
        stage.world.change(stage.world.router_id(1), gateway=before)
        stage.world.values += floating
        stage.apply()
    stage.settled()
    assert tcp(stage.at("b2"), OUTSIDE) is not None
    assert tcp(stage.outside, "203.0.113.104") is not None


@pytest.mark.parametrize("name", ["a1", "b1", "c1"])
def test_the_floating_ip_of_a_port_that_is_taken_down_is_nobodys(stage: Stage, name: str) -> None:
    address = f"203.0.113.{FLOATING[name]}"
    stage.world.change(stage.ports[name].id, admin_state_up=False)
    stage.apply()
    with watched(stage.upstream, "ext0") as seen:
        stage.upstream.run("ip neigh flush dev ext0")
        assert ping(stage.outside, address, patience=0.3) is None
        assert address not in {f.sender for f in seen.read() if f.kind == "arp"}
    stage.world.change(stage.ports[name].id, admin_state_up=True)
    stage.apply()
    assert tcp(stage.outside, address) is not None
