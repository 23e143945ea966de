"""Reach: which other hosts answer over the underlay, as this one sees it. Pure; `onehop.agent.prober` sends.

A host's *kernel* answers echo requests whatever its agent does, so this tells a dead host from a dead agent.
"""

from collections.abc import Mapping

import msgspec

from onehop.model.topology import Topology
from onehop.net.identifier import HostName

MISSED = 4
"""Probes in a row that may miss their answer; with the next one the host is silent.

At five probes a second that is a second after its last answer. Linux repeats what a TCP connection sent after 0.2, 0.6,
1.4, 3.0 s: a hand-over that is done before the third of these costs a stream half the time of one just after it.
"""

OBSERVERS = 2
"""Gateway hosts that probe the other hosts of a router: one may be lost itself."""


class Verdict(msgspec.Struct, frozen=True):
    """What is known of the others: who answers, and who does not (any more)."""

    answering: frozenset[HostName] = frozenset()
    silent: frozenset[HostName] = frozenset()


class Reach:
    """Counts answers. A host that was not probed `MISSED` times yet is neither answering nor silent."""

    def __init__(self) -> None:
        self._missed: dict[HostName, int] = {}
        self._answered: set[HostName] = set()

    def probing(self, hosts: frozenset[HostName]) -> None:
        """A probe goes out to each of these, and to nobody else."""
        self._missed = {host: self._missed.get(host, 0) + 1 for host in hosts}
        self._answered &= hosts

    def answered(self, host: HostName) -> None:
        """An answer came."""
        if host in self._missed:
            self._missed[host] = 0
            self._answered.add(host)

    def verdict(self) -> Verdict:
        """What follows from the answers so far."""
        silent = frozenset(host for host, missed in self._missed.items() if missed > MISSED)
        return Verdict(frozenset(self._answered) - silent, silent)


def targets(view: Topology, host: HostName) -> Mapping[HostName, str]:
    """VTEPs of the hosts that a gateway host probes; none where it is no gateway host of any router.

    The other gateway hosts of its routers, and where it is one of a router's first `OBSERVERS` or owns it, also the
    hosts on which instances of the router are.
    """
    found: set[HostName] = set()
    for router in view.candidate_on(host):
        if router.gateway is None:
            continue
        found.update(router.gateway.candidates)
        if host in (*router.gateway.candidates[:OBSERVERS], router.gateway.owner):
            found.update(place.host for place in router.gateway.hosts if view.bound_on(place.host))
    return {name: view.hosts[name].vtep for name in sorted(found - {host}) if name in view.hosts}
