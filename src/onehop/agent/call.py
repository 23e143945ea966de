"""Asking this host's agent over its socket: the calling side, for command line and lab."""

import os
import socket
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from onehop import errors
from onehop.agent.request import SOCKET, Answer, Failed, Request
from onehop.errors import OnehopError, StateError

LIMIT = 1 << 24
T = TypeVar("T", bound=msgspec.Struct)

_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def call(run_dir: Path, request: Request, answer: type[T]) -> T:
    """Ask the agent of this host, and wait for its answer.

    Args:
        run_dir: where its socket is.
        request: what to do.
        answer: the kind of answer that belongs to it.

    Raises:
        OnehopError: it could not be done, as the agent said; or the agent is not there.
    """
    reply = _exchange(run_dir / SOCKET, msgspec.json.encode(request) + b"\n")
    try:
        decoded = _ANSWERS.decode(reply)
    except msgspec.DecodeError:
        raise StateError("the agent ended before it answered; `journalctl -u onehop-agent` says why") from None
    if isinstance(decoded, Failed):
        raise _error(decoded)
    if not isinstance(decoded, answer):
        raise StateError(f"the agent answered with a {type(decoded).__name__}; is it of another version of onehop?")
    return decoded


def _exchange(path: Path, line: bytes) -> bytes:
    # A path longer than sun_path (108 octets) still works through the directory.
    directory = -1
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
            connection.sendall(line)
            with connection.makefile("rb") as reader:
                return reader.readline(LIMIT)
    except PermissionError:
        raise StateError(f"{path} is for root only; use sudo") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise StateError(
            f"no agent listens on {path}; start it with `systemctl start onehop-agent`, or name its configuration "
            f"with --config"
        ) from None
    except OSError as error:
        raise StateError(f"cannot talk to the agent on {path}: {error}") from None
    finally:
        if directory >= 0:
            os.close(directory)


def _error(failed: Failed) -> OnehopError:
    found: Any = getattr(errors, failed.error, None)
    if isinstance(found, type) and issubclass(found, OnehopError):
        return found(failed.message)
    return StateError(failed.message)
