"""Wrong values for every field by which something leads outside, with the status and a word of the sentence."""

from collections.abc import Callable
from typing import Any

from tests.api.client import Answer, Row
from tests.api.outside import HOP, Outside

NOBODY = "11111111-1111-4111-8111-111111111111"
Wrong = tuple[Any, int, str]
"""A value or what makes it of the world, the status, and what the sentence has to name."""


NO_DICTIONARY: list[Wrong] = [
    (value, 400, "external_gateway_info") for value in ("x", [], 0, True, {"network_id": None})
]
GATEWAY: list[Wrong] = [
    *NO_DICTIONARY,
    ({"network_id": NOBODY}, 404, NOBODY),
    ({"colour": 1}, 400, "colour"),
    ((lambda o: {"network_id": o.inside.network["id"]}), 400, "not an external network"),
    ((lambda o: {"network_id": o.other["id"]}), 409, "floating IP"),
    (None, 409, "floating IP"),
    ({}, 409, "floating IP"),
    ((lambda o: {"network_id": o.external["id"], "qos_policy_id": NOBODY}), 400, "quality of service"),
]
ADDRESSES: list[Wrong] = [
    *((value, 400, "external_gateway_info") for value in (None, "x", {}, ["172.29.0.9"], [None], [{"ip": "x"}])),
    ([{"ip_address": "172.29.0.300"}], 400, "172.29.0.300"),
    ([{}], 400, "subnet_id or ip_address"),
    ([{"ip_address": "172.29.0.9"}] * 2, 400, "twice"),
    ([{"ip_address": "172.29.0.1"}], 409, "gateway of subnet"),
    ([{"ip_address": "172.29.0.0"}], 400, "172.29.0.0"),
    ([{"ip_address": "172.29.0.255"}], 400, "172.29.0.255"),
    ([{"ip_address": "192.0.2.1"}], 400, "192.0.2.1"),
    ((lambda o: [{"ip_address": o.free["floating_ip_address"]}]), 409, "already allocated"),
    ((lambda o: [{"subnet_id": o.other_subnet["id"]}]), 400, "invalid subnet"),
    ((lambda o: [{"subnet_id": o.inside.subnet["id"]}]), 400, "invalid subnet"),
    ([{"subnet_id": NOBODY}], 400, NOBODY),
    ((lambda o: [{"subnet_id": o.six["id"], "ip_address": "172.29.0.9"}]), 400, "172.29.0.9"),
    ((lambda o: [{"subnet_id": o.six["id"]}]), 409, "IPv4 address"),
    ((lambda o: [{"subnet_id": o.four["id"]}] * 65), 400, "at most 64"),
    ((lambda o: [{"subnet_id": o.four["id"]}, {"ip_address": "192.0.2.1"}]), 400, "192.0.2.1"),
]
NEW_ROUTER: list[Wrong] = [
    *NO_DICTIONARY,
    ({"network_id": NOBODY}, 404, NOBODY),
    ({"enable_snat": True}, 400, "network_id"),
    ((lambda o: {"network_id": o.inside.network["id"]}), 400, "not an external network"),
    (
        (lambda o: {"network_id": o.external["id"], "external_fixed_ips": [{"ip_address": "172.29.0.1"}]}),
        409,
        "gateway",
    ),
    ((lambda o: {"network_id": o.external["id"], "external_fixed_ips": [{"subnet_id": NOBODY}]}), 400, NOBODY),
]
SWITCHED: list[Wrong] = [(value, 400, "external_gateway_info") for value in (None, "perhaps", 2, [], {})]
SNAT: list[Wrong] = [(value, 400, "snat") for value in (None, 1, True, "", "central", "Centralized", [])]
BLOCK: list[Wrong] = [
    (value, 400, "port_block_size") for value in (None, "x", "", 0, -64, 32, 63, 1000, 32768, 2**70, 64.0, True, [64])
]


