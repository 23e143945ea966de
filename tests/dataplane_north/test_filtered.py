"""Hosts whose bridged packets walk the host's own tables too (bridge-nf-call-iptables), as Docker wants it."""

from collections.abc import Iterator

import pytest

from tests.dataplane_north.asking import all_answer
from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FORWARDED, GATEWAY, INSTANCES, OUT, A, B, Stage
from tests.dataplane_north.wire import ACK, dropped, ipv4, send, tcp_segment, udp_segment, watched

pytestmark = pytest.mark.root

CALLS = [(f"bridge/bridge-nf-call-{table}", "1") for table in ("iptables", "ip6tables", "arptables")]
STRANGERS = """
table ip strangers {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        counter ct state related,established accept
    }
}
table ip6 strangers {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state related,established accept
    }
}
"""
"""What a container engine loads: it tracks connections and translates its own network's."""


@pytest.fixture(scope="module", params=[(A, ""), (B, STRANGERS)], ids=["alone", "with-the-rules-of-others"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stage, on such hosts."""
    owner, rules = request.param
    with Stage(owner) as made:
        for machine in made.machines.values():
            machine.place.write(CALLS)
            machine.place.run(f"nft -f - <<'END'\n{rules}\nEND")
        yield made


@pytest.mark.parametrize("caller", [*INSTANCES, OUT])
def test_everything_answers_where_the_hosts_own_tables_see_bridged_packets(stage: Stage, caller: str) -> None:
    for machine in stage.machines.values():
        calls = machine.place.run(*(f"cat /proc/sys/net/{path}" for path, _ in CALLS))
        assert calls.split() == ["1"] * len(CALLS)
    all_answer(stage, caller)
    if caller != OUT:
        for port in stage.ports.values():
            inside = port.fixed_ips[0].ip_address
            for answer in (tcp(stage.at(caller), inside), udp(stage.at(caller), inside, octets=bytes(4096))):
                assert answer is not None, f"{caller} to {inside}"
                assert answer.seen == stage.ports[caller].fixed_ips[0].ip_address


def test_nothing_private_leaves_and_nobody_comes_in_where_the_hosts_own_tables_see_bridged_packets(
    stage: Stage,
) -> None:
    inside = [port.fixed_ips[0].ip_address for port in stage.ports.values()]
    stage.upstream.run(f"ip route replace 10.0.0.0/8 via {GATEWAY}")
    try:
        with watched(stage.upstream, "ext0") as seen:
            for name, own in zip(stage.ports, inside, strict=True):
                ends = (own, OUTSIDE)
                send(stage.at(name), ipv4(*ends, 6, tcp_segment(ends, (5000, 80), ACK)), ipv4(*ends, 132, bytes(12)))
                send(stage.at(name), ipv4("192.0.2.9", OUTSIDE, 17, udp_segment(9, 9)))
                assert udp(stage.at(name), OUTSIDE) is not None
                assert ping(stage.outside, own, patience=0.2) is None
            senders = {f.sender for f in seen.read() if f.kind == "ip" and f.source.startswith("fa:16:3e:02")}
    finally:
        stage.upstream.run("ip route del 10.0.0.0/8")
    assert senders
    assert not senders & {*inside, "192.0.2.9"}


def test_hosts_hold_what_was_compiled_and_what_others_put_there(stage: Stage) -> None:
    assert tcp(stage.outside, FORWARDED, PORT) is not None
    stage.settled()
    for machine in stage.machines.values():
        if "table ip strangers" in machine.place.run("nft list tables"):
            assert dropped(machine.place) > 0, "they see the packets"
