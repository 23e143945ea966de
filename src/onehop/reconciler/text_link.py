"""Links as iproute2 commands."""

from onehop.net.naming import HOST
from onehop.objects import Bridge, Link, Tap, Veth, Vxlan
from onehop.reconciler.text_word import bridge, ip, quote

_CALLS = " nf_call_iptables {0} nf_call_ip6tables {0}"


def new_link(link: Link) -> tuple[str, ...]:
    """The commands that make a link."""
    name = quote(link.name)
    address = f" address {link.mac}" if link.mac is not None else ""
    plain = f"{ip(link.namespace)} link add {name} mtu {link.mtu}{address}"
    match link.spec:
        case Veth():
            first = _new_pair(link, link.spec)
        case Bridge():
            first = f"{plain} type bridge stp_state 0 mcast_snooping 0" + (
                _CALLS.format(1) if link.spec.tracked else ""
            )
        case Vxlan(vni, local, port):
            first = f"{plain} type vxlan id {vni} local {local} dstport {port} nolearning"
        case Tap():
            first = f"{ip(link.namespace)} tuntap add {name} mode tap vnet_hdr"
    words = [f"alias {quote(link.alias)}", "addrgenmode none"]
    if isinstance(link.spec, Tap):
        words += [f"mtu {link.mtu}" + address]
    words += [f"master {quote(link.master)}"] if link.master is not None else []
    words += ["up"] if link.up else []
    return (first, f"{ip(link.namespace)} link set {name} {' '.join(words)}", *_port(link))


def changed_link(old: Link, new: Link) -> tuple[str, ...]:
    """The commands that turn a link into another in place."""
    words: list[str] = []
    if new.alias != old.alias:
        words.append(f"alias {quote(new.alias)}")
    if new.mac is not None and new.mac != old.mac:
        words.append(f"address {new.mac}")
    if new.mtu != old.mtu:
        words.append(f"mtu {new.mtu}")
    if new.master != old.master:
        words.append("nomaster" if new.master is None else f"master {quote(new.master)}")
    if new.up != old.up:
        words.append("up" if new.up else "down")
    lines = [f"{ip(new.namespace)} link set {quote(new.name)} {' '.join(words)}"] if words else []
    if isinstance(new.spec, Vxlan) and new.spec != old.spec:
        words = ["type vxlan", f"id {new.spec.vni}", f"local {new.spec.local}"]
        words += ["nolearning"] if isinstance(old.spec, Vxlan) and old.spec.learning else []
        lines.append(f"{ip(new.namespace)} link set {quote(new.name)} {' '.join(words)}")
    if isinstance(new.spec, Bridge) and new.spec != old.spec:
        calls = _CALLS.format(int(new.spec.tracked))
        lines.append(f"{ip(new.namespace)} link set {quote(new.name)} type bridge stp_state 0 mcast_snooping 0{calls}")
    if new.port != old.port or new.master != old.master:
        lines.extend(_port(new, old.port is not None and old.port.restrained))
    return tuple(lines)


def _new_pair(link: Link, spec: Veth) -> str:
    """A pair, made from the host's namespace where one end is there: that namespace has no name to give to `netns`."""
    far = {"name": spec.peer_name, "namespace": spec.peer_namespace, "mac": spec.peer_mac}
    near = {"name": link.name, "namespace": link.namespace, "mac": link.mac}
    if spec.peer_namespace == HOST:
        near, far = far, near
    words = [ip(near["namespace"] or HOST), "link add", quote(near["name"] or ""), f"mtu {link.mtu}"]
    words += [f"address {near['mac']}"] if near["mac"] is not None else []
    words += ["type veth peer name", quote(far["name"] or "")]
    words += [f"netns {quote(far['namespace'])}"] if far["namespace"] else []
    words += [f"mtu {link.mtu}"]
    words += [f"address {far['mac']}"] if far["mac"] is not None else []
    return " ".join(words)


def _port(link: Link, free: bool = False) -> tuple[str, ...]:
    if link.port is None:
        return ()
    freed = " isolated off locked off mcast_flood on bcast_flood on" if free else ""
    words = " ".join(
        f"{word} {'on' if value else 'off'}"
        for word, value in (
            ("learning", link.port.learning),
            ("flood", link.port.flood),
            ("neigh_suppress", link.port.neigh_suppress),
        )
    )
    return (f"{bridge(link.namespace)} link set dev {quote(link.name)} {words}{freed}",)
