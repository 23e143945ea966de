"""A controller of this version and agents of the last one: what either says, the other understands."""

import copy
from typing import Any

import msgspec
import pytest

from onehop.errors import UnknownMessageError, WireError
from onehop.wire import (
    OLDEST_VERSION,
    PROTOCOL_VERSION,
    Delta,
    InSync,
    agreed,
    decode_from_agent,
    decode_from_controller,
    decode_join,
    known,
)
from tests.unit.wire.test_codec import FROM_CONTROLLER
from tests.unit.wire.version2 import SAID, misunderstood
from tests.worlds import OPEN

REQUEST = "req-00000000-0000-4000-8000-000000000001"
TOLD = [
    *FROM_CONTROLLER,
    InSync(revision=8, answers=3, requests=(REQUEST,)),
    Delta(revision=9, upserts=(OPEN,), removes=(("member", "x"),)),
]


def _plain(message: object) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message))


@pytest.mark.parametrize("message", TOLD, ids=lambda message: type(message).__name__)
def test_an_agent_of_the_last_version_understands_what_a_controller_says(message: object) -> None:
    assert misunderstood(_plain(message)) == ""


def test_what_such_an_agent_would_not_understand_is_noticed() -> None:
    """The test above can fail: a field that it needs, a value beyond its bounds, a kind of value, a type of message."""
    snapshot = _plain(FROM_CONTROLLER[2])
    for change in ("lacks", "bound", "kind", "type"):
        other = copy.deepcopy(snapshot)
        port = next(value for value in other["values"] if value["kind"] == "port")
        match change:
            case "lacks":
                del port["mac_address"]
            case "bound":
                other["revision"] = -1
            case "kind":
                port["kind"] = "flavor"
            case _:
                other["type"] = "gossip"
        assert misunderstood(other), change


@pytest.mark.parametrize("document", SAID, ids=lambda document: str(document["type"]))
def test_a_controller_understands_what_an_agent_of_the_last_version_says(document: dict[str, Any]) -> None:
    frame = msgspec.msgpack.encode(document)
    message = decode_join(frame) if document["type"] == "join" else decode_from_agent(frame)
    # Nothing of it is lost: what is not said has a default.
    assert {**_plain(message), **document} == _plain(message)


@pytest.mark.parametrize("document", SAID[:-1], ids=lambda document: str(document["type"]))
def test_fields_of_a_newer_version_are_passed_over(document: dict[str, Any]) -> None:
    newer = msgspec.msgpack.encode({**document, "mood": "good", "since": [1, {"a": None}]})
    assert decode_from_agent(newer) == decode_from_agent(msgspec.msgpack.encode(document))


@pytest.mark.parametrize("decode", [decode_from_agent, decode_from_controller], ids=["agent", "controller"])
def test_a_message_of_a_type_that_only_a_newer_version_knows_is_passed_over(decode: Any) -> None:
    frame = msgspec.msgpack.encode({"type": "gossip", "about": [1, 2, 3]})
    with pytest.raises(UnknownMessageError, match="gossip"):
        decode(frame)
    assert known(decode, frame) is None


@pytest.mark.parametrize("body", [b"", b"\xc1", msgspec.msgpack.encode({"type": 7}), msgspec.msgpack.encode({})])
def test_what_is_no_message_at_all_is_not_passed_over(body: bytes) -> None:
    with pytest.raises(WireError):
        known(decode_from_agent, body)


def test_a_session_speaks_the_lower_version_of_its_two_sides() -> None:
    assert [agreed(version, "agent") for version in (OLDEST_VERSION, PROTOCOL_VERSION, PROTOCOL_VERSION + 1)] == [
        OLDEST_VERSION,
        PROTOCOL_VERSION,
        PROTOCOL_VERSION,
    ]
    assert PROTOCOL_VERSION - OLDEST_VERSION >= 1
    with pytest.raises(WireError, match="update the agent"):
        agreed(OLDEST_VERSION - 1, "agent")