def route(destination: str, nexthop: str = HOP) -> list[Row]:
    return [{"destination": destination, "nexthop": nexthop}]


FORM: list[Wrong] = [
    *((value, 400, "routes") for value in ("x", {}, 7, ["x"], [None], [{}], [[]], [{"destination": "192.168.0.0/24"}])),
    ([{"destination": "192.168.0.0/24", "nexthop": HOP, "metric": 1}], 400, "metric"),
    (route("192.168.0.0/33"), 400, "192.168.0.0/33"),
    (route("192.168.0.9"), 400, "192.168.0.9"),
    (route("192.168.0.0/24", "10.0.0"), 400, "10.0.0"),
    (route("192.168.0.0/24") * 2, 400, "Duplicate"),
    (route("192.168.0.0/24") + route("192.168.0.7/24"), 400, "Duplicate"),
    ([*route("192.168.9.0/24")] * 1001, 400, "at most"),
]
ROUTES: list[Wrong] = [
    *FORM,
    (route("fd00:9::/64"), 400, "one IP version"),
    (route("192.168.0.0/24", "10.0.0.1"), 400, "used by router"),
    (route("192.168.0.0/24", "10.9.0.1"), 400, "not connected"),
    (route("192.168.0.0/24", "10.0.0.0"), 400, "not connected"),
    (route("fd00:9::/64", "fe80::1"), 400, "not connected"),
    (route("192.168.7.0/24") + route("192.168.8.0/24", "10.9.0.1"), 400, "10.9.0.1"),
    *((route(never), 400, "never routed") for never in ("169.254.0.0/16", "169.254.169.254/32", "127.0.0.0/8")),
    *((route(never), 400, "never routed") for never in ("224.0.0.0/4", "0.0.0.0/8", "255.255.255.255/32")),
    *((route(never, "2001:db8:9::5"), 400, "never routed") for never in ("fe80::/64", "ff00::/8", "::1/128")),
    *((route(outer), 400, "external network") for outer in ("172.29.0.0/24", "172.29.0.128/25", "172.16.0.0/12")),
    *((route("0.0.0.0/0", hop), 400, "clear the gateway") for hop in (HOP, "172.29.0.1")),
    (route("::/0", "2001:db8:9::5"), 400, "clear the gateway"),
    ([one for n in range(31) for one in route(f"192.168.{n}.0/24")], 400, "At most 30"),
]
NEW_FLOATING: list[Wrong] = [
    *(({"floating_network_id": value}, 400, "floating_network_id") for value in (None, 7, "ext", [], {})),
    ({"floating_network_id": NOBODY}, 404, NOBODY),
    ((lambda o: {"floating_network_id": o.inside.network["id"]}), 400, "not a valid external network"),
    *(({"floating_ip_address": value}, 400, "floating_ip_address") for value in (None, 7, "x", "172.29.0.9/32", [])),
    ({"floating_ip_address": "172.29.0.1"}, 409, "gateway of subnet"),
    ({"floating_ip_address": "172.29.0.255"}, 400, "172.29.0.255"),
    ({"floating_ip_address": "192.0.2.1"}, 400, "192.0.2.1"),
    ({"floating_ip_address": "2001:db8:9::7"}, 400, "IPv4"),
    ((lambda o: {"floating_ip_address": o.free["floating_ip_address"]}), 409, "already allocated"),
    ({"subnet_id": NOBODY}, 400, NOBODY),
    ((lambda o: {"subnet_id": o.six["id"]}), 400, "no IPv4 subnet"),
    ((lambda o: {"subnet_id": o.other_subnet["id"]}), 400, "no IPv4 subnet"),
    ((lambda o: {"subnet_id": o.four["id"], "floating_ip_address": "172.30.0.7"}), 400, "172.30.0.7"),
    *(({"port_id": value}, 400, "port_id") for value in (7, "", "web", [], {})),
    ({"port_id": NOBODY}, 404, NOBODY),
    ((lambda o: {"port_id": o.their_port["id"]}), 404, "not reachable"),
    ((lambda o: {"port_id": o.leg["id"]}), 400, "nothing outside can lead to"),
    ((lambda o: {"port_id": o.led["id"]}), 409, "already has floating IP"),
    ((lambda o: {"port_id": o.port["id"]}), 409, "Port Forwarding"),
    ((lambda o: {"floating_network_id": o.other["id"], "port_id": o.port["id"]}), 409, "Port Forwarding"),
    ((lambda o: {"floating_network_id": o.other["id"], "port_id": o.led["id"]}), 404, "not reachable"),
    ({"fixed_ip_address": HOP}, 400, "without a port_id"),
    *(((lambda o, v=v: {"port_id": o.port["id"], "fixed_ip_address": v}), 400, str(v)) for v in (5, "x", "10.0.0.99")),
    ((lambda o: {"port_id": o.port["id"], "fixed_ip_address": "fd00::5"}), 400, "IPv4"),
    ((lambda o: {"router_id": o.router["id"]}), 400, "router_id"),
    *(({name: NOBODY}, 400, name) for name in ("id", "status", "qos_policy_id", "dns_name", "port_details", "colour")),
    *(({"description": value}, 400, "description") for value in (7, None, [], "x" * 256)),
]
LEAD: list[Wrong] = [
    *(
        ({name: "172.29.0.9"}, 400, name)
        for name in ("floating_ip_address", "floating_network_id", "router_id", "status")
    ),
    *(({"port_id": value}, 400, "port_id") for value in (7, "", "web", [], {})),
    ({"port_id": NOBODY}, 404, NOBODY),
    ((lambda o: {"port_id": o.their_port["id"]}), 404, "could not be found"),
    ((lambda o: {"port_id": o.leg["id"]}), 400, "nothing outside can lead to"),
    ((lambda o: {"port_id": o.led["id"]}), 409, "already has floating IP"),
    ((lambda o: {"port_id": o.port["id"]}), 409, "Port Forwarding"),
    ((lambda o: {"port_id": o.led["id"], "fixed_ip_address": "10.0.0.99"}), 400, "10.0.0.99"),
    ({"fixed_ip_address": HOP}, 400, "without a port_id"),
    ({"fixed_ip_address": 5}, 400, "fixed_ip_address"),
]
FORWARD: list[Wrong] = [
    *(({"protocol": value}, 400, "protocol") for value in (None, 6, "TCP", "sctp", "", [])),
    *(({"internal_port": value}, 400, "internal_port") for value in (None, 0, -1, 65536, "http", 80.0, True, [80])),
    *(({"external_port": value}, 400, "external_port") for value in (None, 0, -1, 65536, "http", 80.0, True, [80])),
    *(({"internal_port_id": value}, 400, "internal_port_id") for value in (None, 7, "web", [])),
    ({"internal_port_id": NOBODY}, 404, NOBODY),
    ((lambda o: {"internal_port_id": o.their_port["id"]}), 404, "could not be found"),
    ((lambda o: {"internal_port_id": o.leg["id"]}), 400, "nothing outside can lead to"),
    ((lambda o: {"internal_port_id": o.led["id"]}), 409, "floating IP bound"),
    *(({"internal_ip_address": value}, 400, "internal_ip_address") for value in (None, 7, "x")),
    ({"internal_ip_address": "10.0.0.99"}, 400, "10.0.0.99"),
    ({"internal_ip_address": "fd00::7"}, 400, "IPv4"),
    ({"internal_port_range": "80:80"}, 400, "either"),
    ({"external_port_range": "80:80"}, 400, "either"),
    ({"external_port": 7}, 400, "forwarded already"),
    *(({name: NOBODY}, 400, name) for name in ("id", "floatingip_id", "colour", "router_id")),
    ({"description": 7}, 400, "description"),
]
RANGES: list[Wrong] = [
    *(
        ((wrong, "1:2"), 400, "internal_port_range")
        for wrong in ("2:1", "0:1", "65535:65536", "a:b", "80-81", "80:", "")
    ),
    *(((wrong, "1:2"), 400, "internal_port_range") for wrong in (" 80:81", "80:81\n", "+80:81", "٨٠:٨١", "000080:81")),
    *(((wrong, "1:2"), 400, "internal_port_range") for wrong in (None, 80, [80, 81], {}, "1" * 12)),
    *((("1:2", wrong), 400, "external_port_range") for wrong in ("2:1", "0:1", "65535:65536", "a:b", None, 80)),
    (("80:82", "80:81"), 400, "same number of ports"),
    (("6:8", "6:8"), 400, "forwarded already"),
]
REFORWARD: list[Wrong] = [
    ({"external_port": 0}, 400, "external_port"),
    ({"protocol": "icmp"}, 400, "protocol"),
    ({"internal_port_range": "1:2"}, 400, "same number of ports"),
    ({"internal_port_id": NOBODY}, 404, NOBODY),
    ((lambda o: {"internal_port_id": o.their_port["id"]}), 404, "could not be found"),
    ((lambda o: {"internal_port_id": o.led["id"]}), 409, "floating IP bound"),
    ({"internal_ip_address": "10.0.0.99"}, 400, "10.0.0.99"),
]


