"""What routers promise to answer themselves: echoes to their legs, and to their addresses outside."""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address
from onehop.verify.proof.external import External, answers
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.promise import KINDS, Promise, all_of, whole
from onehop.verify.proof.reach import Source
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Box, points


class Echoes:
    """Echoes from inside, of one topology."""

    def __init__(self, view: Topology, groups: Groups, external: External) -> None:
        self.view, self.groups, self.external = view, groups, external

    def all(self, port: Port, ip: str, router: Router, by: Box) -> Iterator[Promise]:
        """Every echo of an instance that a router answers.

        Args:
            port: the instance's.
            ip: its address.
            router: one that has a leg on the port's network.
            by: frames from there to that leg.
        """
        if self.groups.knows(port):
            yield from self._legs(port, ip, router, by)
            yield from self._outside(port, ip, router, by)

    def _legs(self, port: Port, ip: str, router: Router, by: Box) -> Iterator[Promise]:
        for leg in self.view.interfaces_of(router.id):
            for own in leg.fixed_ips if leg.network_id == port.network_id else ():
                if address.version(own.ip_address) == address.version(ip):
                    to: Box = {**by, "destination": points([ip_number(own.ip_address)])}
                    yield from self._echo(port, address.version(ip), to, untracked=True, answered=True)

    def _outside(self, port: Port, ip: str, router: Router, by: Box) -> Iterator[Promise]:
        """Of the owner, which is not translated for that."""
        gateway = router.gateway
        if gateway is None or address.version(ip) == 6 or not answers(router):
            return
        mine = points(ip_number(one.ip_address) for one in gateway.fixed_ips if address.version(one.ip_address) == 4)
        back = self.external.is_default(port, ip, router)
        yield from self._echo(port, 4, {**by, "destination": mine}, untracked=False, answered=back)

    def _echo(self, port: Port, version: int, to: Box, *, untracked: bool, answered: bool) -> Iterator[Promise]:
        for found in all_of([to], [KINDS[version][2]], self.groups.outwards(port, version)):
            yield Promise(
                source=Source(port.id),
                version=version,
                box=whole(found, version),
                to="router",
                told=False,
                untracked=untracked,
                answered=answered,
            )
