"""Tenure: holds external addresses on their legs only as long as nobody else is entitled to them.

What is said of them on the external network comes in by `onehop.agent.border`, which also asks. A change of owner is
carried out here before anything else is done about it: every other candidate holds all but the address already, so an
address more or less is all that it takes.
"""

from collections.abc import Callable, Iterable, Mapping

from onehop.agent.desire import Desire
from onehop.agent.holding import Holding
from onehop.agent.permit import Permits, Wanted, wanted_of
from onehop.agent.succession import Succession
from onehop.compiler.northbound import without
from onehop.errors import KernelError
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.model.gateway import Gateway
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.announcement import announcement
from onehop.net.identifier import RouterId
from onehop.objects import Address, KernelObject, Key, Link, Ruleset
from onehop.reconciler.plan import Create, Delete, Op, Plan

LOG = logger("agent")
Question = tuple[str, str]
"""A provider bridge, and an address that is to be asked for on it."""

CONTEST = 1.0
"""Seconds between two announcements of an address that somebody contests."""


class Tenure:
    """What this host may publish, and who contests it.

    Args:
        kernel: this host's.
        chance: gives a number from 0 to 1.
        silence: told of an address (namespace, address) that goes: it is announced no more.
        succession: who acts as the owner of routers while no controller tells.
    """

    def __init__(
        self,
        kernel: Kernel,
        chance: Callable[[], float],
        silence: Callable[[str, str], None],
        succession: Succession,
    ) -> None:
        self.permits = Permits(chance)
        self._succession = succession
        self._kernel = kernel
        self._silence = silence
        self._contested: dict[Wanted, float] = {}
        self._said_version = (0, 0)

    def permit(self, name: str, desire: Desire, holding: Holding, now: float) -> None:
        """Let a partition want what it may publish now, and no more."""
        whole = desire.whole(name) if name.startswith("router/") else None
        wanted = wanted_of(whole, desire.view, desire.host, desire.local) if whole is not None else {}
        waiting = self.permits.take(name, wanted, holding.objects(name), now)
        addresses = {wanted[key].published.address for key in waiting}
        instead: dict[Key, KernelObject] = {}
        for key, claim in whole.claims.items() if whole is not None and waiting else ():
            if isinstance(claim.object, Ruleset) and claim.object.family == "arp":
                # What a leg does not have it must not name when it asks: that would be heard as a claim.
                instead[key] = without(claim.object, addresses)
        desire.withhold(name, waiting, instead)

    def soonest(self) -> float | None:
        """When something is to be asked for next."""
        times = (self.permits.soonest(), self._succession.soonest())
        return min((when for when in times if when is not None), default=None)

    def ears(self) -> Mapping[Question, str] | None:
        """Whom to listen for, if that is different from what was said last."""
        version = (self.permits.version, self._succession.version)
        if self._said_version == version:
            return None
        self._said_version = version
        return {**self._succession.ears(), **self.permits.ears()}

    def ask(self, now: float) -> tuple[list[Question], set[str]]:
        """What is to be asked for now, and the partitions that may publish more, because nobody answered."""
        questions, changed = self.permits.due(now)
        asked = [(wanted.bridge, wanted.published.address) for wanted in questions]
        return asked + self._succession.due(now), changed

    def confirm(self, confirmed: bool, now: float) -> set[str]:
        """A controller confirms the view, or does not any more; returns the partitions that may publish more now."""
        self._succession.confirm(confirmed, now)
        return self.permits.confirm(confirmed, now)

    def grant(self, routers: Iterable[RouterId], desire: Desire) -> None:
        """This host took routers over: nobody answered for them, so what their owner publishes is asked for no more."""
        for router in routers:
            name = naming.router_partition(router)
            whole = desire.whole(name)
            if whole is not None:
                self.permits.grant(name, wanted_of(whole, desire.view, desire.host, desire.local))

    def heard(self, bridge: str, address: str, mac: str, confirmed: bool, now: float) -> str | None:
        """Somebody says to have an address.

        Args:
            bridge, address, mac: where, which, who.
            confirmed: a controller has confirmed since that the view is the newest.
            now: seconds.

        Returns:
            The partition that gave something up, or None.
        """
        wanted = self.permits.heard(bridge, address, mac, now)
        if not confirmed:
            self._succession.heard(bridge, address, mac, now)
        if wanted is None:
            return None
        if confirmed:
            if now - self._contested.get(wanted, now - CONTEST) >= CONTEST:
                self._contested[wanted] = now
                LOG.warning("an address that a controller gave to this host is answered for elsewhere", address=address)
                self._send(
                    wanted.published.namespace,
                    wanted.published.link,
                    announcement(wanted.published.mac, address),
                )
            return None
        partition, gone = self.permits.give_up(wanted, now)
        LOG.warning("another host answers for an address: it is given up until a controller says more", address=address)
        self._carry_out(
            Delete(Address(namespace=wanted.published.namespace, link=wanted.published.link, address=str(key[3])))
            for key in gone
        )
        return partition

    def turn(self, old: Topology, new: Topology, changed: Iterable[Ref], desire: Desire, holding: Holding) -> None:
        """Routers are different now: where the owner is or was this host, move the address at once."""
        ops: list[Op] = []
        for kind, identifier in changed:
            if kind != "router":
                continue
            before, after = old.routers.get(RouterId(identifier)), new.routers.get(RouterId(identifier))
            if before is None or after is None or before.gateway is None or after.gateway is None:
                continue
            ops.extend(_turned(RouterId(identifier), before.gateway, after.gateway, desire, holding))
        if not ops:
            return
        done = self._carry_out(ops)
        # Else the pass that follows would plan all of it again. What the kernel says of it has it read back.
        holding.note(done)
        for op in done:
            if isinstance(op, Create) and isinstance(op.object, Address):
                link = holding.objects(_partition(op.object.namespace)).get(
                    ("link", op.object.namespace, op.object.link)
                )
                if isinstance(link, Link) and link.mac is not None:
                    address = op.object.address.partition("/")[0]
                    self._send(op.object.namespace, op.object.link, announcement(link.mac, address))

    def _carry_out(self, ops: Iterable[Op]) -> tuple[Op, ...]:
        plan = Plan(tuple(ops))
        for op in plan.ops:
            if isinstance(op, Delete) and isinstance(op.object, Address):
                self._silence(op.object.namespace, op.object.address.partition("/")[0])
        report = self._kernel.execute(plan)
        for failure in report.failed:
            LOG.warning("the kernel refused", op=type(failure.op).__name__, key=failure.op.key, why=failure.reason)
        return report.done

    def _send(self, namespace: str, link: str, frame: bytes) -> None:
        try:
            self._kernel.announce(namespace, link, [frame])
        except KernelError as error:
            LOG.warning("nothing could be said on the external network", link=link, why=str(error))


def _turned(router: RouterId, before: Gateway, after: Gateway, desire: Desire, holding: Holding) -> Iterable[Op]:
    """What a change of owner alone adds to, or takes from, this host's leg of a router."""
    here = (before.owner == desire.host, after.owner == desire.host)
    if here[0] == here[1] or before.fixed_ips != after.fixed_ips:
        return
    namespace, leg = naming.router_namespace(router), naming.external_leg(after.port_id)
    held = holding.objects(naming.router_partition(router))
    if ("link", namespace, leg) not in held:
        return
    for ip in after.fixed_ips:
        length = 128 if ":" in ip.ip_address else 32
        item = Address(namespace=namespace, link=leg, address=f"{ip.ip_address}/{length}")
        if here[1] and item.key not in held:
            yield Create(item)
        elif here[0] and item.key in held:
            yield Delete(item)


def _partition(namespace: str) -> str:
    return "router/" + namespace.removeprefix(naming.ROUTER_PREFIX)
