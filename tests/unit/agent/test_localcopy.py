"""The local copy: old or new, never a part; damage is never believed."""

import os
import shutil
import struct
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehop.agent.localcopy import FILE, LocalCopy
from onehop.errors import LocalCopyError
from onehop.model.topology import Topology, Value, ref
from onehop.net.identifier import HostName
from tests.unit.wire import version2
from tests.worlds import World

HOST = HostName("host-1")


def world() -> list[Value]:
    built = World(2)
    built.network(1)
    built.router(1, (1,))
    built.port(1, 1)
    return built.values


def as_dict(view: Topology | None) -> dict[object, Value]:
    assert view is not None
    return {ref(value): value for value in view}


def filled(directory: Path) -> list[Value]:
    """A copy with a whole view and two changes; returns the values."""
    values = world()
    copy = LocalCopy(directory, HOST)
    copy.snapshot(5, values[:-1])
    copy.delta(6, [values[-1]], [])
    copy.delta(7, [], [ref(values[0])])
    assert copy.trouble == ""
    return values[1:]


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    values = filled(tmp_path)
    view = LocalCopy(tmp_path, HOST).load()
    assert view is not None
    assert view.revision == 7
    assert as_dict(view) == {ref(value): value for value in values}


def test_a_host_without_a_copy_begins_with_none(tmp_path: Path) -> None:
    assert LocalCopy(tmp_path, HOST).load() is None


@pytest.mark.slow
def test_a_crash_at_any_octet_leaves_a_view_that_was_complete(tmp_path: Path) -> None:
    filled(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    revisions = set()
    first = len(content) - len(content) // 3
    for cut in range(first, len(content)):
        (tmp_path / FILE).write_bytes(content[:cut])
        try:
            view = LocalCopy(tmp_path, HOST).load()
        except LocalCopyError:
            continue
        assert view is not None
        revisions.add(view.revision)
    assert revisions <= {5, 6, 7}


def test_after_a_cut_the_copy_goes_on_whole(tmp_path: Path) -> None:
    values = filled(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-3])
    copy = LocalCopy(tmp_path, HOST)
    copy.load()
    copy.delta(8, [], [ref(values[0]), ref(world()[0])])
    view = LocalCopy(tmp_path, HOST).load()
    assert view is not None
    assert view.revision == 8


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_copy_is_never_believed(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("copy")
    filled(directory)
    content = bytearray((directory / FILE).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    (directory / FILE).write_bytes(bytes(content))
    try:
        view = LocalCopy(directory, HOST).load()
    except LocalCopyError:
        assert list(directory.iterdir()) == [directory / f"{FILE}.damaged"]
        return
    # Damage of the end looks like a crash while it was written: the view before that is complete.
    assert view is not None
    assert view.revision in (5, 6)


@pytest.mark.parametrize("noise", [b"", b"\0" * 64, b"{}", os.urandom(300)])
def test_noise_is_moved_aside_with_a_sentence(tmp_path: Path, noise: bytes) -> None:
    (tmp_path / FILE).write_bytes(noise)
    with pytest.raises(LocalCopyError, match="moved to"):
        LocalCopy(tmp_path, HOST).load()
    assert LocalCopy(tmp_path, HOST).load() is None


def test_another_hosts_copy_is_not_believed(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(LocalCopyError, match="host-1"):
        LocalCopy(tmp_path, HostName("host-2")).load()


@pytest.mark.slow
def test_the_journal_does_not_grow_without_bound(tmp_path: Path) -> None:
    values = world()
    copy = LocalCopy(tmp_path, HOST)
    copy.snapshot(1, values)
    for revision in range(2, 60):
        copy.delta(revision, values * 100, [])
    assert (tmp_path / FILE).stat().st_size < 3 << 20
    view = LocalCopy(tmp_path, HOST).load()
    assert view is not None
    assert view.revision == 59


def test_a_full_disk_is_said_and_outlived(tmp_path: Path) -> None:
    values = world()
    copy = LocalCopy(tmp_path, HOST)
    copy.snapshot(1, values)
    # A directory in the place of the file that is written first stands for a disk that takes nothing.
    before = (tmp_path / FILE).read_bytes()
    obstacle = tmp_path / f".{FILE}.{os.getpid()}.new"
    obstacle.mkdir()
    copy.snapshot(2, values[:-1])
    assert "cannot be kept" in copy.trouble
    copy.delta(3, values[-1:], [])
    assert copy.trouble
    assert (tmp_path / FILE).read_bytes() == before
    obstacle.rmdir()
    copy.retry()
    assert copy.trouble == ""
    view = LocalCopy(tmp_path, HOST).load()
    assert view is not None
    assert view.revision == 3


def test_a_change_that_finds_the_file_gone_is_said_and_a_whole_view_mends_it(tmp_path: Path) -> None:
    values = world()
    copy = LocalCopy(tmp_path, HOST)
    copy.snapshot(1, values)
    (tmp_path / FILE).unlink()
    copy.delta(2, [], [ref(values[0])])
    assert "cannot be kept" in copy.trouble
    copy.snapshot(3, values)
    assert copy.trouble == ""
    assert as_dict(LocalCopy(tmp_path, HOST).load()) == {ref(value): value for value in values}


def test_a_change_before_any_whole_view_is_said(tmp_path: Path) -> None:
    copy = LocalCopy(tmp_path, HOST)
    copy.delta(2, world(), [])
    assert copy.trouble


def test_a_copy_of_the_last_version_is_read(tmp_path: Path) -> None:
    """Written by an agent of version 2: a whole view and a change."""
    shutil.copy(version2.DIRECTORY / FILE, tmp_path / FILE)
    copy = LocalCopy(tmp_path, HOST)
    view = copy.load()
    assert view is not None
    assert view.revision == 6
    kinds = Counter(ref(value)[0] for value in view)
    assert kinds == {"subnet": 4, "host": 3, "network": 2, "port": 2, "router": 1, "security_group": 1, "floatingip": 1}
    copy.delta(7, [], [ref(next(iter(view.ports.values())))])
    again = LocalCopy(tmp_path, HOST).load()
    assert again is not None
    assert (again.revision, len(again.ports)) == (7, 1)


@pytest.mark.parametrize("version", [1, 3])
def test_a_copy_in_another_form_is_put_aside_with_a_sentence_that_says_so(tmp_path: Path, version: int) -> None:
    strange = {"type": "whole", "version": version, "host": HOST, "revision": 5, "values": [{"kind": "flavor"}]}
    content = msgspec.msgpack.encode(strange)
    frame = struct.pack("!I16s", len(content), blake2b(content, digest_size=16).digest()) + content
    (tmp_path / FILE).write_bytes(frame)
    with pytest.raises(LocalCopyError) as caught:
        LocalCopy(tmp_path, HOST).load()
    assert f"was written by another version of onehop, in form {version}; this one reads form 2" in str(caught.value)
    assert "waits for a controller" in str(caught.value)
    assert (tmp_path / f"{FILE}.other").read_bytes() == frame
    assert LocalCopy(tmp_path, HOST).load() is None