def _pair(ip: Any, **mac: Any) -> list[Row]:
    return [{"ip_address": ip, **mac}]


NOBODYS = ("0.0.0.0/32", "127.0.0.0/8", "127.0.0.1", "255.255.255.255", "169.254.169.254", "::", "::1")
PAIRS: list[Wrong] = [
    *((value, 400, "allowed_address_pairs") for value in ("x", {}, 7, ["10.0.0.9"], [None], _pair(7), _pair(None))),
    *(
        (_pair("10.0.0.9", mac_address=mac), 400, "MAC")
        for mac in (None, "x", 7, "01:00:5e:00:00:01", "00:00:00:00:00:00")
    ),
    *((_pair(ip), 400, ip[:40]) for ip in ("10.0.0", "10.0.0.9/33", "x", "1" * 65)),
    *((value, 400, "ip_address") for value in ([{}], [{"mac_address": "fa:16:3e:00:00:01"}], _pair(""))),
    ([{"ip_address": "10.0.0.9", "colour": 1}], 400, "colour"),
    *((_pair(ip), 400, "multicast") for ip in ("224.0.0.18", "ff02::1")),
    *((_pair(ip), 400, "no instance") for ip in NOBODYS),
    (_pair("10.0.0.9") * 2, 400, "duplicate"),
    (_pair("10.0.0.9/24") + _pair("10.0.0.0/24"), 400, "duplicate"),
    ([one for n in range(65) for one in _pair(f"10.0.0.{n + 100}")], 400, "maximum 64"),
]

FIELDS: dict[str, tuple[Callable[[Outside, Any], Answer], list[Wrong]]] = {
    "external_gateway_info": (Outside.gateway, GATEWAY),
    "external_gateway_info of a new router": (Outside.new_router, NEW_ROUTER),
    "external_fixed_ips": (Outside.addresses, ADDRESSES),
    "enable_snat": (Outside.switched, SWITCHED),
    "snat": (Outside.snat, SNAT),
    "port_block_size": (Outside.block, BLOCK),
    "routes": (Outside.routes, ROUTES),
    "add_extraroutes": (Outside.more_routes, ROUTES),
    "remove_extraroutes": (Outside.fewer_routes, FORM),
    "a new floating IP": (Outside.new_floating, NEW_FLOATING),
    "where a floating IP leads": (Outside.lead, LEAD),
    "a new port forwarding": (Outside.forward, FORWARD),
    "ranges of a port forwarding": (Outside.forward_range, RANGES),
    "a port forwarding": (Outside.reforward, REFORWARD),
    "allowed_address_pairs": (Outside.pairs, PAIRS),
}
