"""What comes in from the other side is a whole, canonical message or a WireError."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehop.errors import WireError
from onehop.model.floating_ip import Forwarding
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.topology import Value
from onehop.net.identifier import PortId
from onehop.wire import (
    MAX_FRAME,
    MAX_VALUES,
    Applied,
    Delta,
    Heartbeat,
    Hello,
    InSync,
    Refused,
    ResourceStatus,
    Snapshot,
    Status,
    Welcome,
    decode_from_agent,
    decode_from_controller,
    decode_join,
    decode_joined,
    encode,
)
from tests.worlds import World, uid


def world() -> list[Value]:
    built = World(2)
    built.network(1)
    built.network(2)
    built.router(1, (1, 2), routes=[("10.9.0.0/16", "10.0.1.9")])
    port = built.port(1, 1, pairs=[("fa:16:3e:00:00:99", "10.0.1.200/32")], prepared=2)
    built.external(5)
    built.gateway(1, 5, 2, 1)
    built.floating(1, 5, port)
    return built.values


FROM_CONTROLLER = [
    Welcome(version=1, heartbeat_seconds=5),
    Refused(reason="no"),
    Snapshot(revision=7, first=True, values=tuple(world())),
    Delta(revision=8, upserts=tuple(world()), removes=(("port", uid(9)), ("host", "host-9"))),
    InSync(revision=8),
    Heartbeat(revision=8),
]
FROM_AGENT = [
    Hello(version=1, host="host-1", vtep="192.0.2.1", physical_networks=("external",)),
    Status(revision=3, full=True, statuses=(ResourceStatus(kind="port", id=uid(1), state="ERROR", reason="why"),)),
    Applied(revision=3, errors=1),
    Heartbeat(revision=3),
    Refused(reason="no"),
]


@pytest.mark.parametrize("message", FROM_CONTROLLER, ids=lambda message: type(message).__name__)
def test_what_the_controller_says_arrives_as_it_was_said(message: object) -> None:
    assert decode_from_controller(encode(message)) == message  # type: ignore[arg-type]  # one of the messages


@pytest.mark.parametrize("message", FROM_AGENT, ids=lambda message: type(message).__name__)
def test_what_an_agent_says_arrives_as_it_was_said(message: object) -> None:
    assert decode_from_agent(encode(message)) == message  # type: ignore[arg-type]  # one of the messages


@given(st.binary(max_size=400))
def test_noise_is_a_wire_error_and_nothing_else(noise: bytes) -> None:
    for decode in (decode_from_agent, decode_from_controller, decode_join, decode_joined):
        with pytest.raises(WireError):
            decode(noise)


FRAMES = [encode(m) for m in (*FROM_CONTROLLER, *FROM_AGENT)]  # type: ignore[arg-type]  # all of them are messages


@given(st.sampled_from(FRAMES), st.data())
def test_a_damaged_frame_is_a_message_or_a_wire_error(frame: bytes, data: st.DataObject) -> None:
    octets = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    for decode in (decode_from_agent, decode_from_controller, decode_join, decode_joined):
        try:
            message = decode(cut)
        except WireError:
            continue
        # What was let through is canonical: it survives being said again.
        assert decode(encode(message)) == message  # type: ignore[arg-type]  # it was just decoded


NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(NESTED, st.sampled_from(["hello", "status", "snapshot", "delta", "in_sync", "applied", "join"]))
def test_any_structure_with_a_known_tag_is_a_message_or_a_wire_error(body: object, tag: str) -> None:
    fields = {**body, "type": tag} if isinstance(body, dict) else {"type": tag, "revision": body, "values": body}
    frame = msgspec.msgpack.encode(fields)
    for decode in (decode_from_agent, decode_from_controller, decode_join, decode_joined):
        try:
            decode(frame)
        except WireError:
            continue


BAD_IDS = ["../../x", "a;b", "", "UPPER", uid(0xABCD).upper(), uid(1) + "\n", "0" * 36, 7, None]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_that_is_no_uuid_does_not_get_in(bad: object) -> None:
    good = msgspec.to_builtins(Snapshot(revision=1, first=True, values=tuple(world())))
    for index, value in enumerate(good["values"]):
        for key in [k for k in value if k in ("id", "network_id", "device_id", "subnet_id")]:
            if key == "device_id" and not str(value.get("device_owner", "")).startswith("network:"):
                continue
            document = msgspec.to_builtins(Snapshot(revision=1, first=True, values=tuple(world())))
            document["values"][index][key] = bad
            with pytest.raises(WireError):
                decode_from_controller(msgspec.msgpack.encode(document))


@pytest.mark.parametrize("bad", ["../../x", "a b", "-x", "x" * 64, ""])
def test_a_host_name_that_is_none_does_not_get_in(bad: str) -> None:
    document = msgspec.to_builtins(Hello(version=1, host="host-1", vtep="192.0.2.1"))
    with pytest.raises(WireError):
        decode_from_agent(msgspec.msgpack.encode({**document, "host": bad}))
    removal = msgspec.to_builtins(Delta(revision=1, removes=(("host", bad),)))
    with pytest.raises(WireError):
        decode_from_controller(msgspec.msgpack.encode(removal))


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("vtep", "192.0.2.001"),
        ("vtep", "FD00::1"),
        ("vtep", "192.0.2.1/24"),
        ("vtep", "here"),
        ("underlay_mtu", 70_000),
    ],
)
def test_a_hello_says_addresses_in_canonical_form(field: str, bad: object) -> None:
    document = msgspec.to_builtins(Hello(version=1, host="host-1", vtep="192.0.2.1"))
    with pytest.raises(WireError):
        decode_from_agent(msgspec.msgpack.encode({**document, field: bad}))


@pytest.mark.parametrize("kind", ["flavor", "", "__class__", "agent"])
def test_a_removal_of_an_unknown_kind_does_not_get_in(kind: str) -> None:
    document = msgspec.to_builtins(Delta(revision=1, removes=((kind, uid(1)),)))
    with pytest.raises(WireError):
        decode_from_controller(msgspec.msgpack.encode(document))


def test_a_network_without_a_vni_is_no_overlay() -> None:
    network = Network(id=uid(1), project_id="p", network_type="vxlan", vni=None)  # type: ignore[arg-type]  # text ids
    with pytest.raises(WireError):
        decode_from_controller(encode(Delta(revision=1, upserts=(network,))))


def test_a_host_with_a_strange_vtep_does_not_get_in() -> None:
    host = Host(name="host-1", vtep="192.0.2.1; reboot")  # type: ignore[arg-type]  # text ids
    with pytest.raises(WireError):
        decode_from_controller(encode(Delta(revision=1, upserts=(host,))))


WRONG_GATEWAYS: list[tuple[tuple[str | int, ...], object]] = [
    (("port_id",), "x"),
    (("network_id",), "../x"),
    (("vni",), 0),
    (("vni",), 2**24),
    (("owner",), "a b"),
    (("candidates",), ["-x"]),
    (("fixed_ips", 0, "ip_address"), "172.29.5.010"),
    (("fixed_ips", 0, "subnet_id"), "x"),
    (("hosts", 0, "host"), "x; y"),
    (("hosts", 0, "number"), 0),
    (("hosts", 0, "number"), 256),
    (("hosts", 0, "number"), 2),
    (("hosts", 0, "mac_address"), "FA:16:3E:00:00:01"),
    (("hosts", 0, "transit_mac"), "x"),
    (("hosts", 0, "transit_ip"), "192.0.2.1"),
    (("hosts", 0, "transit_ip"), "169.254.1.2"),
    (("hosts", 0, "blocks", 0, "first"), 1025),
    (("hosts", 0, "blocks", 0, "first"), 0),
    (("hosts", 0, "blocks", 0, "first"), 65536),
    (("hosts", 0, "blocks", 0, "size"), 1000),
    (("hosts", 0, "blocks", 0, "size"), 0),
]


@pytest.mark.parametrize(("path", "bad"), WRONG_GATEWAYS, ids=str)
def test_a_gateway_that_cannot_be_does_not_get_in(path: tuple[str | int, ...], bad: object) -> None:
    document = msgspec.to_builtins(Delta(revision=1, upserts=tuple(world())))
    place = next(value["gateway"] for value in document["upserts"] if value.get("gateway"))
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = bad
    with pytest.raises(WireError):
        decode_from_controller(msgspec.msgpack.encode(document))


WRONG_FLOATING: list[dict[str, object]] = [
    {"router_id": "x"},
    {"port_id": "x"},
    {"address": "2001:db8::1"},
    {"address": "172.29.5.1/32"},
    {"fixed_ip": "10.0.1.1 }"},
]
RULE = Forwarding(
    protocol="tcp",
    external_first=80,
    external_last=89,
    port_id=PortId(uid(1)),
    internal_ip="10.0.1.9",
    internal_first=1000,
)
WRONG_RULES: list[dict[str, object]] = [
    {"protocol": "icmp"},
    {"protocol": "tcp; drop"},
    {"external_first": 0},
    {"external_first": 90},
    {"external_last": 65536},
    {"internal_first": 65530},
    {"internal_first": 0},
    {"internal_ip": "fd00::1"},
    {"port_id": "x"},
]


@pytest.mark.parametrize("wrong", [*WRONG_FLOATING, *({"forwardings": [rule]} for rule in WRONG_RULES)], ids=str)
def test_a_floating_ip_that_cannot_be_does_not_get_in(wrong: dict[str, object]) -> None:
    good = World(1)
    value = msgspec.structs.replace(good.floating(1, 5, None), forwardings=(RULE,))
    assert decode_from_controller(encode(Delta(revision=1, upserts=(value,))))
    document = msgspec.to_builtins(Delta(revision=1, upserts=(value,)))
    (found,) = document["upserts"]
    rules = wrong.get("forwardings")
    if isinstance(rules, list):
        found["forwardings"][0].update(rules[0])
    else:
        found.update(wrong)
    with pytest.raises(WireError):
        decode_from_controller(msgspec.msgpack.encode(document))


def test_a_text_frame_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        decode_from_agent("hello")


def test_a_frame_that_is_too_long_is_neither_sent_nor_read() -> None:
    with pytest.raises(WireError, match="is longer than"):
        decode_from_agent(b"\0" * (MAX_FRAME + 1))
    many = tuple(world() * 1000)
    with pytest.raises(WireError):
        encode(Snapshot(revision=1, first=True, values=many))


def test_a_message_with_more_values_than_allowed_is_a_wire_error() -> None:
    host = Host(name="host-1", vtep="192.0.2.1")  # type: ignore[arg-type]  # text ids
    with pytest.raises(WireError):
        decode_from_controller(encode(Snapshot(revision=1, first=True, values=(host,) * (MAX_VALUES + 1))))


def test_an_agent_cannot_speak_as_the_controller() -> None:
    with pytest.raises(WireError):
        decode_from_agent(encode(InSync(revision=1)))
    with pytest.raises(WireError):
        decode_from_controller(encode(Applied(revision=1)))
