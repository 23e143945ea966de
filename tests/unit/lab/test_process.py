"""Processes are known by pid and start time, so that nobody else's is ever signalled."""

import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from onehop.lab import process

PYTHON = sys.executable


def start(tmp_path: Path, code: str, **more: object) -> process.Process:
    return process.spawn([PYTHON, "-c", code], tmp_path / "log", tmp_path, **more)  # type: ignore[arg-type]  # keywords of spawn


def test_a_process_ends_politely_and_twice_is_harmless(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    started = start(tmp_path, "import signal; signal.sigwait({signal.SIGTERM}); print('bye')")
    process.save(file, started)
    assert process.load(file) == started
    assert os.getsid(started.pid) == started.pid
    process.end(file, polite=10)
    process.end(file, polite=10)
    assert not started.alive()
    assert process.load(file) is None


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('on', flush=True); signal.pause()"
    started = start(tmp_path, code)
    process.save(file, started)
    process.end(file, polite=0.2)
    assert not started.alive()


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(tmp_path: Path) -> None:
    stranger = start(tmp_path, "import signal; signal.pause()")
    try:
        file = tmp_path / "pid"
        process.save(file, msgspec.structs.replace(stranger, start=stranger.start - 1))
        assert process.load(file) is None
        process.end(file, polite=0)
        process.save(file, msgspec.structs.replace(stranger, boot="another"))
        process.end(file, polite=0)
        assert stranger.alive()
    finally:
        stranger.signal(signal.SIGKILL)
        stranger.wait(10)


def test_a_damaged_pid_file_is_no_process(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    file.write_text("12")
    assert process.load(file) is None
    process.end(file, polite=1)
    assert not file.exists()


def test_what_was_not_written_down_is_found_by_its_mark(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    lost = process.spawn([PYTHON, "-c", "import signal; signal.pause()"], tmp_path / "log", mine)
    stranger = process.spawn([PYTHON, "-c", "import signal; signal.pause()"], tmp_path / "log", other)
    try:
        process.kill_all(set(), mine)
        assert not lost.alive()
        assert stranger.alive()
    finally:
        process.kill_all(set(), other)
    assert not stranger.alive()


def test_sockets_are_handed_over_with_their_names(tmp_path: Path) -> None:
    code = (
        "import os, socket; assert os.environ['LISTEN_PID'] == str(os.getpid());"
        "print(os.environ['LISTEN_FDNAMES'], *[socket.socket(fileno=3 + i).getsockname()[1] for i in range(2)])"
    )
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as stream:
        started = start(tmp_path, code, sockets=(("api", api), ("stream", stream)))
        assert started.wait(20)
        ports = [sock.getsockname()[1] for sock in (api, stream)]
    assert (tmp_path / "log").read_text().split() == ["api:stream", *map(str, ports)]
