"""Files written whole, sockets handed in, tasks that end as one."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onehop.system import notify, until_one_ends, write_whole

CHILD = """
import os, socket, sys
from onehop.system import handed_in
found = handed_in()
print(sorted(found), [s.getsockname()[1] for _, s in sorted(found.items())], "LISTEN_FDS" in os.environ)
"""


def test_a_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")
    obstacle = tmp_path / f".file.{os.getpid()}.new"
    obstacle.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"


def test_sockets_are_taken_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as stream:
        # A shell puts them where systemd would: at 3 and 4.
        script = f"exec 3<&{api.fileno()} 4<&{stream.fileno()}; exec {sys.executable} -c '{CHILD}'"
        ran = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "api:stream"},
            pass_fds=(api.fileno(), stream.fileno()),
            capture_output=True,
            text=True,
            check=True,
        )
        ports = [api.getsockname()[1], stream.getsockname()[1]]
    assert ran.stdout.strip() == f"['api', 'stream'] {ports} False"


def test_sockets_for_another_process_are_left_alone() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("[] []")


def test_systemd_is_told_when_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert systemd.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


def test_the_first_failure_ends_the_others_and_comes_out_as_it_is() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails() -> None:
        await asyncio.Event().wait() if ended else None
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        asyncio.run(until_one_ends(waits(), fails()))
    assert ended == ["waits"]
