"""Which version of the stream a session speaks: the lower one of what its two sides know."""

from onehop.errors import WireError
from onehop.wire.message import OLDEST_VERSION, PROTOCOL_VERSION


def agreed(version: int, who: str) -> int:
    """The version that a session speaks with another side.

    Args:
        version: what the other side knows.
        who: what it is, ``agent`` or ``controller``.

    Raises:
        WireError: it is too old; says what to do.
    """
    if version < OLDEST_VERSION:
        raise WireError(
            f"the {who} speaks version {version} of the protocol, and the oldest that is understood here is "
            f"{OLDEST_VERSION}: update the {who}"
        )
    return min(version, PROTOCOL_VERSION)
