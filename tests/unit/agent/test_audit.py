"""The audit of a host: clean where all is well, and each check has a case in which it must fail."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from msgspec.structs import replace

from onehop.agent import audit, credential
from onehop.agent.request import AuditAnswer, Problem, StatusAnswer
from onehop.audit import PILLARS, Result
from onehop.compiler.state import Local, Plug
from onehop.controller import pki
from onehop.kernel import capability
from onehop.kernel.surroundings import Chain
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import Link, Namespace, Ruleset, Tap
from onehop.settings import AgentSettings
from tests.unit.agent.bench import Bench, routed
from tests.unit.controller.streams import request_for

NOW = dt.datetime.now(dt.UTC)
CALM = StatusAnswer(
    host="host-1",
    pid=1,
    controller="192.0.2.9:9697",
    connected=True,
    controller_error="",
    wanted=7,
    applied=7,
    in_sync=True,
    complete=True,
    plugs=0,
    resources={},
    objects=0,
    failing=0,
    writes=0,
    problems=[],
    warnings=[],
    notes=[],
)
NOTHING = AuditAnswer(
    software=audit.__version__,
    complete=True,
    drift=[],
    leaks=[],
    blocked=[],
    foreign=[],
    namespaces=[],
    unprotected=[],
)
SETTINGS = {
    "net/ipv4/neigh/default/gc_thresh3": "65536",
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/netfilter/nf_conntrack_max": "262144",
    "net/netfilter/nf_conntrack_count": "1000",
}


@pytest.fixture
def facts(tmp_path: Path) -> audit.Facts:
    state, run = tmp_path / "state", tmp_path / "run"
    pki.init(tmp_path / "pki")
    for directory in (state, run):
        directory.mkdir(mode=0o700)
    (run / "agent.sock").touch(0o600)
    certify(tmp_path, state, 365)
    return audit.Facts(
        settings=AgentSettings(
            host="host-1", controller="c:1", vtep="192.0.2.1", state_dir=str(state), run_dir=str(run)
        ),
        status=CALM,
        seen=NOTHING,
        capabilities=capability.NEEDED,
        setting=SETTINGS.get,
        chains=(),
        legacy=False,
        now=NOW,
    )


def certify(tmp_path: Path, state: Path, days: float) -> None:
    request = request_for("host-1").encode()
    certificate = pki.sign_host(tmp_path / "pki", HostName("host-1"), request, days)
    (state / credential.CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (state / credential.KEY).touch(0o600)


def findings(facts: audit.Facts, state: str = "finding") -> dict[str, Result]:
    return {result.check: result for result in audit.results(facts) if result.state == state}


def status(**values: Any) -> Callable[[audit.Facts], audit.Facts]:
    return lambda facts: replace(facts, status=replace(facts.status, **values))


def seen(**values: Any) -> Callable[[audit.Facts], audit.Facts]:
    return lambda facts: replace(facts, seen=replace(facts.seen, **values))


def setting(path: str, value: str, **values: Any) -> Callable[[audit.Facts], audit.Facts]:
    return lambda facts: replace(facts, setting={**SETTINGS, path: value}.get, **values)


def opened(name: str) -> Callable[[audit.Facts], audit.Facts]:
    def break_it(facts: audit.Facts) -> audit.Facts:
        (Path(facts.settings.state_dir) / name).chmod(0o644)
        return facts

    return break_it


def another(facts: audit.Facts) -> audit.Facts:
    return replace(facts, settings=replace(facts.settings, host="host-2"))


def ended(facts: audit.Facts) -> audit.Facts:
    return replace(facts, now=facts.now + dt.timedelta(days=340))


DROPS = Chain("inet", "filter", "FORWARD", forward=True, drops=True)
ON = "net/bridge/bridge-nf-call-iptables"
BROKEN: list[tuple[str, Callable[[audit.Facts], audit.Facts]]] = [
    ("files of the agent", opened(credential.KEY)),
    ("files of the agent", opened("")),
    ("certificate", ended),
    ("certificate", lambda facts: replace(facts, settings=replace(facts.settings, state_dir="/nowhere"))),
    ("foreign forward chains", setting(ON, "1", chains=(DROPS,))),
    ("names that others hold", seen(blocked=["link tap1: foreign"])),
    ("foreign objects in our namespaces", seen(foreign=["link qrouter-x eth7"])),
    ("leaks", seen(leaks=["ip link del brq1"])),
    ("namespaces that are not declared", seen(namespaces=["qrouter-x"])),
    ("neighbour table", setting("net/ipv4/neigh/default/gc_thresh3", "1024")),
    ("connection table", setting("net/netfilter/nf_conntrack_count", "250000")),
    ("revision", status(applied=6, in_sync=False)),
    ("drift", seen(drift=["route qrouter-x 10.0.0.0/24"])),
    ("port protection", seen(unprotected=["tap1"])),
    ("capabilities of the agent", lambda facts: replace(facts, capabilities=capability.NEEDED | {16})),
    ("host's name", another),
    ("controller", status(connected=False, controller_error="refused")),
    ("what fails", status(problems=[Problem(what="port x", reason="ENOSPC")])),
    ("view", status(complete=False)),
    ("local copy and plug records", status(warnings=["the local copy is damaged"])),
    ("version", seen(software="0.0.0")),
]


def test_a_host_that_is_well_is_clean(facts: audit.Facts) -> None:
    assert findings(facts) == findings(facts, "note") == {}
    assert {result.pillar for result in audit.results(facts)} == set(PILLARS)


@pytest.mark.parametrize(("check", "break_it"), BROKEN, ids=[f"{n} {check}" for n, (check, _) in enumerate(BROKEN)])
def test_what_is_broken_is_found(
    facts: audit.Facts, check: str, break_it: Callable[[audit.Facts], audit.Facts]
) -> None:
    found = findings(break_it(facts))
    assert check in found
    assert found[check].result
    assert found[check].todo


def test_every_check_has_a_case_in_which_it_fails(facts: audit.Facts) -> None:
    assert {check for check, _ in BROKEN} | {"bridge-nf-call"} == {result.check for result in audit.results(facts)}


def test_what_others_need_is_noted_and_no_finding(facts: audit.Facts) -> None:
    docker = setting(ON, "1")(facts)
    assert "17 %" in findings(docker, "note")["bridge-nf-call"].result
    assert findings(docker) == {}


# what the agent itself sees -------------------------------------------------------------------------------------------


def plugged() -> tuple[Bench, str]:
    """A bench with a routed network, and an instance with its table; the name of its tap."""
    world, port, _ = routed(1)
    bench = Bench()
    bench.local = Local({port.id: Plug(port.id, None, "")})
    bench.engine.equip(bench.local)
    bench.see(world)
    return bench, naming.tap(port.id)


def tap_of(namespace: str, name: str, alias: str) -> Link:
    return Link(namespace=namespace, name=name, spec=Tap(), alias=alias, mtu=1500)


def test_an_engine_that_is_done_sees_nothing() -> None:
    bench, tap = plugged()
    found = audit.seen(bench.engine)
    assert (found.complete, found.drift, found.leaks, found.blocked, found.foreign, found.namespaces) == (
        (True,) + ([],) * 5
    )
    has_table = any(
        isinstance(item, Ruleset) and item.family == "netdev" and item.table.endswith(f"-{tap}")
        for item in bench.ours().values()
    )
    assert found.unprotected == ([] if has_table else [tap])


def test_a_tap_without_its_table_is_seen() -> None:
    bench, tap = plugged()
    for item in bench.ours().values():
        if isinstance(item, Ruleset) and item.table.endswith(f"-{tap}"):
            bench.kernel.uproot(item)
    assert audit.seen(bench.engine).unprotected == [tap]


def test_what_somebody_took_away_is_drift() -> None:
    bench, _ = plugged()
    route = next(item for item in bench.ours().values() if item.kind == "route" and item.namespace)
    bench.kernel.uproot(route)
    found = audit.seen(bench.engine)
    assert any("route" in said for said in found.drift)
    assert found.leaks == []


def test_what_is_ours_and_nobody_wants_is_a_leak() -> None:
    bench, _ = plugged()
    bench.kernel.plant(tap_of("", "tapleft", naming.mark("net/x", "port", "left")))
    assert any("tapleft" in said for said in audit.seen(bench.engine).leaks)


def test_foreign_links_in_our_namespaces_and_foreign_routers_are_seen() -> None:
    bench, _ = plugged()
    space = next(item.namespace for item in bench.ours().values() if isinstance(item, Namespace))
    bench.kernel.plant(tap_of(space, "eth7", ""), foreign=True)
    bench.kernel.plant(Namespace(namespace="qrouter-other", mark=""), foreign=True)
    bench.kernel.plant(Namespace(namespace="anything", mark=""), foreign=True)
    found = audit.seen(bench.engine)
    assert any(said.endswith("eth7") for said in found.foreign)
    assert found.namespaces == ["qrouter-other"]
