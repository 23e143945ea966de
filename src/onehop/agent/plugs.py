"""Plugs: which instance is attached to which port on this host. Kept in the state directory across restarts."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from onehop.compiler.state import Plug
from onehop.errors import ConflictError, LocalCopyError
from onehop.net.identifier import PortId, is_uuid
from onehop.system import write_whole

FILE = "plugs.json"
VERSION = 1


class _File(msgspec.Struct):
    version: int
    plugs: list[Plug]


class Plugs:
    """The plug records.

    Args:
        directory: the agent's state directory.

    Raises:
        LocalCopyError: the file is there and cannot be read. It is left as it is, because what it says cannot be had
            from anybody else, and taking it for empty would unplug every instance.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._plugs: dict[PortId, Plug] = {plug.port_id: plug for plug in _load(self._path)}

    @property
    def all(self) -> Mapping[PortId, Plug]:
        """Every plug, by port."""
        return dict(self._plugs)

    def get(self, port: PortId) -> Plug | None:
        """The plug of a port, or None."""
        return self._plugs.get(port)

    def add(self, plug: Plug) -> bool:
        """Keep a plug; whether it is new.

        Raises:
            ConflictError: something else is plugged into the port.
            OSError: it could not be written; nothing changed.
        """
        there = self._plugs.get(plug.port_id)
        if there == plug:
            return False
        if there is not None:
            where = f"namespace {there.netns} ({there.device})" if there.netns is not None else "a tap device"
            raise ConflictError(
                f"port {plug.port_id} is plugged already, into {where}; run `onehop unplug {plug.port_id}` first"
            )
        self._write({**self._plugs, plug.port_id: plug})
        return True

    def remove(self, port: PortId) -> bool:
        """Forget a plug; whether there was one.

        Raises:
            OSError: it could not be written; nothing changed.
        """
        if port not in self._plugs:
            return False
        self._write({other: plug for other, plug in self._plugs.items() if other != port})
        return True

    def _write(self, plugs: dict[PortId, Plug]) -> None:
        content = _File(VERSION, [plugs[port] for port in sorted(plugs)])
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        self._plugs = plugs


def _load(path: Path) -> list[Plug]:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalCopyError(
            f"the plug records in {path} cannot be read ({error}); repair the file, or move it away and plug every "
            f"instance of this host again"
        ) from None
    if content.version != VERSION:
        raise LocalCopyError(f"{path} was written by another version of onehop; install that one again")
    bad = next((plug for plug in content.plugs if not is_uuid(plug.port_id)), None)
    if bad is not None:
        raise LocalCopyError(f"{path} names a port that is no UUID: {bad.port_id[:64]!r}; repair the file")
    return content.plugs
