"""The part of a transaction that is about routers' gateways."""

from collections.abc import Collection, Sequence

from onehop.store import allocation, drain, gateway
from onehop.store.record import Row
from onehop.store.session import Session


class Gateways:
    """What `Transaction` may be asked of routers' gateways, and what each of their hosts was given.

    Attributes:
        session: of the transaction.
    """

    session: Session

    def is_leg_mac(self, network_id: str, mac: str) -> bool:
        """Whether a router's external leg on the network has the MAC on some host."""
        return allocation.is_leg_mac(self.session, network_id, mac)

    def put_gateway(self, router_id: str, port_id: str, network_id: str, vnis: tuple[int, int]) -> None:
        """Give a router that has none a gateway: a VNI of the closed range, an owner, a place for each of its hosts.

        From then on every host that is a candidate, or on which a port of the router's component is bound, is given a
        place (number, MACs, transit address, port block) in the transaction that makes it so.

        Raises:
            PoolFullError: no VNI is free.
        """
        gateway.put(self.session, router_id, port_id, network_id, vnis)

    def clear_gateway(self, router_id: str) -> None:
        """Take a router's gateway away, with every place in it; the gateway port is left to the caller."""
        gateway.clear(self.session, router_id)

    def gateways(self, router_ids: Sequence[str]) -> dict[str, Row]:
        """What routers with a gateway were given, by id.

        ``port_id``, ``network_id``, ``vni``, ``owner``, ``generation``, ``candidates`` and ``hosts``: a list of
        ``host``, ``number``, ``mac_address``, ``transit_ip``, ``transit_mac``, ``blocks`` (``address``, ``first``,
        ``size``).
        """
        return gateway.get(self.session, router_ids)

    def assign_owner(self, router_id: str, host: str | None) -> int:
        """Make a candidate (or nobody) the owner of a router's external addresses; the generation from then on.

        Raises:
            NotFoundError: the host is no candidate, or the router has no gateway.
        """
        return gateway.assign_owner(self.session, router_id, host)

    def adopt_owner(self, router_id: str, generation: int, owner: str, host: str) -> str | None:
        """Take up the owner that a router's hosts chose by themselves, as one of them says; who owns it then.

        That begins a new generation, whoever it is: if it can be no owner (any more), another candidate is. A late word
        (another generation) and one of a host that is no candidate change nothing: None.
        """
        return gateway.adopt_owner(self.session, router_id, generation, owner, host)

    def observers(self, hosts: Collection[str]) -> dict[str, set[str]]:
        """Host → the candidates of routers that it holds: who may say whether it answers over the underlay."""
        return gateway.observers(self.session, hosts)

    def hand_over(self, lost: Collection[str]) -> int:
        """Give every router that these hosts own to a candidate that is none of them, spread by load; how many.

        A router without another candidate keeps its owner. What these hosts said of floating IPs does not count any
        more; they have to say it again.
        """
        return gateway.hand_over(self.session, lost)

    def relieve(self, limit: int) -> int:
        """Give up to `limit` routers that drained hosts own to other candidates, spread by load; how many.

        The drained hosts stay candidates, and keep what they need to steer what still comes to them.
        """
        return drain.relieve(self.session, limit)

    def dismiss(self, limit: int) -> int:
        """Let drained hosts be candidates of up to `limit` routers no more; how many.

        To be done after `relieve`: who owns a router that has no other candidate owns nothing either from then on.
        """
        return drain.dismiss(self.session, limit)

    def burden(self, host: str) -> tuple[int, int]:
        """Of how many routers a host is the owner, and of how many a candidate."""
        return drain.burden(self.session, host)

    def add_port_block(self, router_id: str, host: str) -> bool:
        """Give a host one more port block of a router; False where none is free.

        Raises:
            NotFoundError: the host has no place in the router.
        """
        return gateway.add_block(self.session, router_id, host)

    def use_ports(self, uses: Sequence[tuple[str, str, int, int, str]]) -> None:
        """Hosts say how far they use their port blocks: host, router id, ports used, connections that found none,
        and the gateway address whose ports they are ("" of all of them).

        Who uses three quarters of what it has is given a further block, if it needs the router (it is a candidate, or
        instances are there) and has less than its part (`Rules.port_share`) of the ports.
        """
        gateway.use_ports(self.session, uses)

    def refill_port_blocks(self) -> int:
        """Give a block to hosts that found none before; how many routers changed."""
        return gateway.refill(self.session)
