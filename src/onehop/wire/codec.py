"""Bytes to messages and back. What comes in is checked whole before anybody sees a part of it.

An identifier ends up in the names of namespaces and files, so no message leaves here with one that is not canonical;
the same holds for addresses and MACs, which end up in netlink attributes and rulesets.
"""

from typing import TypeVar

import msgspec

from onehop.errors import AddressError, IdentifierError, WireError
from onehop.net import address
from onehop.net.identifier import parse_host, parse_uuid
from onehop.wire.check import check_canonical, check_ref, check_values
from onehop.wire.message import (
    MAX_FRAME,
    Delta,
    FromAgent,
    FromController,
    Heartbeat,
    Hello,
    Joined,
    JoinRequest,
    Refused,
    Snapshot,
    Status,
    Usage,
)

M = TypeVar("M")

_ENCODER = msgspec.msgpack.Encoder()
_FROM_AGENT: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)
_FROM_CONTROLLER: msgspec.msgpack.Decoder[FromController] = msgspec.msgpack.Decoder(FromController)
_JOIN = msgspec.msgpack.Decoder(JoinRequest)
_JOINED: msgspec.msgpack.Decoder[Joined | Refused] = msgspec.msgpack.Decoder(Joined | Refused)


def encode(message: FromAgent | FromController | JoinRequest | Joined) -> bytes:
    """One frame.

    Raises:
        WireError: it would be longer than `MAX_FRAME`.
    """
    frame = _ENCODER.encode(message)
    if len(frame) > MAX_FRAME:
        raise WireError(f"a {type(message).__name__} of {len(frame)} octets does not fit into one frame")
    return frame


def decode_from_agent(frame: bytes | str) -> FromAgent:
    """What an agent sent.

    Raises:
        WireError: not a message of the protocol, or an identifier or address in it is not one.
    """
    message = _decode(_FROM_AGENT, frame)
    try:
        if isinstance(message, Hello):
            parse_host(message.host)
            check_canonical(address.parse_ip, message.vtep)
        elif isinstance(message, Heartbeat):
            for name in (*message.answering, *message.silent):
                parse_host(name)
            for acting in message.acting:
                parse_uuid(acting.router, "router")
                parse_host(acting.owner)
        elif isinstance(message, Status):
            for status in message.statuses:
                parse_uuid(status.id, status.kind)
        elif isinstance(message, Usage):
            for use in message.routers:
                parse_uuid(use.router, "router")
    except (IdentifierError, AddressError) as error:
        raise WireError(f"in a {type(message).__name__}: {error}") from None
    return message


def decode_from_controller(frame: bytes | str) -> FromController:
    """What the controller sent.

    Raises:
        WireError: not a message of the protocol, or an identifier or address in it is not one.
    """
    message = _decode(_FROM_CONTROLLER, frame)
    try:
        if isinstance(message, Snapshot):
            check_values(message.values)
        elif isinstance(message, Delta):
            check_values(message.upserts)
            for kind, identifier in message.removes:
                check_ref(kind, identifier)
    except (IdentifierError, AddressError) as error:
        raise WireError(f"in a {type(message).__name__}: {error}") from None
    return message


def decode_join(frame: bytes | str) -> JoinRequest:
    """What somebody sent who has no certificate.

    Raises:
        WireError: it is no JoinRequest.
    """
    return _decode(_JOIN, frame)


def decode_joined(frame: bytes | str) -> Joined | Refused:
    """The controller's answer to a JoinRequest.

    Raises:
        WireError: it is none.
    """
    message = _decode(_JOINED, frame)
    if isinstance(message, Joined):
        try:
            parse_host(message.host)
        except IdentifierError as error:
            raise WireError(f"in a Joined: {error}") from None
    return message


def _decode(decoder: msgspec.msgpack.Decoder[M], frame: bytes | str) -> M:
    if isinstance(frame, str):
        raise WireError("a text frame came where only binary ones are used")
    if len(frame) > MAX_FRAME:
        raise WireError(f"a frame of {len(frame)} octets is longer than {MAX_FRAME}")
    try:
        return decoder.decode(frame)
    except msgspec.DecodeError as error:
        raise WireError(f"not a message of the protocol: {error}") from None
    except (RecursionError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise WireError(f"not a message of the protocol: {type(error).__name__}") from None
