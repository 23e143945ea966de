"""Hostile bytes on the stream and in the local copy: nothing but our own errors, and nothing happens."""

import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from onehop.agent.localcopy import FILE, VERSION, LocalCopy
from onehop.errors import LocalCopyError, WireError
from onehop.model.topology import VALUES, Topology
from onehop.net.identifier import HostName
from onehop.wire import (
    MAX_FRAME,
    Delta,
    Snapshot,
    decode_from_agent,
    decode_from_controller,
    decode_join,
    decode_joined,
    encode,
)
from onehop.wire.codec import check_values
from tests.worlds import World

HOST = HostName("host-1")
SLOW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)

leaf = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=40)
leaf |= st.binary(max_size=40) | st.sampled_from(["../../x", "a;b", "\x00", "0" * 36, "onehop", "10.0.0.1", "∞"])
anything = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TAGS = ("hello", "status", "applied", "heartbeat", "ask", "reach", "usage", "refused", "snapshot", "delta", "in_sync",
        "welcome", "join", "joined")  # fmt: skip
FIELDS = ("revision", "values", "upserts", "removes", "first", "host", "vtep", "version", "statuses", "full",
          "number", "answering", "silent", "routers", "reason", "token", "request", "certificate")  # fmt: skip
likely = st.builds(
    lambda tag, fields: {"type": tag, **fields},
    st.sampled_from(TAGS),
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6),
)
frames = st.binary(max_size=400) | (anything | likely).map(msgspec.msgpack.encode)
DECODERS = (decode_from_agent, decode_from_controller, decode_join, decode_joined)


@pytest.mark.slow
@given(frames)
@example(b"\x91" * 200_000)
@example(b"\xdf\xff\xff\xff\xff")
@example(b"")
@SLOW
def test_no_frame_is_more_than_a_wire_error(frame: bytes) -> None:
    for decode in DECODERS:
        try:
            message: Any = decode(frame)
        except WireError:
            continue
        else:
            if isinstance(message, Snapshot):
                check_values(message.values)
            elif isinstance(message, Delta):
                check_values(message.upserts)
                assert all(kind in VALUES for kind, _ in message.removes)


def whole() -> bytes:
    """A frame with every kind of value that a small world has."""
    world = World(2)
    world.network(1)
    world.network(2)
    world.router(1, (1, 2))
    world.port(1, 1)
    return encode(Snapshot(revision=3, first=True, values=tuple(world.topology())))


WHOLE = whole()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@SLOW
def test_a_frame_with_other_octets_is_refused_or_as_canonical_as_any(changes: list[tuple[int, int]]) -> None:
    frame = bytearray(WHOLE)
    for at, octet in changes:
        frame[at] = octet
    try:
        message = decode_from_controller(bytes(frame))
    except WireError:
        return
    if isinstance(message, Snapshot):
        check_values(message.values)
        Topology(message.revision, message.values)


def test_a_frame_that_is_longer_than_any_is_refused_unread() -> None:
    for decode in DECODERS:
        with pytest.raises(WireError, match="is longer than"):
            decode(b"\x00" * (MAX_FRAME + 1))


# the local copy -------------------------------------------------------------------------------------------------------


def kept(directory: Path) -> bytes:
    """A good copy's octets."""
    world = World(2)
    world.network(1)
    world.port(1, 1)
    copy = LocalCopy(directory, HOST)
    copy.snapshot(5, list(world.topology()))
    copy.delta(6, list(world.topology())[:1], [])
    return (directory / FILE).read_bytes()


def read(directory: Path, content: bytes) -> Topology | None:
    """What an agent that starts makes of it; None where it is not believed."""
    (directory / FILE).write_bytes(content)
    try:
        return LocalCopy(directory, HOST).load()
    except LocalCopyError:
        assert not (directory / FILE).exists()
        # What says that it is of another form is kept apart from what is damaged; each file is of this one copy.
        aside = [path for suffix in (".damaged", ".other") if (path := (directory / FILE).with_suffix(suffix)).exists()]
        assert [path.read_bytes() for path in aside] == [content]
        aside[0].unlink()
        return None


@given(st.binary(max_size=300))
@SLOW
def test_a_local_copy_of_anything_is_not_believed(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) is None


@pytest.mark.slow
@given(st.data())
@SLOW
def test_a_local_copy_with_other_octets_is_an_older_view_or_none(tmp_path: Path, data: st.DataObject) -> None:
    good = kept(tmp_path)
    at = data.draw(st.integers(0, len(good) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    view = read(tmp_path, good[:at] + bytes([octet]) + good[at + 1 :])
    assert view is None or view.revision == 5


@pytest.mark.slow
@given(anything | likely)
@SLOW
def test_a_local_copy_whose_checksum_is_right_is_checked_all_the_same(tmp_path: Path, value: Any) -> None:
    body = msgspec.msgpack.encode(value)
    frame = struct.pack("!I16s", len(body), blake2b(body, digest_size=16).digest()) + body
    assert read(tmp_path, frame) is None


@pytest.mark.parametrize("id", ["../../etc/passwd", "a;b", "x" * 36, "", "11111111-1111-4111-8111-11111111111G"])
def test_an_identifier_that_is_no_uuid_never_becomes_a_name(tmp_path: Path, id: str) -> None:
    world = World(1)
    world.network(1)
    values = [msgspec.to_builtins(value) for value in world.topology()]
    for value in values:
        if value["kind"] == "network":
            value["id"] = id
    entry = {"type": "whole", "version": VERSION, "host": HOST, "revision": 1, "values": values}
    body = msgspec.msgpack.encode(entry)
    frame = struct.pack("!I16s", len(body), blake2b(body, digest_size=16).digest()) + body
    assert read(tmp_path, frame) is None
    with pytest.raises(WireError):
        decode_from_controller(
            msgspec.msgpack.encode({"type": "snapshot", "revision": 1, "first": True, "values": values})
        )
