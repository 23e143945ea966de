"""What a host keeps of the reigns that hosts agreed on, so that a restart of its agent takes nothing off its legs."""

from pathlib import Path

import msgspec

from onehop.errors import InputError, LocalCopyError
from onehop.log import logger
from onehop.model.reign import Reign
from onehop.net.identifier import parse_host, parse_uuid
from onehop.system import write_whole

LOG = logger("agent")
FILE = "reigns"
_DECODER = msgspec.json.Decoder(list[Reign])


class Reigns:
    """The file.

    Args:
        directory: the agent's state directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def load(self) -> list[Reign]:
        """What was kept last; nothing where there is no file.

        Raises:
            LocalCopyError: it cannot be read, or is damaged.
        """
        try:
            reigns = _DECODER.decode(self._path.read_bytes())
            for reign in reigns:
                parse_uuid(reign.router, "router")
                parse_host(reign.owner)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, InputError) as error:
            raise LocalCopyError(f"{self._path} cannot be used: {error}") from None
        return reigns

    def keep(self, reigns: tuple[Reign, ...]) -> None:
        """Keep these and no others."""
        try:
            if reigns or self._path.exists():
                write_whole(self._path, msgspec.json.encode(reigns))
        except OSError as error:
            LOG.error("who acts as routers' owner cannot be kept on disk", path=str(self._path), why=error.strerror)
