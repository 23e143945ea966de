"""What lies between hosts: the switches of underlay and external network, the upstream router, the far internet.

The node `fabric` holds two bridges without addresses of their own (but for the controller's on the underlay).
"""

from onehop.lab import plan
from onehop.lab.ip import batch, sysctl
from onehop.lab.namespace import create, inside
from onehop.lab.state import FABRIC, NODES, OUTSIDE, UPSTREAM, Directory, HostRecord


def build(directory: Directory, underlay_mtu: int) -> None:
    """Make the nodes and connect them."""
    for node in NODES:
        create(directory.pins(node), _quiet if node == FABRIC else _routes)
    upstream, outside = directory.pins(UPSTREAM), directory.pins(OUTSIDE)
    inside(directory.pins(FABRIC), lambda: _switches(underlay_mtu, str(upstream.net)))
    inside(upstream, lambda: _upstream(str(outside.net)))
    inside(outside, _outside)


def _quiet() -> None:
    sysctl("net/ipv6/conf/default/disable_ipv6", "1")
    sysctl("net/ipv6/conf/all/disable_ipv6", "1")
    sysctl("net/bridge/bridge-nf-call-iptables", "0", missing_ok=True)
    batch("link set lo up")


def _routes() -> None:
    for family in ("ipv4", "ipv6"):
        sysctl(f"net/{family}/conf/all/forwarding", "1")
        sysctl(f"net/{family}/conf/default/forwarding", "1")
    sysctl("net/ipv6/conf/default/accept_dad", "0")
    batch("link set lo up")


def _switches(mtu: int, upstream: str) -> None:
    bridge = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
    batch(
        # Without an address of its own a bridge has that of a port: the controller would move with a cable.
        f"link add underlay address {plan.STREAM_MAC} mtu {mtu} {bridge}",
        f"link add external {bridge}",
        ("addr", "add", f"{plan.STREAM}/{plan.UNDERLAY_LENGTH}", "dev", "underlay"),
        "link set underlay up",
        "link set external up",
        ("link", "add", "upstream", "type", "veth", "peer", "name", "ext0", "netns", upstream),
        "link set upstream master external up",
    )


def _upstream(outside: str) -> None:
    batch(
        ("link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", outside),
        ("addr", "add", f"{plan.GATEWAY}/{plan.EXTERNAL.prefixlen}", "dev", "ext0"),
        ("addr", "add", f"{plan.GATEWAY_V6}/{plan.EXTERNAL_V6.prefixlen}", "dev", "ext0", "nodad"),
        ("addr", "add", f"{plan.FAR_ROUTER}/{plan.FAR_LENGTH}", "dev", "out0"),
        ("addr", "add", f"{plan.FAR_ROUTER_V6}/{plan.FAR_LENGTH_V6}", "dev", "out0", "nodad"),
        "link set ext0 up",
        "link set out0 up",
    )


def _outside() -> None:
    batch(
        ("addr", "add", f"{plan.OUTSIDE}/{plan.FAR_LENGTH}", "dev", "eth0"),
        ("addr", "add", f"{plan.OUTSIDE_V6}/{plan.FAR_LENGTH_V6}", "dev", "eth0", "nodad"),
        "link set eth0 up",
        ("route", "add", "default", "via", plan.FAR_ROUTER),
        ("route", "add", "::/0", "via", plan.FAR_ROUTER_V6),
    )


def connect(directory: Directory, host: HostRecord, underlay_mtu: int) -> None:
    """Plug a host's cables in: its underlay and, where it has one, its external link."""
    target = str(directory.pins(host.name).net)
    commands: list[tuple[str, ...]] = []
    cables = [(plan.UNDERLAY_LINK, "underlay", str(underlay_mtu))]
    if host.external:
        cables.append((plan.EXTERNAL_LINK, "external", "1500"))
    for far, switch, mtu in cables:
        near = cable(host.name, switch)
        commands += [
            ("link", "add", near, "mtu", mtu, "type", "veth", "peer", "name", far, "mtu", mtu, "netns", target),
            ("link", "set", near, "master", switch, "up"),
        ]
    inside(directory.pins(FABRIC), lambda: batch(*commands))


def disconnect(directory: Directory, host: HostRecord) -> None:
    """Pull a host's cables, at once and both ends; harmless where there are none."""
    switches = ("underlay", "external") if host.external else ("underlay",)

    commands = [("link", "del", cable(host.name, switch)) for switch in switches]
    inside(directory.pins(FABRIC), lambda: batch(*commands, go_on=True))


def cut(directory: Directory, host: str, switch: str, carrier: bool = False) -> None:
    """Let nothing pass between a host and a switch.

    Args:
        directory: the lab.
        host: its name.
        switch: ``underlay`` or ``external``.
        carrier: the host's end keeps its carrier, as if something further away were broken.
    """
    command = ("nomaster",) if carrier else ("down",)
    inside(directory.pins(FABRIC), lambda: batch(("link", "set", cable(host, switch), *command)))


def mend(directory: Directory, host: str, switch: str) -> None:
    """Undo `cut`; harmless where nothing was cut."""
    inside(directory.pins(FABRIC), lambda: batch(("link", "set", cable(host, switch), "master", switch, "up")))


def cable(host: str, switch: str) -> str:
    """The switch's end of a host's cable: at most 15 characters."""
    return f"{host}-{switch[0]}"
