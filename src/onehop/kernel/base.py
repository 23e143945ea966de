"""What a kernel is to the rest of onehop: three methods for what it holds, the others for what passes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Counts
from onehop.objects.way import Shortened, Way
from onehop.reconciler.plan import Observation, Plan, Report, Scope


class Kernel(Protocol):
    """The host's kernel, or something that refuses what it would refuse.

    Methods block; one thread at a time.
    """

    def observe(self, scope: Scope) -> Observation:
        """Read what is there.

        A namespace that does not exist holds nothing. `Scope(namespace="")` with `links=None` also lists the
        namespaces under ``/run/netns`` that are ours (as objects) and the others (as foreign keys).

        Raises:
            KernelError: it could not be read, so nothing may be concluded from it.
        """
        ...

    def execute(self, plan: Plan) -> Report:
        """Carry out a plan, in order; what fails stops only what needs it. Never raises for a refused op."""
        ...

    def watch(self, changed: Callable[[str, str | None], None]) -> Callable[[], None]:
        """Call `changed(namespace, link or None)` from a thread of its own when something changes, whoever did it.

        `link` is None where the whole namespace may have changed (nftables, a lost notification). Returns a function
        that ends the watch.
        """
        ...

    def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        """Put whole Ethernet frames on a link.

        Raises:
            KernelError: namespace or link is not there, or the link is down.
        """
        ...

    def emit(self, namespace: str, link: str, packets: Iterable[bytes]) -> None:
        """Send whole IPv6 packets by a link, to multicast addresses or to neighbours on it.

        Raises:
            KernelError: namespace or link is not there, or the link is down.
        """
        ...

    def cut(self, namespace: str, allowed: Translations) -> int:
        """Forget every tracked IPv4 connection whose translation is not allowed; returns how many.

        Raises:
            KernelError: they could not be read. A namespace that is not there has none.
        """
        ...

    def load(self, namespace: str, gateway: str, enough: int, before: int | None = None) -> Load:
        """How many tracked connections the busiest destination has of those that are translated to an address.

        What is fewer than `enough` need not be exact, nor need it be said whether one is of a protocol without ports,
        unless more failed than `before`. A namespace that is not there has none.

        Raises:
            KernelError: it could not be read.
        """
        ...

    def bar(self, admissions: Admissions) -> int:
        """Bar every tracked connection of the host that would not be let begin, let all others go; how many are barred.

        Raises:
            KernelError: they could not be read.
        """
        ...

    def shorten(self, links: Mapping[tuple[str, str], Way | None]) -> None:
        """Let established flows pass by the rules between these links, by namespace and name; others stay as they are.

        It may take a while and may fail: then packets go the long way. None is a link that is to have no short cut.
        """
        ...

    def shortened(self) -> Shortened | None:
        """How many packets went which way; None where there is no short cut at all. From any thread."""
        ...

    def count(self, family: str, table: str | None = None) -> Counts:
        """What the named counters of our tables in the host's namespace say, of one table or of all of a family.

        Raises:
            KernelError: they could not be read. A table that is not there has none.
        """
        ...

    def drops(self, namespace: str, family: str | None = None, table: str | None = None) -> Counts:
        """What the rules of our tables have dropped, by table and chain; of one table or of all, of a family or of all.

        Only rules that count are known; a chain without any is not told.

        Raises:
            KernelError: they could not be read. A namespace or table that is not there has none.
        """
        ...

    def close(self) -> None:
        """Give back sockets and threads."""
        ...
