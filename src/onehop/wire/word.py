"""What hosts tell each other without a controller: reigns, inside the probes (ICMP echo requests) that go anyway.

A probe without them is an older agent's, or one that has nothing to say. Nothing that comes in is believed but of hosts
that hold the router too (`onehop.agent.regency`); the underlay is trusted as far as VXLAN trusts it.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from onehop.errors import IdentifierError, WireError
from onehop.model.reign import Reign
from onehop.net.identifier import HostName, RouterId, parse_host
from onehop.wire.message import Name, Revision

AT_ONCE = 10
"""Reigns in one probe: with long names these are some 900 octets."""

_MARK = b"onehop\x01"
Epoch = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]


class _Word(msgspec.Struct, frozen=True, array_like=True):
    router: Annotated[bytes, Meta(min_length=16, max_length=16)]
    generation: Revision
    epoch: Epoch
    owner: Name
    vacant: bool
    blind: bool


_DECODER = msgspec.msgpack.Decoder(Annotated[list[_Word], Meta(max_length=AT_ONCE)])


def said(reigns: Iterable[Reign]) -> Iterator[bytes]:
    """Reigns as the contents of probes."""
    words = [_Word(UUID(r.router).bytes, r.generation, r.epoch, r.owner, r.vacant, r.blind) for r in reigns]
    for start in range(0, len(words), AT_ONCE):
        yield _MARK + msgspec.msgpack.encode(words[start : start + AT_ONCE])


def heard(content: bytes) -> list[Reign]:
    """The reigns that a probe carries; none in one that carries something else.

    Raises:
        WireError: it says to be ours, and is not.
    """
    if not content.startswith(_MARK):
        return []
    try:
        return [
            Reign(
                router=RouterId(str(UUID(bytes=word.router))),
                generation=word.generation,
                epoch=word.epoch,
                owner=HostName(parse_host(word.owner)),
                vacant=word.vacant,
                blind=word.blind,
            )
            for word in _DECODER.decode(content[len(_MARK) :])
        ]
    except (msgspec.DecodeError, IdentifierError) as error:
        raise WireError(f"in a probe: {error}") from None
