"""Security groups in small worlds of their own: what is tracked, and for whom."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from onehop.model.security_group import SecurityRule
from onehop.net import naming
from tests.dataplane_north.echo import PORT, Echo, tcp, udp
from tests.dataplane_north.guarded import OUT, A
from tests.dataplane_north.site import Site
from tests.dataplane_north.wire import ipv4, send, udp_segment, watched
from tests.northern import Northern

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_a_network_whose_ports_let_everything_pass_is_not_tracked() -> None:
    world = Northern(hosts=1)
    world.network(1)
    world.network(2)
    ports = [world.port(1, A), world.port(2, A, groups=[])]
    with Site(world) as site:
        for port in ports:
            site.plug(port)
        site.apply()
        place = site.machines[world.host(A)].place
        for network in (1, 2):
            shown = place.run(f"ip -d link show {naming.bridge(world.network_id(network))}")
            assert "nf_call_iptables 0" in shown
        assert "inet onehop-security" not in place.run("nft list tables")
        site.world.change(ports[1].id, security_groups=(world.group(1, *OUT),))
        site.apply()
        assert "nf_call_iptables 1" in place.run(f"ip -d link show {naming.bridge(world.network_id(2))}")
        site.settled()


def test_projects_with_the_same_addresses_do_not_share_connections() -> None:
    """The second project's answer may not pass because the first one's question did."""
    world = Northern(hosts=1)
    group = world.group(1, *OUT)
    for n in (1, 2):
        world.network(n, six=False)
        world.change(world.subnet_id(n), cidr="10.0.1.0/24", gateway_ip="10.0.1.1")
    asking, asked = world.port(1, A, groups=[group]), world.port(1, A)
    twins = world.port(2, A, groups=[group]), world.port(2, A)
    for port, other in zip((asking, asked), twins, strict=True):
        fixed = msgspec.structs.replace(other.fixed_ips[0], ip_address=port.fixed_ips[0].ip_address)
        world.change(other.id, fixed_ips=(fixed,))
    with Site(world) as site:
        for port in (asking, asked, *twins):
            site.plug(port)
        site.apply()
        view = world.topology()
        for port in (asking, asked, *twins):
            site.boot(view.ports[port.id])
        target, own = asked.fixed_ips[0].ip_address, asking.fixed_ips[0].ip_address
        with ThreadPoolExecutor(2) as pool, watched(site.instances[twins[0].id], "eth0") as seen:
            question = udp_segment(4000, 4001)
            send(site.instances[asking.id], ipv4(own, target, 17, question))
            answer = ipv4(target, own, 17, udp_segment(4001, 4000))
            pool.submit(send, site.instances[twins[1].id], answer).result()
            assert [f for f in seen.wait(1, patience=0.5) if f.kind == "ip"] == []
        with watched(site.instances[asking.id], "eth0") as seen:
            send(site.instances[asked.id], answer)
            assert seen.wait(1)


def test_a_stateless_group_needs_a_rule_for_answers_too() -> None:
    world = Northern(hosts=1)
    world.network(1, six=False)
    there = SecurityRule(direction="ingress", version=4, protocol=17, first=PORT, last=PORT)
    stateful, stateless = world.group(1, *OUT), world.group(2, *OUT, there, stateful=False)
    asking, plain, server = world.port(1, A, groups=[stateful]), world.port(1, A, groups=[stateless]), world.port(1, A)
    echo = Echo()
    with Site(world) as site:
        try:
            for port in (asking, plain, server):
                site.plug(port)
            site.apply()
            for port in (asking, plain, server):
                site.boot(port)
                echo.serve(site.instances[port.id], PORT, address=port.fixed_ips[0].ip_address)
            called = server.fixed_ips[0].ip_address
            assert udp(site.instances[asking.id], called) is not None
            assert udp(site.instances[plain.id], called) is None
            # A stateful port that asks a stateless one gets its answer; the stateless one lets the question in.
            assert udp(site.instances[asking.id], plain.fixed_ips[0].ip_address) is not None
            assert tcp(site.instances[asking.id], plain.fixed_ips[0].ip_address) is None
        finally:
            echo.close()
