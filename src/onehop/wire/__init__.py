"""What controller and agent say to each other: values, and their form in bytes. No I/O."""

from onehop.wire.codec import decode_from_agent, decode_from_controller, encode
from onehop.wire.message import (
    MAX_FRAME,
    PROTOCOL_VERSION,
    Applied,
    Delta,
    FromAgent,
    FromController,
    Heartbeat,
    Hello,
    InSync,
    Refused,
    ResourceStatus,
    Snapshot,
    State,
    Status,
    Welcome,
)

__all__ = [
    "MAX_FRAME",
    "PROTOCOL_VERSION",
    "Applied",
    "Delta",
    "FromAgent",
    "FromController",
    "Heartbeat",
    "Hello",
    "InSync",
    "Refused",
    "ResourceStatus",
    "Snapshot",
    "State",
    "Status",
    "Welcome",
    "decode_from_agent",
    "decode_from_controller",
    "encode",
]
