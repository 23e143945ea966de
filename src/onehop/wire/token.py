"""Join tokens: one word that an operator carries from the controller to a new host.

It holds what the host cannot know yet: where the controller is, how to recognise its CA, and a secret, good once.
"""

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta

from onehop.errors import InputError
from onehop.net.identifier import parse_host

_PREFIX = "onehop1."


class JoinToken(msgspec.Struct, frozen=True, array_like=True):
    """What a join token says.

    Attributes:
        address: address and port of the controller's stream.
        fingerprint: SHA-256 of the CA's certificate, 64 hexadecimal digits.
        host: the name that the host will have.
        secret: good once.
    """

    address: Annotated[str, Meta(max_length=300)]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    host: Annotated[str, Meta(max_length=64)]
    secret: Annotated[str, Meta(max_length=64)]

    def text(self) -> str:
        """As one word."""
        return _PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def parse_token(text: str) -> JoinToken:
    """Read a join token.

    Raises:
        InputError: it is none.
    """
    word = text.strip()
    try:
        if not word.startswith(_PREFIX):
            raise ValueError(word[:8])
        body = word.removeprefix(_PREFIX)
        octets = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        token = msgspec.msgpack.decode(octets, type=JoinToken)
        parse_host(token.host)
    except (ValueError, binascii.Error, msgspec.DecodeError, InputError):
        raise InputError("that is not a join token; copy the whole word that `onehop host add` printed") from None
    return token
