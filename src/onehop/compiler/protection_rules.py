"""The chains by which protection judges a frame, in nft's words. Text only: what they look up is in sets.

| set | holds |
|---|---|
| own4, own6 | MAC and address together, of all that the port may say it is |
| macs, hardware | its MACs, as such and as numbers |
| targets | addresses that it may advertise, as numbers |
| wide4, wide6 | prefixes that its address pairs open |
| foreign4, foreign6 | addresses in these that stay others', and gateways' link-locals |
| moving4, moving6 | what its pairs say: an address that moved is heard on other hosts |
| legs | MACs of routers' legs, and |
| elsewhere4, elsewhere6 | what these lead to on other networks; only where the port could say that it is from there |

Numbers, because nft knows no name for what an ND message holds, and compares only what is of one type: ``@th,64,128``
is the target of a solicitation or advertisement, ``@th,192,16`` kind and length of its first option and ``@th,208,48``
the MAC in that (of a router solicitation at 64 and 80), ``@nh,64,128`` the source of an IPv6 packet, ``@nh,64,48`` the
sender's MAC in RARP.

A port's first address of each family is besides compared by a rule, before anything is looked up: that takes half of
the time. ``@ll,48,64`` is the source MAC and the type that follows it in the frame. The type in the frame shows a tag;
what nft calls protocol is what is behind the tag, and nft, given names, may take the one for the other.
"""

from collections.abc import Iterator, Sequence

from onehop.compiler import nft
from onehop.model.protection import REASONS

COUNTERS = tuple(sorted(REASONS))

_LINK_LOCALS = "0xfe800000000000000000000000000000-0xfebfffffffffffffffffffffffffffff"
_FIXED_PARTS = "0x108000604"
"""Of ARP about IPv4 on Ethernet: hardware, protocol, and the lengths of their addresses."""


def _hex(digits: str) -> str:
    return hex(int(digits, 16))


def _drop(reason: str) -> str:
    return f'counter name "{reason}" drop'


_STRANGE_MAC = f"ether saddr != @macs {_drop('source-mac')}"


