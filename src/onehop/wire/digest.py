"""A digest of a view, so that both sides can tell in 32 octets that they hold the same.

It is the sum of the values' own digests, so that a part can be added and taken away, and the order does not matter.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from onehop.model.topology import Value

_BITS = 128
_ENCODER = msgspec.msgpack.Encoder()


def weight(value: Value) -> int:
    """The digest of one value, to be added up modulo 2**128."""
    return int.from_bytes(blake2b(_ENCODER.encode(value), digest_size=_BITS // 8).digest(), "big")


def digest_of(values: Iterable[Value]) -> str:
    """The digest of a view: 32 hexadecimal digits."""
    return text_of(sum(map(weight, values)))


def text_of(total: int) -> str:
    """A sum of weights as text."""
    return f"{total % (1 << _BITS):032x}"
