"""Connected routes: the kernel makes one with each address, and nobody but that address brings it back."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from onehop.objects import Address, KernelObject, netlink
from onehop.objects.link_codec import LinkRecord
from onehop.objects.netlink import Found
from onehop.objects.route import RTMSG

_MAIN, _OF_THE_KERNEL = 254, 2
_DESTINATION, _LINK = 1, 4


def with_lost_routes(
    routing: Iterable[Found], items: Iterable[KernelObject], links: Mapping[int, LinkRecord]
) -> Iterator[KernelObject]:
    """The items, with addresses whose connected route somebody deleted marked as not connected.

    Only links that run are judged: on others the kernel has taken the route away itself, and brings it back.

    Args:
        routing: every route of the namespace.
        items: what hangs on links.
        links: ours, by index.
    """
    running = {record.name: index for index, record in links.items() if record.running}
    routes: set[tuple[int, bytes, int]] | None = None
    for item in items:
        if isinstance(item, Address) and item.link in running:
            network = ipaddress.ip_interface(item.address).network
            if routes is None:
                routes = set(_connected(routing))
            key = (running[item.link], network.network_address.packed, network.prefixlen)
            if network.prefixlen < network.max_prefixlen and key not in routes:
                yield msgspec.structs.replace(item, connected=False)
                continue
        yield item


def _connected(routing: Iterable[Found]) -> Iterator[tuple[int, bytes, int]]:
    for message in routing:
        _, length, _, _, table, protocol, _, _, _ = RTMSG.unpack_from(message.data, message.start)
        if (table, protocol) == (_MAIN, _OF_THE_KERNEL):
            values = netlink.attributes(message.data, message.start + RTMSG.size, message.end)
            yield netlink.number(values.get(_LINK, b"")), values.get(_DESTINATION, b""), length
