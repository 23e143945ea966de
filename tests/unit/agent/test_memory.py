"""What a host keeps of reigns."""

from pathlib import Path

import pytest

from onehop.agent.memory import FILE, Reigns
from onehop.errors import LocalCopyError
from onehop.model.reign import Reign
from onehop.net.identifier import HostName, RouterId
from tests.worlds import uid

REIGN = Reign(router=RouterId(uid(1)), generation=5, epoch=2, owner=HostName("host-2"), vacant=True)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    assert Reigns(tmp_path).load() == []
    Reigns(tmp_path).keep((REIGN,))
    assert Reigns(tmp_path).load() == [REIGN]
    Reigns(tmp_path).keep(())
    assert Reigns(tmp_path).load() == []


@pytest.mark.parametrize("content", [b"", b"[{}]", b'[{"router":"../x","generation":1,"epoch":1,"owner":"host-2"}]'])
def test_a_damaged_file_is_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(LocalCopyError):
        Reigns(tmp_path).load()


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    Reigns(tmp_path / "missing").keep((REIGN,))
