"""By which of a gateway's addresses an instance goes out, by the API's values: it keeps one, whatever it sends.

The address of the newest block that its host had when the instance came there; else the host's oldest. Whose host has
no blocks goes by the owner, and has the owner's oldest.
"""

from onehop.model.gateway import Gateway
from onehop.model.port import Port
from onehop.net import address


def exit_of(gateway: Gateway, port: Port) -> str | None:
    """The address as which an instance without a floating IP is seen; None where the API does not say which.

    Args:
        gateway: the router's.
        port: the instance's.
    """
    mine = [ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4]
    if len(mine) < 2:
        return mine[0] if mine else None
    if not gateway.distributed:
        return None
    active = next((one for one in port.bindings if one.active and one.host == port.host), None)
    place = next((one for one in gateway.hosts if one.host == port.host and one.blocks), None)
    since = active.since if active is not None and place is not None else -1
    place = place or next((one for one in gateway.hosts if one.host == gateway.owner), None)
    oldest: dict[str, int] = {}
    for block in place.blocks if place is not None else ():
        ip = block.address or mine[0]
        oldest[ip] = min(block.since, oldest.get(ip, block.since))
    known = sorted((age, mine.index(ip), ip) for ip, age in oldest.items() if ip in mine)
    there = [one for one in known if one[0] <= since]
    if there:
        newest = max(age for age, _, _ in there)
        return next(ip for age, _, ip in there if age == newest)
    return known[0][2] if known else None
