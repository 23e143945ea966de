"""Bytes to messages and back. What comes in is checked whole before anybody sees a part of it.

An identifier ends up in the names of namespaces and files, so no message leaves here with one that is not canonical;
the same holds for addresses and MACs, which end up in netlink attributes and rulesets.
"""

from collections.abc import Callable
from typing import TypeVar, get_args

import msgspec

from onehop.errors import AddressError, IdentifierError, UnknownMessageError, WireError
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


class _Head(msgspec.Struct):
    type: str


_HEADS = msgspec.msgpack.Decoder(_Head)
_NAMES = frozenset(
    str(type_.__struct_config__.tag) for type_ in (*get_args(FromAgent), *get_args(FromController), JoinRequest, Joined)
)

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


def known(decode: Callable[[bytes | str], M], frame: bytes | str) -> M | None:
    """What a frame says; None where only a newer version knows what that is: it is passed over.

    Args:
        decode: `decode_from_agent` or `decode_from_controller`.
        frame: as it came.

    Raises:
        WireError: as `decode`.
    """
    try:
        return decode(frame)
    except UnknownMessageError:
        return None


def _decode(decoder: msgspec.msgpack.Decoder[M], frame: bytes | str) -> M:
    if isinstance(frame, str):
        raise WireError("a text frame came where only binary ones are used")
    if len(frame) > MAX_FRAME:
        raise WireError(f"a frame of {len(frame)} octets is longer than {MAX_FRAME}")
    try:
        return decoder.decode(frame)
    except msgspec.DecodeError as error:
        name = _name(frame)
        if name and name not in _NAMES:
            raise UnknownMessageError(f"a message of an unknown type: {name[:64]!r}") from None
        raise WireError(f"not a message of the protocol: {error}") from None
    except (RecursionError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise WireError(f"not a message of the protocol: {type(error).__name__}") from None


def _name(frame: bytes) -> str:
    """The type of what may be a message of a newer version, or "" of what cannot."""
    try:
        return _HEADS.decode(frame).type
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError, OverflowError):
        return ""
