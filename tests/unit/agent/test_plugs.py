"""Plug records: kept across restarts, one for a port, never lost to a crash or guessed."""

from pathlib import Path

import pytest

from onehop.agent.plugs import FILE, Plugs
from onehop.compiler.state import Plug
from onehop.errors import ConflictError, LocalCopyError
from onehop.net.identifier import PortId
from tests.worlds import uid

PORT = PortId(uid(1))


def test_a_plug_is_there_after_a_restart(tmp_path: Path) -> None:
    assert Plugs(tmp_path).add(Plug(PORT, "vm-1"))
    assert Plugs(tmp_path).all == {PORT: Plug(PORT, "vm-1")}


def test_plugging_the_same_again_changes_nothing(tmp_path: Path) -> None:
    plugs = Plugs(tmp_path)
    plugs.add(Plug(PORT, "vm-1"))
    before = (tmp_path / FILE).stat().st_mtime_ns
    assert not plugs.add(Plug(PORT, "vm-1"))
    assert (tmp_path / FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize("other", [Plug(PORT, "vm-2"), Plug(PORT), Plug(PORT, "vm-1", "eth1")])
def test_a_second_plug_elsewhere_is_refused_and_names_the_first(tmp_path: Path, other: Plug) -> None:
    plugs = Plugs(tmp_path)
    plugs.add(Plug(PORT, "vm-1"))
    with pytest.raises(ConflictError, match="vm-1"):
        plugs.add(other)
    assert plugs.all == {PORT: Plug(PORT, "vm-1")}


def test_unplugging_twice_is_harmless(tmp_path: Path) -> None:
    plugs = Plugs(tmp_path)
    plugs.add(Plug(PORT))
    assert plugs.remove(PORT)
    assert not plugs.remove(PORT)
    assert Plugs(tmp_path).all == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 9, "plugs": []}', b'{"version":1,"plugs":[{"port_id":"../x"}]}']
)
def test_records_that_cannot_be_read_stop_the_agent_and_stay(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(LocalCopyError, match=FILE):
        Plugs(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_record_that_cannot_be_written_is_not_kept(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    plugs = Plugs(directory)
    directory.rmdir()
    with pytest.raises(OSError, match="No such file"):
        plugs.add(Plug(PORT))
    assert plugs.all == {}
