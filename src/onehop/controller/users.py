"""The users file: who may log in with HTTP Basic, for which project, in which roles.

TOML, one table a user; an unknown key, a missing key or a hash that is no bcrypt hash is refused by name::

    [[user]]
    name = "alice"
    password = "$2b$12$…"            # htpasswd -nB alice prints one
    project = "9c4a1d0e7f6b4c55a1b2c3d4e5f60718"
    roles = ["member"]               # admin, manager, member, reader

The file is read again when it changes. A bcrypt check costs a quarter of a second on purpose; so one that succeeded is
remembered, as a keyed hash (the key lives in this process only), until the file changes. Failures are not remembered.
"""

import hashlib
import hmac
import os
import secrets
import stat
import threading
import tomllib
from pathlib import Path
from typing import Literal

import bcrypt
import msgspec

from onehop.controller.caller import Caller
from onehop.errors import SettingsError

Role = Literal["admin", "manager", "member", "reader"]
_MAXIMUM_REMEMBERED = 1024
_MAXIMUM_PASSWORD = 72
"""Octets that bcrypt takes."""

_NOBODY = b"$2b$12$lufKNGAfI8qmpcYWHQyce.dstAZEs3yvEwuX5Q1j4rVUdIhebesGm"
"""The hash of random octets that nobody kept: an unknown user costs the same time as a wrong password."""


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the users file."""

    name: str
    password: str
    project: str
    roles: tuple[Role, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: tuple[User, ...] = ()


def hash_password(password: str, rounds: int = 12) -> str:
    """A bcrypt hash for the users file.

    Raises:
        SettingsError: the password is empty or longer than bcrypt takes.
    """
    octets = password.encode()
    if not 1 <= len(octets) <= _MAXIMUM_PASSWORD:
        raise SettingsError(f"a password has 1 to {_MAXIMUM_PASSWORD} octets")
    return bcrypt.hashpw(octets, bcrypt.gensalt(rounds)).decode()


def load(path: Path) -> dict[str, User]:
    """Users by name.

    Raises:
        SettingsError: the file cannot be read or is wrong, or others than its owner and group can read it.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            raise SettingsError(f"{path} holds password hashes and is open to everyone: chmod o= {path}")
        parsed = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the users file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None
    users: dict[str, User] = {}
    for user in parsed.user:
        if user.name in users:
            raise SettingsError(f"{path}: there are two users {user.name!r}")
        if (
            not user.name
            or ":" in user.name
            or len(user.project) > 255
            or (not user.project and "admin" not in user.roles)
        ):
            raise SettingsError(f"{path}: user {user.name!r} needs a name without ':' and a project")
        if not user.password.startswith(("$2a$", "$2b$", "$2y$")) or len(user.password) != 60:
            raise SettingsError(f"{path}: the password of {user.name!r} is not a bcrypt hash")
        users[user.name] = user
    return users


class Users:
    """The users of one file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._stamp = self._current_stamp()
        self._users = load(path)
        self._good: dict[bytes, Caller] = {}

    def remembered(self, name: str, password: str) -> Caller | None:
        """The user, if this password was found right before and the file has not changed since. Takes no time."""
        self._refresh()
        with self._lock:
            return self._good.get(self._digest(name, password))

    def check(self, name: str, password: str) -> Caller | None:
        """The user, if the password is right. Takes as long as bcrypt does: call it from a worker thread.

        Raises:
            SettingsError: the file has changed and is wrong now.
        """
        self._refresh()
        with self._lock:
            user = self._users.get(name)
        octets = password.encode()
        hashed = user.password.encode() if user is not None else _NOBODY
        right = len(octets) <= _MAXIMUM_PASSWORD and bcrypt.checkpw(octets, hashed)
        if user is None or not right:
            return None
        caller = Caller(user=user.name, project_id=user.project, roles=frozenset(user.roles))
        with self._lock:
            if self._users.get(name) is user:
                if len(self._good) >= _MAXIMUM_REMEMBERED:
                    self._good.clear()
                self._good[self._digest(name, password)] = caller
        return caller

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)

    def _current_stamp(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self._path)  # noqa: PTH116  # the cheap form: once a request
        except OSError as error:
            raise SettingsError(f"cannot read the users file {self._path}: {error}") from None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _refresh(self) -> None:
        stamp = self._current_stamp()
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp != self._stamp:
                self._users = load(self._path)
                self._good.clear()
                self._stamp = stamp
