"""Two routers on one external network meet outside only; and an owner that is gone for good."""

from collections.abc import Iterator

import pytest

from onehop.net.identifier import HostName
from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import A, B, C, Stage
from tests.dataplane_north.wire import ipv4, send, udp_segment, watched
from tests.northern import BLOCK, gateway_ip

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", params=[A, B], ids=["other-owner-a", "other-owner-b"])
def pair(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stage, owned by A, and a second router with an instance of each kind on each host."""
    with Stage() as stage:
        world = stage.world
        world.network(3, six=False)
        world.router(2, [3])
        world.gateway(2, request.param)
        for name, host in (("x-a", A), ("x-b", B), ("x-c", C), ("y-a", A), ("y-b", B), ("y-c", C)):
            port = stage.ports[name] = world.port(3, host)
            stage.plug(port)
            if name.startswith("x"):
                world.floating_ip(200 + host, port, r=2)
        stage.apply()
        for name in list(stage.ports):
            if name[1] == "-":
                stage.boot(stage.ports[name])
                stage.echo.serve(stage.at(name), PORT, address=stage.ports[name].fixed_ips[0].ip_address)
        yield stage


@pytest.mark.parametrize("caller", ["a1", "a2", "b1", "b2", "c1", "c2"])
def test_instances_of_one_router_reach_floating_ips_of_the_other(pair: Stage, caller: str) -> None:
    for host in (A, B, C):
        target = f"203.0.113.{200 + host}"
        for answer in (tcp(pair.at(caller), target), udp(pair.at(caller), target, octets=bytes(4096))):
            assert answer is not None, (caller, target)
            assert answer.source == target
        assert ping(pair.at(caller), target) == target
    assert ping(pair.at(caller), gateway_ip(2)) == gateway_ip(2)


@pytest.mark.parametrize("caller", ["x-a", "x-b", "x-c", "y-a", "y-b", "y-c"])
def test_and_back(pair: Stage, caller: str) -> None:
    host = {"a": A, "b": B, "c": C}[caller[2]]
    for last in (101, 102, 103, 104, 105, 110):
        target = f"203.0.113.{last}"
        for answer in (tcp(pair.at(caller), target), udp(pair.at(caller), target, octets=bytes(4096))):
            assert answer is not None, (caller, target)
            assert answer.source == target
            if caller.startswith("x"):
                assert answer.seen == f"203.0.113.{200 + host}"
            else:
                assert answer.seen == gateway_ip(2)
                assert BLOCK * host <= answer.port < BLOCK * (host + 1)
        assert ping(pair.at(caller), target) == target
    assert tcp(pair.at(caller), OUTSIDE) is not None
    assert ping(pair.at(caller), gateway_ip(1)) == gateway_ip(1)


def test_inside_addresses_of_the_other_router_are_out_of_reach(pair: Stage) -> None:
    own = pair.ports["y-b"].fixed_ips[0].ip_address
    with watched(pair.at("y-b"), "eth0") as seen:
        for caller in ("a1", "b1", "b2", "c2"):
            source = pair.ports[caller].fixed_ips[0].ip_address
            send(pair.at(caller), ipv4(source, own, 17, udp_segment(9, 9)))
        assert udp(pair.at("y-b"), OUTSIDE) is not None
        assert not [f for f in seen.read() if f.kind == "ip" and f.octets[34:38] == b"\0\x09\0\x09"]


def test_the_others_go_on_when_the_owner_is_gone_for_good() -> None:
    with Stage() as stage:
        lost = HostName(stage.world.host(A))
        talks = {name: tcp(stage.at(name), OUTSIDE) for name in ("b2", "c2")}
        assert all(talks.values())
        stage.fabric.run(f"ip link set u-{lost} down", f"ip link set e-{lost} down")
        stage.world.gateway(1, B)
        stage.apply(*(HostName(stage.world.host(h)) for h in (B, C)))
        for name in ("b1", "b2", "c1", "c2", "c3"):
            assert tcp(stage.at(name), OUTSIDE) is not None, name
            assert ping(stage.at(name), gateway_ip(1)) == gateway_ip(1)
        for last in (103, 104, 105, 110):
            assert tcp(stage.outside, f"203.0.113.{last}") is not None, last
        # Who comes back is told before it is heard: it no longer owns.
        stage.apply(lost)
        stage.fabric.run(f"ip link set u-{lost} up", f"ip link set e-{lost} up")
        for name in ("a1", "a2", "b2", "c2"):
            assert tcp(stage.at(name), OUTSIDE) is not None, name
        assert tcp(stage.outside, "203.0.113.101") is not None
