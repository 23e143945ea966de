"""The model and the packets agree: every directed question of the stage, with each setting of the gateway."""

from collections.abc import Iterator

import pytest

from onehop.net.identifier import PortId
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PORT
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import (
    FLOATING,
    FORWARDED,
    FORWARDS,
    GATEWAY,
    INSTANCES,
    OUT,
    VIRTUAL,
    VIRTUAL_INSIDE,
    A,
    B,
    C,
    Stage,
)
from tests.northern import BLOCK, UPSTREAM

pytestmark = [pytest.mark.root, pytest.mark.slow]

_SETTINGS: dict[str, dict[str, object]] = {
    "plain-a": {"owner": A},
    "plain-b": {"owner": B},
    "without-snat-b": {"owner": B, "enable_snat": False},
    "centralized-a": {"owner": A, "distributed": False},
    "blockless-b-c": {"owner": A, "blockless": (B, C)},
    "blockless-a": {"owner": A, "blockless": (A,)},
    "ownerless": {"owner": None},
}


@pytest.fixture(scope="module", params=_SETTINGS.values(), ids=_SETTINGS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage with one of the settings."""
    with Stage(**request.param) as made:
        if request.param.get("enable_snat") is False:
            made.upstream.run(*(f"ip route add 10.0.{n}.0/24 via {GATEWAY}" for n in (1, 2)))
        yield made


def _questions(stage: Stage, caller: str) -> Iterator[Asked]:
    port = None if caller == OUT else stage.ports[caller].id
    inside = [p.fixed_ips[0].ip_address for p in stage.ports.values()]
    external = [*(f"203.0.113.{last}" for last in FLOATING.values()), VIRTUAL, GATEWAY, FORWARDED]
    targets = [*inside, *external, VIRTUAL_INSIDE, "10.0.1.1", "10.0.2.1", "10.0.1.77", "203.0.113.77", "169.254.1.1"]
    for target in [*targets, "169.254.255.254"] + ([] if caller == OUT else [OUTSIDE]):
        for protocol, number in (("icmp", 0), ("tcp", PORT), ("udp", PORT)):
            yield Asked(stage.at(caller), question(port, target, protocol, number))
    if caller != OUT:
        yield Asked(stage.at(caller), question(port, UPSTREAM, "icmp", 0))
    for protocol, number in (*FORWARDS, ("tcp", 8002), ("udp", 9000)):
        yield Asked(stage.at(caller), question(port, FORWARDED, protocol, number))


def test_model_and_packets_agree_on_every_directed_question(stage: Stage) -> None:
    world = world_of(stage, {PortId(stage.ports["b2"].id): (f"{VIRTUAL_INSIDE}/24",)})
    asked = [one for caller in (*INSTANCES, OUT) for one in _questions(stage, caller)]
    assert len(asked) > 700
    wrong = disagreements(world, asked, BLOCK)
    assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong[:6])
