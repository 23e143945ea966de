"""`onehop host`: what a host may be is said when it is added and later, and shown beside what its agent claims."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from onehop.cli.root import run
from onehop.controller import pki
from onehop.store import HostRow, Store
from onehop.store.record import Approval

CLAIMED = {"vtep": "192.0.2.1", "underlay_mtu": 1500, "physical_networks": ["external"]}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A controller's configuration, with a CA."""
    pki.init(tmp_path / "pki")
    path = tmp_path / "controller.toml"
    path.write_text(
        f'database_url = "sqlite:///{tmp_path}/onehop.db"\nstate_dir = "{tmp_path}"\npki_dir = "{tmp_path}/pki"\n'
        'stream_address = "192.0.2.10:9697"\n'
    )
    return path


class Cli:
    """`onehop host`, on a controller's store."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self._capsys = config, capsys

    def __call__(self, *words: str) -> str:
        assert run(["host", *words, "--config", str(self.config)]) == 0, self._capsys.readouterr()
        return self._capsys.readouterr().out

    @property
    def known(self) -> HostRow:
        return msgspec.convert(msgspec.json.decode(self("show", "host-1", "--json"))["host"], HostRow)


@pytest.fixture
def cli(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    level = logging.getLogger().level
    yield Cli(config, capsys)
    logging.getLogger().setLevel(level)


def test_a_host_may_be_what_was_said_when_it_was_added_or_since(cli: Cli) -> None:
    cli("add", "host-1", "--gateway", "--physical-network", "lan", "--physical-network", "external")
    assert cli.known.approved == Approval(True, ("external", "lan"))
    cli("set", "host-1", "--no-gateway")
    assert cli.known.approved == Approval(False, ("external", "lan"))
    cli("set", "host-1", "--physical-network", "lan")
    assert cli.known.approved == Approval(False, ("lan",))
    cli("set", "host-1", "--no-physical-network", "--gateway")
    assert cli.known.approved == Approval(True)


def test_what_an_agent_claims_beyond_that_is_shown_with_what_would_approve_it(cli: Cli) -> None:
    cli("add", "host-1")
    store = Store.open(f"sqlite:///{cli.config.parent}/onehop.db")
    store.run(lambda tx: tx.open_session("host-1", **CLAIMED, details={"gateway_host": True}))
    store.close()
    assert "gateway host on external" in cli("list")
    shown = cli("show", "host-1")
    assert "onehop host set host-1 --gateway --physical-network external" in shown
    cli("set", "host-1", "--gateway", "--physical-network", "external")
    assert cli.known.refused == Approval()
    assert (cli.known.gateway_host, cli.known.physical_networks) == (True, ("external",))
