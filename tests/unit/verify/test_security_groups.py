"""Security groups in the model: what passes, what dies and where, and that a rule that goes is missed."""

import pytest

from onehop.model.port import Port
from onehop.model.security_group import SecurityRule
from onehop.verify.trace import Trace
from tests.northern import Northern
from tests.unit.verify.world import Change, ask, model, without_rule
from tests.worlds import uid

TABLE = "bridge onehop-security"
OUT = [SecurityRule(direction="egress", version=version) for version in (4, 6)]


class Stage:
    """Two hosts; web lets in TCP 80, mates each other, shut nothing; net 2 is behind the router."""

    def __init__(self) -> None:
        self.world = Northern(2, six=True)
        for n in (1, 2):
            self.world.network(n)
        self.world.router(1, [1, 2])
        self.world.gateway(1, 1, six=True)
        web = [SecurityRule(direction="ingress", version=v, protocol=6, first=80, last=80) for v in (4, 6)]
        group = self.world.group(1, *OUT, *web)
        mates = self.world.group(2)
        self.world.group(2, *OUT, *(SecurityRule(direction="ingress", version=v, group=mates) for v in (4, 6)))
        self.web, self.far = self.world.port(1, 1, groups=[group]), self.world.port(2, 2, groups=[group])
        self.mate, self.other = self.world.port(1, 1, groups=[mates]), self.world.port(2, 2, groups=[mates])
        self.open, self.shut = self.world.port(1, 2), self.world.port(1, 1, groups=[])
        self.world.floating_ip(101, self.far)

    def ask(self, port: Port | None, called: Port | str, protocol: str, number: int = 80, version: int = 4) -> str:
        return self.trace(port, called, protocol, number, version).outcome

    def trace(
        self,
        port: Port | None,
        called: Port | str,
        protocol: str,
        number: int = 80,
        version: int = 4,
        change: Change | None = None,
    ) -> Trace:
        to = called if isinstance(called, str) else called.fixed_ips[version == 6].ip_address
        return ask(model(self.world, change), port, to, protocol, number)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_group_lets_in_is_answered_and_nothing_else_arrives(stage: Stage, version: int) -> None:
    for called in (stage.web, stage.far):
        assert stage.ask(stage.open, called, "tcp", version=version) == "answered"
        for protocol, number in (("tcp", 81), ("udp", 80), ("icmp", 0)):
            assert stage.ask(stage.open, called, protocol, number, version) != "answered"
    assert stage.ask(stage.web, stage.far, "tcp", version=version) == "answered"
    assert stage.ask(stage.far, stage.open, "udp", version=version) == "answered"


def test_mates_reach_each_other_and_a_shut_port_nobody(stage: Stage) -> None:
    assert stage.ask(stage.mate, stage.other, "icmp") == "answered"
    assert stage.ask(stage.other, stage.mate, "udp", 53) == "answered"
    assert stage.ask(stage.open, stage.mate, "icmp") != "answered"
    assert stage.ask(stage.open, stage.shut, "tcp") != "answered"
    assert stage.ask(stage.shut, stage.open, "tcp") != "answered"


def test_the_outside_gets_what_the_group_lets_in(stage: Stage) -> None:
    assert stage.ask(None, "203.0.113.101", "tcp", 80) == "answered"
    assert stage.ask(None, "203.0.113.101", "tcp", 81) != "answered"


def test_what_dies_is_said_with_its_chain(stage: Stage) -> None:
    death = stage.trace(stage.open, stage.web, "udp").death
    assert death is not None
    assert (death.table, death.rule) == (TABLE, "counter drop")
    assert death.chain.startswith("in.")
    death = stage.trace(stage.shut, stage.open, "udp").death
    assert death is not None
    assert death.chain == "closed"


def test_without_its_rules_the_answer_is_another(stage: Stage) -> None:
    group = f"in-{uid(0x9001)}"
    gone = without_rule(TABLE, f"jump {group}")
    assert stage.trace(stage.open, stage.web, "tcp", change=gone).outcome != "answered"
    untracked = without_rule("inet onehop-security", "ct zone set")
    assert stage.trace(stage.web, stage.open, "udp", change=untracked).outcome != "answered"
    unfiltered = without_rule(TABLE, "oifname vmap @in")
    assert stage.trace(stage.open, stage.web, "udp", change=unfiltered).outcome == "answered"
