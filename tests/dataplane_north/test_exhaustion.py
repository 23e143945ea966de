"""Connections that the kernel refuses because nothing is left to tell them by: counted, told apart (walks 5, 7)."""

from collections.abc import Iterator

import pytest

from onehop.agent.ports import Blocks, Ports
from onehop.model.gateway import PortBlock
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects.conntrack import Load
from tests.dataplane_north.echo import tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import GATEWAY, A, B, Stage
from tests.dataplane_north.wire import ipv4, send, udp_segment, watched

pytestmark = pytest.mark.root

SIZE = 64
PORTS = Blocks(GATEWAY, SIZE)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stage, with a small block for B."""
    with Stage(A) as made:
        made.world.gateway(1, A, blocks={B: (PortBlock(2048, SIZE),)})
        made.apply()
        yield made


def _load(stage: Stage, host: int, before: int | None = None) -> Load:
    namespace = naming.router_namespace(stage.world.router_id(1))
    return stage.machines[stage.world.host(host)].kernel.load(namespace, GATEWAY, PORTS.enough, before)


def test_a_full_block_refuses_one_destination_and_is_counted(stage: Stage) -> None:
    own, router, ports = stage.ports["b2"].fixed_ips[0].ip_address, RouterId(stage.world.router_id(1)), Ports()
    assert _load(stage, B) == Load()
    ports.take(router, PORTS, _load(stage, B), 1.0)
    with watched(stage.outside, "eth0") as seen:
        send(stage.at("b2"), *(ipv4(own, OUTSIDE, 17, udp_segment(5000 + n, 9)) for n in range(3 * SIZE)))
        assert tcp(stage.at("b2"), OUTSIDE) is not None, "another destination"
        frames = [f for f in seen.read() if f.kind == "ip" and f.sender == GATEWAY and f.octets[23] == 17]
    assert len({f.octets[34:36] for f in frames}) == len(frames) == SIZE
    load = _load(stage, B)
    assert (load.used, load.failed) == (SIZE, 2 * SIZE)
    use = ports.take(router, PORTS, load, 2.0)
    assert use is not None
    assert (use.used, use.failed) == (SIZE, 2 * SIZE)
    assert ports.short(2.0)[router].startswith(f"{2 * SIZE} connections found no free source port")
    # Who has a floating IP, and other hosts, have ports of their own.
    for name in ("b1", "a2", "c2"):
        assert udp(stage.at(name), OUTSIDE) is not None


def test_a_second_speaker_of_a_protocol_without_ports_is_counted_where_that_is_translated(stage: Stage) -> None:
    before = _load(stage, A).failed
    with watched(stage.outside, "eth0") as seen:
        for name in ("a2", "b2", "c2"):
            own = stage.ports[name].fixed_ips[0].ip_address
            send(stage.at(name), ipv4(own, OUTSIDE, 47, bytes(40)))
            assert udp(stage.at(name), OUTSIDE) is not None
        spoken = [f for f in seen.read() if f.kind == "ip" and f.octets[23] == 47]
    assert [f.sender for f in spoken] == [GATEWAY]
    assert not _load(stage, A).portless, "it costs, and nobody asked"
    load = _load(stage, A, before)
    assert load.failed >= before + 2
    assert load.portless
