"""`onehop verify`: exit status, the sentence of a violated promise with a packet, and the mutation score."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from onehop.cli.root import run
from onehop.compiler import host
from onehop.compiler.forwarding import forwarding
from onehop.store import Store, Transaction
from tests.store import rows


@pytest.fixture
def config(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Path:
    """A controller's file and store: a network with a port on each of two hosts."""
    url = f"sqlite:///{tmp_path / 'onehop.db'}"
    store = Store.open(url)

    def fill(tx: Transaction) -> None:
        for number, name in enumerate(("host-1", "host-2"), 1):
            tx.add_host(name, gateway_host=False, physical_networks=[])
            tx.open_session(name, vtep=f"192.0.2.{number}", underlay_mtu=1500, physical_networks=[], details={})
        network = rows.network(tx)["id"]
        subnet = rows.subnet(tx, network, "10.0.0.0/24", ("10.0.0.10", "10.0.0.99"))["id"]
        for name in ("host-1", "host-2"):
            rows.port(tx, network, subnet, host=name, port_security_enabled=True)

    store.run(fill)
    store.close()
    path = tmp_path / "controller.toml"
    path.write_text(f'database_url = "{url}"\n')
    return path


@pytest.mark.slow
def test_what_holds_is_proved_and_what_is_broken_is_told_with_a_frame_and_exit_status_1(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["verify", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nobody reaches or passes for somebody else"
    # A compiler that forgets where an instance's frames go.
    features = tuple(feature for feature in host.FEATURES if feature is not forwarding)
    monkeypatch.setattr(host, "FEATURES", features)
    assert run(["verify", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith(" violations")
    assert any(" asks for 10.0.0." in line and line.startswith("port ") for line in lines)
    assert any(line.startswith("  such as ") for line in lines)


@pytest.mark.slow
def test_the_mutation_score_is_told_with_its_seed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["verify", "--config", str(config), "--mutation", "--kinds", "8", "--seed", "5"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["violations"] == []
    assert 4 < found["noticed"] + len(found["missed"]) <= 8
    assert run(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ", seed 5, " in lines[-1]
    assert f"{found['noticed']} of " in lines[-2]
