"""What to do about a packet's death, in a sentence: by the rule that dropped it, or by what was missing."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from onehop.model.protection import REASONS
from onehop.model.topology import Topology
from onehop.net import address
from onehop.verify.trail import End

_BY_CHAIN: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("ip onehop-north", "to_outside"): (
            "the source is not in the leave set: nothing here translated it, so it would leave with a private address; "
            "look at the gateway's enable_snat, and at the port blocks of this host (`openstack router show`, "
            "gateway_hosts)"
        ),
        ("ip onehop-north", "to_transit"): (
            "by the transit leg go only packets that are steered to another host, or that this host translated; look "
            "at the port blocks of this host (`openstack router show`, gateway_hosts)"
        ),
        ("ip onehop-north", "from_outside"): (
            "the external leg takes only what is addressed to this router's floating IPs, forwarded ports and gateway "
            "addresses, and never a source of the router's own; associate a floating IP, or forward the port"
        ),
        ("ip onehop-north", "astray"): (
            "it came over the transit leg to be translated back here, and no connection or mapping of this host wants "
            "it: the floating IP or port forwarding is not (or no longer) at this host"
        ),
        ("ip onehop-north", "from_inside"): (
            "an instance may not send with an external address as its source, nor speak to 169.254.0.0/16 through a "
            "router (RFC 3927, 7)"
        ),
        ("ip onehop-north", "raw"): "instances do not speak to 169.254.0.0/16 through a router (RFC 3927, 7)",
        ("ip onehop-north", "to_self"): "nobody listens at an external address itself; associate it with a port",
        ("ip onehop-north", "severed"): "its connection's translation is not any more: begin it anew",
        ("ip onehop-north", "translate_in"): "its connection has no translation (any more): begin it anew",
        ("ip6 onehop-north", "from_outside"): (
            "from outside only the router's IPv6 subnets and its external address are reached"
        ),
        ("ip6 onehop-north", "leave"): "only sources of the router's IPv6 subnets leave",
    }
)
_REFUSED = re.compile(r'counter name "([a-z-]+)" drop')
_NEIGHBOUR = re.compile(r"nobody on (\S+) answers (?:ARP|ND) for (\S+)")


def advice(view: Topology, asked: str, end: End) -> str:
    """What an operator may do about a packet's end; empty where nothing better than the reason is known.

    Args:
        view: the topology.
        asked: the address that was called.
        end: where the packet died.
    """
    death = end.death
    if death is None:
        return ""
    if death.rule:
        refused = _REFUSED.search(death.rule)
        if refused is not None:
            said = REASONS.get(refused[1], refused[1])
            return f"its port is protected, and this is {said}; allowed address pairs open further addresses"
        if death.table.startswith("netdev onehop-net"):
            return "what speaks of a gateway's address stays on its host"
        return _BY_CHAIN.get((death.table, death.chain), "")
    found = _NEIGHBOUR.search(death.reason)
    if found is not None:
        return _unanswered(view, found[2])
    if death.reason.startswith("there is no route") or (end.space.everything and "the route to" in death.reason):
        return _unroutable(view, asked, end)
    if "no instance is behind" in death.reason or "is not realised there" in death.reason:
        return "the port is bound to that host, but nothing is plugged there: `onehop plug` on the host"
    return ""


def _unanswered(view: Topology, ip: str) -> str:
    pairs = sorted(
        port.id
        for port in view.ports.values()
        for pair in port.allowed_address_pairs
        if address.contains(pair.ip_address if "/" in pair.ip_address else _whole(pair.ip_address), ip)
    )
    if pairs:
        holders = ", ".join(pairs[:3])
        return f"{ip} is in the allowed address pairs of {holders}: the model cannot know which instance holds it"
    for port in view.ports.values():
        if any(fixed.ip_address == ip for fixed in port.fixed_ips):
            what = "is bound to no host" if port.host is None else f"is on {port.host}"
            return f"{ip} is of port {port.id}, which {what}"
    for floating in view.floating_ips.values():
        if floating.address == ip:
            return _unpublished(view, floating.router_id, ip)
    return "no port has that address"


def _unpublished(view: Topology, router: str, ip: str) -> str:
    value = view.routers.get(router)  # type: ignore[call-overload]  # ids are text
    if value is not None and value.gateway is not None and value.gateway.owner is None:
        return f"{ip} needs an owner, and no gateway host of router {router} is alive"
    return f"no host publishes {ip}: its port is bound to no host that is up"


def _unroutable(view: Topology, asked: str, end: End) -> str:
    if end.space.everything:
        return f"nobody outside knows a way to {asked}: floating IPs, gateway addresses and routed prefixes are reached"
    for router in view.routers.values():
        if end.space.name == f"qrouter-{router.id}":
            if router.gateway is None:
                return f"router {router.id} has no gateway and no extra route to {asked}"
            return f"neither a default gateway of the external subnet nor an extra route leads to {asked}"
    return "the instance has no default route: its subnet has no gateway_ip, or no router is on the subnet"


def _whole(ip: str) -> str:
    return f"{ip}/{128 if ':' in ip else 32}"
