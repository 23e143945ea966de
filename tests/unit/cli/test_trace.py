"""`onehop trace`: what a person reads, what a program reads, and what is refused."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from onehop.cli.root import run
from onehop.cli.trace_show import show
from onehop.lab.live import Live
from onehop.verify.trace import Trace
from tests.northern import Northern
from tests.unit.verify.world import ask, model


def asked(destination: str) -> Trace:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 1)
    port = world.port(1, 3)
    return ask(model(world), port, destination, "tcp")


@pytest.fixture
def trace() -> Trace:
    return asked("198.51.100.2")


def shown(trace: Trace, live: Live | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    show(trace, live)
    return capsys.readouterr().out


def test_a_trace_reads_by_host_and_namespace(
    trace: Trace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(trace, None, capsys, monkeypatch)
    lines = text.splitlines()
    assert lines[0] == "10.0.1.10.40000 > 198.51.100.2.80 tcp [S]"
    router = "qrouter-00001001-0000-4000-8000-000000001001"
    heads = [line for line in lines if line.startswith(("host-", "outside"))]
    assert heads[1:] == ["host-3", f"host-3: {router}", f"host-1: {router}", "host-1", "outside: upstream"]
    assert "          ip protocol { icmp, tcp, udp } snat to 203.0.113.10:3072-4095" in lines
    assert "          + 203.0.113.10.3072 > 198.51.100.2.80 tcp [S]" in lines
    assert "VXLAN 5001 from 192.0.2.3 to 192.0.2.1, UDP port 4789" in text
    assert "the answer 198.51.100.2.80 > 203.0.113.10.3072 tcp [S.]" in lines
    assert "    nat now 198.51.100.2.80 > 10.0.1.10.40000 tcp [S.]" in lines
    assert lines[-2:] == [
        "reaches the outside, and the answer comes from 198.51.100.2",
        "  seen there as 203.0.113.10 port 3072",
    ]


def test_a_death_is_shown_with_its_rule(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    dead = asked("169.254.7.7")
    text = shown(dead, None, capsys, monkeypatch)
    assert "  table ip onehop-north, chain from_inside:\n  ip daddr 169.254.0.0/16 counter drop\n" in text


def test_the_source_that_was_seen_is_told_where_it_was_translated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "seen there as" in shown(asked("198.51.100.2"), None, capsys, monkeypatch)
    assert "seen there as" not in shown(asked("10.0.1.1"), None, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("live", "says"),
    [
        (Live(outcome="answered", answered_from="198.51.100.2", milliseconds=0.4, agrees=True), "as the model says"),
        (Live(outcome="silent", agrees=False), "the model says otherwise (answered)"),
        (Live(outcome="silent", agrees=None), "says nothing against the model"),
    ],
)
def test_real_packets_are_compared_with_the_model(
    trace: Trace, live: Live, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert says in shown(trace, live, capsys, monkeypatch)


def test_a_trace_survives_the_wire(trace: Trace) -> None:
    assert msgspec.json.decode(msgspec.json.encode(trace), type=Trace) == trace


@pytest.mark.parametrize(
    "arguments",
    [["trace", "web"], ["trace", "web", "192.0.2.1", "--from-outside"], ["trace", "web", "192.0.2.1", "--live"]],
)
def test_a_trace_needs_to_know_who_asks_and_whom(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err


def test_a_trace_on_the_controllers_host_needs_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", "web", "192.0.2.1", "--config", str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trace_reads_the_store_where_the_controller_runs(tmp_path: Path) -> None:
    config = tmp_path / "controller.toml"
    config.write_text(f'database_url = "sqlite:///{tmp_path}/onehop.db"\nauth = "none"\n')
    # A process of its own: it sets logging up.
    command = [sys.executable, "-m", "onehop", "trace", "web", "192.0.2.1", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Port web could not be found" in done.stderr
