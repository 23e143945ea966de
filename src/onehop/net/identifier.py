"""Typed identifiers and the one check that text from outside is one.

Identifiers end up in namespace names, file names and netlink attributes. Nothing from the API, the stream or a file is
used as one before `parse_uuid` or `parse_host` accepted it.
"""

import re
from typing import NewType

from onehop.errors import IdentifierError

NetworkId = NewType("NetworkId", str)
SubnetId = NewType("SubnetId", str)
PortId = NewType("PortId", str)
RouterId = NewType("RouterId", str)
ProjectId = NewType("ProjectId", str)
FloatingIpId = NewType("FloatingIpId", str)
SecurityGroupId = NewType("SecurityGroupId", str)
HostName = NewType("HostName", str)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID in canonical lower-case form with hyphens (RFC 9562 section 4)."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def parse_uuid(text: object, what: str = "id") -> str:
    """Return `text` if it is a canonical UUID.

    Raises:
        IdentifierError: names `what` and shows at most 64 characters of the value, escaped.
    """
    if not isinstance(text, str) or _UUID.fullmatch(text) is None:
        raise IdentifierError(f"{what} must be a UUID in lower case with hyphens, not {str(text)[:64]!r}")
    return text


def parse_host(text: object) -> HostName:
    """Return `text` if it is usable as a host's name: letters, digits, '.' and '-', at most 63 characters.

    Raises:
        IdentifierError: otherwise.
    """
    if not isinstance(text, str) or _HOST.fullmatch(text) is None:
        raise IdentifierError(
            f"a host name has 1 to 63 letters, digits, '.' or '-' and begins and ends with a letter or digit, "
            f"not {str(text)[:64]!r}"
        )
    return HostName(text)


def parse_member(text: object) -> tuple[SecurityGroupId, PortId]:
    """Group and port of a member's id, ``<group id>:<port id>``.

    Raises:
        IdentifierError: otherwise.
    """
    group, _, port = text.partition(":") if isinstance(text, str) else (text, "", "")
    return SecurityGroupId(parse_uuid(group, "security group")), PortId(parse_uuid(port, "port"))
