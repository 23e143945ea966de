"""Who answers for an external address: upstream asks by frames of its own, whatever its kernel has learned already.

A kernel asks only for what it does not know, and it learns from questions too (RFC 826: an owner that asks for
upstream's MAC tells its own). So where its kernel is left to ask, the absence of an answer says nothing.
"""

import json
import socket
import struct
import time

from onehop.net.address import pack, pack_mac
from tests.dataplane.capture import capture
from tests.dataplane.site import Site

ROUNDS = 3
LONGEST = 2.0
"""Seconds that the first answers may take on a busy machine; for further ones, `MORE`."""
MORE = 0.2
_BROADCAST = b"\xff" * 6
_ARP = b"\x08\x06"
_WORDS = b"\0\1\x08\0\6\4"


def answerers(site: Site, *addresses: str, link: str = "ext0") -> dict[str, set[str]]:
    """IPv4 address → MACs that answer when upstream asks for it on a link, asked `ROUNDS` times."""
    shown = json.loads(site.run("upstream", "ip", "-j", "addr", "show", "dev", link))[0]
    mac = pack_mac(shown["address"])
    own = pack(next(a["local"] for a in shown["addr_info"] if a["family"] == "inet"))
    found: dict[str, set[str]] = {address: set() for address in addresses}
    with capture(site, "upstream", link) as seen, site.inside("upstream", lambda: _sender(link)) as sender:
        for limit in (LONGEST, *[MORE] * (ROUNDS - 1)):
            for address in addresses:
                words = _WORDS + b"\0\1" + mac + own + bytes(6) + pack(address)
                sender.send(_BROADCAST + mac + _ARP + words)
            begin = time.monotonic()
            while time.monotonic() - begin < (MORE if all(found.values()) else limit):
                seen.wait(MORE)
                for frame in seen.of("arp"):
                    if frame.sender in found and struct.unpack_from("!H", frame.octets, 20)[0] == 2:
                        found[frame.sender].add(frame.source)
    return found


def _sender(link: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((link, 0))
    return sock
