"""keepalived, as tests run it inside instances: one address that several of them may have (VRRP, RFC 5798)."""

from collections.abc import Sequence
from pathlib import Path

GROUP = 7
LOCAL = "fe80::200"
"""VRRP of IPv6 has a link-local address first (RFC 5798, 5.2.9)."""

VIRTUAL_MAC = {4: f"00:00:5e:00:01:{GROUP:02x}", 6: f"00:00:5e:00:02:{GROUP:02x}"}

_CONFIGURATION = """global_defs {{
    vrrp_version 3
}}
vrrp_instance roaming {{
    state BACKUP
    interface eth0
    virtual_router_id {group}
    priority {priority}
    advert_int 0.5
    garp_lower_prio_delay 0
    {vmac}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"""


def prepared(folder: Path, addresses: Sequence[str], priority: int, virtual_mac: bool) -> list[str]:
    """The command that runs it in the foreground until it is ended, its configuration written.

    Args:
        folder: of this one's own.
        addresses: with prefix lengths, of one IP version.
        priority: the highest of those that are heard has the addresses.
        virtual_mac: they come with the group's MAC, `VIRTUAL_MAC`.
    """
    local = [f"{LOCAL}/64"] if ":" in addresses[0] else []
    words = {
        "group": GROUP,
        "priority": priority,
        "vmac": "use_vmac vrrp0" if virtual_mac else "",
        "addresses": "\n        ".join([*local, *addresses]),
    }
    file = folder / "keepalived.conf"
    file.write_text(_CONFIGURATION.format(**words))
    command = ["keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", str(file)]
    return [*command, "--pid", str(folder / "pid"), "--vrrp_pid", str(folder / "vrrp.pid")]
