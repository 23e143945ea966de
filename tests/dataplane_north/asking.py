"""Every question of one caller of the stage, and who must be seen to ask."""

from tests.dataplane_north.echo import Answer, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import (
    FLOATING,
    FORWARDED,
    FORWARDS,
    GATEWAY,
    INSTANCES,
    OUT,
    VIRTUAL,
    Stage,
    is_seen_as,
)

WITHOUT = [name for name in INSTANCES if name not in FLOATING]
ADDRESSES = [*(f"203.0.113.{last}" for last in FLOATING.values()), VIRTUAL]
_BIG = bytes(4096)


def all_answer(stage: Stage, caller: str, sees: str | None = None) -> None:
    """Every address answers a caller, who is seen from `sees`, or as always."""

    def check(answer: Answer | None, target: str) -> None:
        assert answer is not None, f"{caller} to {target}"
        assert answer.source == target
        right = is_seen_as(caller, answer.seen, answer.port) if sees is None else answer.seen == sees
        assert right, (caller, target, answer)

    place = stage.at(caller)
    for target in ADDRESSES if caller == OUT else [*ADDRESSES, OUTSIDE]:
        check(tcp(place, target), target)
        check(udp(place, target, octets=_BIG), target)
        assert ping(place, target) == target, f"{caller} to {target}"
    assert ping(place, GATEWAY) == GATEWAY
    for protocol, port in FORWARDS:
        ask = tcp if protocol == "tcp" else udp
        check(ask(place, FORWARDED, port), FORWARDED)
