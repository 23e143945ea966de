"""Names of namespaces: whose they are while no namespace is on them."""

from pathlib import Path

import pytest

from onehop.kernel.names import reserve, tidy
from onehop.net.naming import MARK
from tests.contract.hosts import LinuxHost


def test_a_name_without_a_namespace_goes_if_it_is_ours_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "qrouter-1").write_bytes(MARK.encode())
    (tmp_path / "qrouter-2").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert tidy(tmp_path) == ["qrouter-1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "qrouter-2"]
    assert tidy(tmp_path / "nowhere") == []


@pytest.mark.root
def test_who_dies_between_a_name_and_its_namespace_leaves_a_name_that_the_next_one_removes() -> None:
    host = LinuxHost()
    try:
        path = reserve(host.directory, "qrouter-1")
        assert path.exists()
        host.kernel.tidy()
        assert not path.exists()
    finally:
        host.close()
