"""Connection tracking zones: one for each network that is tracked here, since tenants' prefixes overlap."""

from collections.abc import Iterable

from onehop.net import naming
from onehop.net.identifier import NetworkId


def zones_of(networks: Iterable[NetworkId]) -> dict[NetworkId, int]:
    """A zone of its own for every network, by the networks alone.

    Each has the one that its id asks for; of several that ask for the same, those with later ids take the next free.
    So a network's zone changes, and its connections begin anew, only when one that clashes with it comes or goes.
    """
    taken: dict[int, NetworkId] = {}
    for network in sorted(networks):
        number = naming.zone(network)
        while number in taken:
            number = number % naming.ZONES + 1
        taken[number] = network
    return {network: number for number, network in taken.items()}