def chains(
    tap: str, vxlan: str | None, mac: str, first4: str | None, first6: str | None, astray: bool
) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Names, hooks and rules of the chains.

    Args:
        tap: the instance's link.
        vxlan: the network's tunnel, where addresses of the port may move between hosts; else None.
        mac, first4, first6: the port's own MAC, and its first address of each family.
        astray: whether its pairs open addresses of other networks of its routers.
    """
    number = mac.replace(":", "")
    source4 = (
        (f"@ll,48,64 {_hex(number + '0800')} @nh,96,32 {nft.hexadecimal(first4)} goto ipv4-first",) if first4 else ()
    )
    source6 = (
        (f"@ll,48,64 {_hex(number + '86dd')} @nh,64,128 {nft.raw_address([first6])[0]} goto ipv6-first",)
        if first6
        else ()
    )
    yield (
        f"from-{tap}",
        nft.netdev_hook("ingress", tap, "drop"),
        (
            *source4,
            *source6,
            *((_TO_LEGS,) if astray else ()),
            "ether type vmap { ip : goto ipv4, arp : goto arp-frame, 0x8035 : goto rarp-frame, ip6 : goto ipv6 }",
            f"ether type {{ 8021q, 8021ad }} {_drop('vlan-tag')}",
            _drop("ethernet-type"),
        ),
    )
    if astray:
        yield _elsewhere()
    yield from _arp("accept" if vxlan is None else "goto arp-moved")
    yield from _ipv4()
    yield from _ipv6("accept" if vxlan is None else "goto ipv6-moved")
    yield from _neighbour_discovery()
    if vxlan is not None:
        said = "icmpv6 type nd-neighbor-advert ip6 daddr ff02::1 @th,64,128 @moving6"
        yield "arp-moved", "", (f'arp saddr ip @moving4 arp daddr ip @moving4 dup to "{vxlan}"', "accept")
        yield "ipv6-moved", "", (f'{said} dup to "{vxlan}"', "accept")


def free(tap: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """The chains of a port without protection: it says what it likes, but to legs not that it is from elsewhere."""
    yield f"from-{tap}", nft.netdev_hook("ingress", tap), (_TO_LEGS,)
    yield _elsewhere()


_TO_LEGS = "ether daddr @legs jump elsewhere"


def _elsewhere() -> tuple[str, str, Sequence[str]]:
    # Tags first: of a priority tag in another, which a leg would take off, nft sees no address.
    tagged = f"ether type {{ 8021q, 8021ad }} {_drop('vlan-tag')}"
    sources = (f"{ip} saddr @elsewhere{version} {_drop('source-address')}" for ip, version in (("ip", 4), ("ip6", 6)))
    return "elsewhere", "", (tagged, *sources)


def _arp(accept: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    probe = "arp saddr ip 0.0.0.0"
    yield (
        "arp-frame",
        "",
        (
            _STRANGE_MAC,
            f"@nh,0,48 != {_FIXED_PARTS} {_drop('arp-sender')}",
            f"arp saddr ether . arp saddr ip @own4 {accept}",
            f"{probe} arp saddr ether . arp daddr ip @own4 accept",
            f"arp saddr ether != @macs {_drop('arp-sender')}",
            f"{probe} arp daddr ip != @foreign4 arp daddr ip @wide4 accept",
            f"arp saddr ip @foreign4 {_drop('arp-sender')}",
            f"arp saddr ip @wide4 {accept}",
            _drop("arp-sender"),
        ),
    )
    yield "rarp-frame", "", (_STRANGE_MAC, "@nh,64,48 @hardware accept", _drop("arp-sender"))


def _ipv4() -> Iterator[tuple[str, str, Sequence[str]]]:
    own = "ether saddr . ip saddr @own4 accept"
    yield "ipv4-first", "", ("ip protocol != udp accept", "udp dport != 68 accept", "goto ipv4-rest")
    yield "ipv4", "", (f"ip protocol != udp {own}", f"udp dport != 68 {own}", "goto ipv4-rest")
    yield (
        "ipv4-rest",
        "",
        (
            _STRANGE_MAC,
            "ip protocol udp jump ipv4-udp",
            own,
            f"ip saddr @foreign4 {_drop('source-address')}",
            "ip saddr @wide4 accept",
            _drop("source-address"),
        ),
    )
    yield (
        "ipv4-udp",
        "",
        (
            # First: kernels read what lies there as if it were a header.
            "ip frag-off & 8191 != 0 return",
            f"udp dport 68 {_drop('dhcp-answer')}",
            "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
            "udp dport 0-65535 return",
            _drop("unreadable-header"),
        ),
    )


def _ipv6(accept: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    own = "ether saddr . ip6 saddr @own6"
    # Only where no extension header is in between: see below.
    echo = "ip6 nexthdr ipv6-icmp icmpv6 type { echo-request, echo-reply }"
    direct = ("ip6 nexthdr tcp", "ip6 nexthdr udp udp dport != 546", echo)
    yield "ipv6-first", "", (*(f"{rule} accept" for rule in direct), "goto ipv6-rest")
    yield "ipv6", "", (*(f"{rule} {own} accept" for rule in direct), "goto ipv6-rest")
    yield (
        "ipv6-rest",
        "",
        (
            _STRANGE_MAC,
            # A first fragment must show what it carries. If it ended among its options, the rule would read on in what
            # pads the frame, and be told what the next fragment does not hold.
            f"frag nexthdr {{ ip, ipv6-route, ipv6-frag, ah, ipv6-opts }} {_drop('unreadable-header')}",
            "meta l4proto vmap { udp : jump ipv6-udp, ipv6-icmp : jump ipv6-icmp }",
            "meta l4proto != 255 goto ipv6-source",
            _drop("unreadable-header"),
        ),
    )
    yield (
        "ipv6-udp",
        "",
        (
            "frag frag-off != 0 return",
            f"udp dport 546 {_drop('dhcp-answer')}",
            "udp dport 0-65535 return",
            _drop("unreadable-header"),
        ),
    )
    yield (
        "ipv6-icmp",
        "",
        (
            "frag frag-off != 0 return",
            f"icmpv6 type {{ nd-router-advert, nd-redirect }} {_drop('router-advertisement')}",
            "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } goto neighbours",
            "icmpv6 type 0-255 return",
            _drop("unreadable-header"),
        ),
    )
    yield (
        "ipv6-source",
        "",
        (
            f"{own} {accept}",
            "ip6 saddr :: goto ipv6-nobody",
            f"@nh,64,128 @foreign6 {_drop('source-address')}",
            f"ip6 saddr fe80::/10 @nh,152,16 != 0xfffe {accept}",
            f"@nh,64,128 @wide6 {accept}",
            _drop("source-address"),
        ),
    )
    asks = "mld-listener-report, mld-listener-done, nd-router-solicit, nd-neighbor-solicit, mld2-listener-report"
    yield "ipv6-nobody", "", (f"icmpv6 type {{ {asks} }} accept", _drop("source-address"))


def _neighbour_discovery() -> Iterator[tuple[str, str, Sequence[str]]]:
    refused = _drop("neighbour-discovery")
    yield (
        "neighbours",
        "",
        (
            f"ip6 nexthdr != ipv6-icmp {refused}",
            "icmpv6 type nd-router-solicit goto neighbour-router",
            "ip6 length 24 goto neighbour-target",
            "ip6 length 32 @th,192,16 { 0x101, 0x201 } @th,208,48 @hardware goto neighbour-target",
            # A nonce, by which duplicate address detection knows its own question (RFC 7527).
            "ip6 length 32 @th,192,16 0xe01 goto neighbour-target",
            refused,
        ),
    )
    yield (
        "neighbour-router",
        "",
        ("ip6 length 8 return", "ip6 length 16 @th,64,16 0x101 @th,80,48 @hardware return", refused),
    )
    yield (
        "neighbour-target",
        "",
        (
            "icmpv6 type nd-neighbor-solicit ip6 saddr != :: return",
            "@th,64,128 @targets return",
            f"@th,64,128 @foreign6 {refused}",
            f"@th,64,128 {_LINK_LOCALS} @th,152,16 != 0xfffe return",
            "@th,64,128 @wide6 return",
            refused,
        ),
    )
