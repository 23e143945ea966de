"""Who reaches whom, by which address, and who answers: walks 3 to 6, 8 and 9, with each host as the owner."""

from collections.abc import Iterator

import pytest

from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import (
    FLOATING,
    FORWARDED,
    FORWARDS,
    GATEWAY,
    INSTANCES,
    OUT,
    VIRTUAL,
    A,
    B,
    Stage,
    is_seen_as,
)

pytestmark = pytest.mark.root

CALLERS = (*INSTANCES, OUT)
BIG = bytes(range(256)) * 16


@pytest.fixture(scope="module", params=[A, B], ids=["owner-a", "owner-b"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stage, with A and then B as the owner."""
    with Stage(owner=request.param) as made:
        yield made


def _addresses(caller: str) -> list[str]:
    targets = [f"203.0.113.{last}" for last in FLOATING.values()] + [VIRTUAL]
    return targets if caller == OUT else [*targets, OUTSIDE]


@pytest.mark.parametrize("caller", CALLERS)
def test_every_address_answers_tcp_from_the_address_that_was_called(stage: Stage, caller: str) -> None:
    for target in _addresses(caller):
        answer = tcp(stage.at(caller), target)
        assert answer is not None, f"{caller} to {target}"
        assert answer.source == target
        assert is_seen_as(caller, answer.seen, answer.port), (caller, target, answer)


@pytest.mark.parametrize("size", [5, 4096])
@pytest.mark.parametrize("caller", CALLERS)
def test_every_address_answers_udp_from_the_address_that_was_called(stage: Stage, caller: str, size: int) -> None:
    for target in _addresses(caller):
        answer = udp(stage.at(caller), target, octets=BIG[:size])
        assert answer is not None, f"{caller} to {target}"
        assert answer.source == target
        assert is_seen_as(caller, answer.seen, answer.port), (caller, target, answer)


@pytest.mark.parametrize("size", [56, 4000])
@pytest.mark.parametrize("caller", CALLERS)
def test_every_address_and_the_gateway_answer_echo_requests(stage: Stage, caller: str, size: int) -> None:
    for target in (*_addresses(caller), GATEWAY, FORWARDED):
        assert ping(stage.at(caller), target, size) == target, f"{caller} to {target}"


@pytest.mark.parametrize("caller", CALLERS)
def test_forwarded_ports_lead_to_the_instance_from_everywhere(stage: Stage, caller: str) -> None:
    for protocol, port in FORWARDS:
        ask = tcp if protocol == "tcp" else udp
        answer = ask(stage.at(caller), FORWARDED, port)
        assert answer is not None, f"{caller} to {protocol} {port}"
        assert answer.source == FORWARDED
        assert is_seen_as(caller, answer.seen, answer.port), (caller, protocol, port, answer)


def test_large_answers_through_forwarded_ports_and_tcp_come_whole(stage: Stage) -> None:
    for caller in CALLERS:
        answer = udp(stage.at(caller), FORWARDED, PORT, BIG)
        assert answer is not None, caller
        for target in ("203.0.113.104", VIRTUAL, "203.0.113.103"):
            stream = tcp(stage.at(caller), target, octets=BIG * 64)
            assert stream is not None, (caller, target)
            assert stream.octets == BIG * 64


def test_hosts_hold_what_was_compiled_and_nothing_else(stage: Stage) -> None:
    stage.settled()
