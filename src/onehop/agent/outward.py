"""What follows outside once the kernel holds something: addresses are announced, connections of old mappings are cut.

Both are read off the present, so they are right after any history and any restart: announced is what is found
published and was not so before; cut is what is tracked under a translation that is not wanted now.
"""

from collections.abc import Iterable, Iterator, Mapping

from onehop.agent.board import CONNECTIONS
from onehop.agent.desire import partition_of_namespace
from onehop.agent.herald import Herald, Published
from onehop.agent.holding import STRAY, Holding
from onehop.agent.welcome import Welcome
from onehop.compiler.state import Partition
from onehop.errors import KernelError
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.net import naming
from onehop.net.announcement import announcement
from onehop.net.identifier import RouterId
from onehop.objects import Address, KernelObject, Key, Link
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Translations
from onehop.reconciler.plan import Create, Op

LOG = logger("agent")
NONE = Translations()


class Outward:
    """The agent's voice outside.

    Args:
        kernel: this host's.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._herald = Herald()
        self._welcome = Welcome()
        self._allowed: dict[str, Translations] = {}
        self._admissions: Admissions | None = None
        self._barred = 0

    def soonest(self) -> float | None:
        """When something is to be announced next."""
        return self._herald.soonest()

    def heed(self, name: str, wanted: Partition | None, held: Mapping[Key, KernelObject], now: float) -> dict[Key, str]:
        """Take what a partition holds now, all of it as wanted; returns what could not be done, by key."""
        if name == naming.SECURITY_PARTITION:
            return self._bar((wanted.admissions if wanted is not None else None) or Admissions())
        if name.startswith("net/"):
            for tap, frames in self._welcome.know(name, held):
                self._send(naming.HOST, tap, frames)
        if not name.startswith("router/"):
            return {}
        self._herald.know(name, _published(held.values()), now)
        # At once: whoever asked outside waits for this word, and looking through the connections takes its time.
        self.speak(now)
        return self._cut(name, wanted)

    def silence(self, namespace: str, address: str) -> None:
        """An address has gone from its link before its partition's turn has come: nothing more is said of it."""
        self._herald.silence(namespace, address)

    def publish(self, done: Iterable[Op], holding: Holding, now: float) -> None:
        """Announce what was just published, before it is read back: the kernel took it, and somebody may wait for it.

        Args:
            done: ops that were carried out.
            holding: knows the legs.
            now: seconds.
        """
        for op in done:
            if not isinstance(op, Create) or not isinstance(op.object, Address):
                continue
            partition = partition_of_namespace(op.object.namespace) or STRAY
            leg = holding.objects(partition).get(("link", op.object.namespace, op.object.link))
            if leg is None:
                continue  # made with it: that takes its time anyway
            for found in _published((leg, op.object)):
                if self._herald.say(partition, found, now):
                    self._send(found.namespace, found.link, [_frame(found)])

    def _bar(self, admissions: Admissions) -> dict[Key, str]:
        """Bar connections that rules do not allow any more; where rules only grew, nobody has to be looked for."""
        old, needless = self._admissions, self._barred == 0
        if old is not None and (old == admissions or (needless and not admissions.narrows(old))):
            self._admissions = admissions
            return {}
        try:
            self._barred = self._kernel.bar(admissions)
        except KernelError as error:
            return {(CONNECTIONS, naming.HOST): f"connections that are not allowed any more could not be cut: {error}"}
        self._admissions = admissions
        if self._barred:
            LOG.info("connections that security groups do not allow are cut", number=self._barred)
        return {}

    def speak(self, now: float) -> None:
        """Announce what is due."""
        for found in self._herald.due(now):
            self._send(found.namespace, found.link, [_frame(found)])

    def _send(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        try:
            self._kernel.announce(namespace, link, frames)
        except KernelError as error:
            LOG.warning("an address could not be announced", link=link, why=str(error))

    def _cut(self, name: str, wanted: Partition | None) -> dict[Key, str]:
        if wanted is None:
            self._allowed.pop(name, None)  # its connections went with its namespace
            return {}
        before, allowed = self._allowed.get(name), wanted.translations or NONE
        if before is not None and allowed.cover(before):
            # Nothing that was allowed is not any more; to look would go through the connections of the whole machine.
            self._allowed[name] = allowed
            return {}
        namespace = naming.router_namespace(RouterId(name.removeprefix("router/")))
        try:
            # An earlier life may have died before this, so a router that is new to us is looked at, whatever it allows.
            number = self._kernel.cut(namespace, allowed)
        except KernelError as error:
            return {(CONNECTIONS, namespace): f"connections of old mappings could not be cut: {error}"}
        if number:
            LOG.info("connections of mappings that are gone were cut", namespace=namespace, number=number)
        self._allowed[name] = allowed
        return {}


def _frame(found: Published) -> bytes:
    return announcement(found.mac, found.address)


def _published(held: Iterable[KernelObject]) -> Iterator[Published]:
    """What external legs carry; not their anchors, and not their link-locals, which no other host has."""
    found = list(held)
    macs = {o.name: o.mac for o in found if isinstance(o, Link) and o.name.startswith("qg-") and o.mac is not None}
    for item in found:
        if isinstance(item, Address) and item.link in macs and item.scope == "global":
            yield Published(item.namespace, item.link, macs[item.link] or "", item.address.partition("/")[0])
