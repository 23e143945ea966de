"""The kernel under us: `observe`, `execute` and `watch` by netlink and libnftables.

One thread of its own is moved between namespaces; no other thread of the process ever is, and nothing is forked.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from onehop.errors import KernelError
from onehop.kernel import feature, names, outward, syscall
from onehop.kernel.execute import Executor
from onehop.kernel.monitor import Ears, Watch
from onehop.kernel.neighbourhood import Neighbourhood
from onehop.kernel.observe import Observer
from onehop.kernel.rulesets import Rulesets
from onehop.kernel.shortcut.cut import Shortcut
from onehop.kernel.space import Spaces
from onehop.kernel.ways import QUIET_SECONDS, Ways
from onehop.log import logger
from onehop.net import naming
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Counts
from onehop.objects.way import Shortened, Way
from onehop.reconciler.plan import Observation, Plan, Report, Scope

LOG = logger("kernel")
T = TypeVar("T")

DIRECTORY = "/run/netns"
"""Where iproute2 and everybody else binds named namespaces."""

KNOWN = "tables"
"""Name of the file for what is known of the host's tables of nftables, in the agent's run_dir: a reboot ends what it is
worth."""


class LinuxKernel:
    """A `onehop.kernel.base.Kernel` that is Linux."""

    def __init__(
        self,
        host_namespace: str | None = None,
        directory: str = DIRECTORY,
        known: Path | None = None,
        shortcut: Shortcut | None = None,
        quiet: float = QUIET_SECONDS,
    ) -> None:
        """Open it.

        Args:
            host_namespace: path of the namespace that is ``""``; None is the one the calling thread is in.
            directory: where namespaces are bound by name.
            known: file for what is known of the host's tables of nftables, which makes the next start quicker.
            shortcut: for established flows; from now on this closes it.
            quiet: seconds for which a link is left alone before it gets the short cut.

        Raises:
            KernelError: the host's namespace cannot be entered.
        """
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._directory = Path(directory)
        self._rulesets = Rulesets(known)
        self._watches: list[Watch] = []
        try:
            self._spaces = self._inside(lambda: Spaces(host_namespace, directory))
            self._neighbourhood = self._inside(lambda: Neighbourhood(self._spaces))
        except BaseException:
            self._worker.shutdown()
            raise
        self._ways = None if shortcut is None else Ways(shortcut, self._enter, quiet)

    def _inside(self, work: Callable[[], T]) -> T:
        """Do something in the thread that may change its namespace."""
        return self._worker.submit(work).result()

    def observe(self, scope: Scope) -> Observation:
        """Read what is there; see `onehop.kernel.base.Kernel.observe`."""
        return self._inside(lambda: self._observe(scope))

    def _observe(self, scope: Scope) -> Observation:
        try:
            return Observer(self._spaces, self._rulesets, self._neighbourhood).observe(scope)
        except OSError as error:
            raise KernelError(f"namespace {scope.namespace!r} cannot be read: {error}", error.errno or 0) from error
        finally:
            self._spaces.rest()
            self._rulesets.rest()

    def execute(self, plan: Plan) -> Report:
        """Carry out a plan; see `onehop.kernel.base.Kernel.execute`."""
        return self._inside(lambda: self._execute(plan))

    def _execute(self, plan: Plan) -> Report:
        # Before, too: a link that is made here must not get what was learnt of another that had its index.
        self._changed()
        try:
            return Executor(self._spaces, self._rulesets, self._neighbourhood).execute(plan)
        finally:
            self._changed()
            self._spaces.rest()
            self._rulesets.rest()

    def _enter(self, name: str) -> None:
        """Move the calling thread, which is one of its own, into a namespace by name."""
        if name == naming.HOST:
            syscall.setns(self._spaces.host.descriptor)
            return
        descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscall.setns(descriptor)
        finally:
            os.close(descriptor)

    def _changed(self) -> None:
        """Whatever flows were remembered for may be no more."""
        if self._ways is not None:
            self._ways.forget()

    def watch(self, changed: Callable[[str, str | None], None]) -> Callable[[], None]:
        """Call back on changes; see `onehop.kernel.base.Kernel.watch`.

        Our own nftables transactions are not told; everything else is, whoever did it. `changed` must not raise.

        Raises:
            KernelError: the kernel does not let us listen.
        """
        try:
            ears = self._inside(self._listen)
        except OSError as error:
            raise KernelError(f"the kernel's notifications cannot be heard: {error}", error.errno or 0) from error

        def heard(namespace: str, link: str | None) -> None:
            self._changed()
            changed(namespace, link)

        watch = Watch(ears, heard)
        self._watches.append(watch)
        return watch.stop

    def _listen(self) -> Ears:
        try:
            ears = Ears(self._directory, syscall.name_thread(f"onehop-{secrets.token_hex(4)}"))
            for name in self._spaces.names():
                space = self._spaces.open(name)
                if space is not None and space.found() is not None:
                    self._spaces.announce(name)
            return ears
        finally:
            self._spaces.rest()

    def check_features(self) -> None:
        """Try in a scratch namespace all that onehop needs of this kernel and machine.

        Raises:
            MissingFeatureError: what is missing first, in one sentence that says what to do.
        """
        feature.check()

    def tidy(self) -> None:
        """Take away what an earlier life left that no `observe` tells of: names of namespaces that have none.

        To be called once, before anything else makes namespaces here. They harm nobody, so failing is only logged.
        """
        try:
            gone = names.tidy(self._directory)
        except (OSError, KernelError) as error:
            LOG.warning("names of namespaces that an earlier life died over could not be removed", why=str(error))
            return
        if gone:
            LOG.info("names of namespaces that an earlier life died over are removed", names=gone)

    def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        """Put frames on a link; see `onehop.kernel.base.Kernel.announce`."""

        def send() -> None:
            space = self._spaces.open(namespace)
            if space is None:
                raise KernelError(f"there is no namespace {namespace} to announce in", errno.ENOENT)
            outward.send(space, link, frames)

        self._inside(lambda: self._rested(send))

    def emit(self, namespace: str, link: str, packets: Iterable[bytes]) -> None:
        """Send IPv6 packets by a link; see `onehop.kernel.base.Kernel.emit`."""

        def send() -> None:
            space = self._spaces.open(namespace)
            if space is None:
                raise KernelError(f"there is no namespace {namespace} to send in", errno.ENOENT)
            outward.emit(space, link, packets)

        self._inside(lambda: self._rested(send))

    def cut(self, namespace: str, allowed: Translations) -> int:
        """Cut connections; see `onehop.kernel.base.Kernel.cut`."""

        def forget() -> int:
            space = self._spaces.open(namespace)
            return 0 if space is None else outward.cut(space, allowed)

        return self._inside(lambda: self._rested(forget, changes=True))

    def load(self, namespace: str, gateway: str, enough: int, before: int | None = None) -> Load:
        """How far source ports are used; see `onehop.kernel.base.Kernel.load`."""

        def measure() -> Load:
            space = self._spaces.open(namespace)
            return Load() if space is None else outward.load(space, gateway, enough, before)

        return self._inside(lambda: self._rested(measure))

    def bar(self, admissions: Admissions) -> int:
        """Bar connections; see `onehop.kernel.base.Kernel.bar`."""

        def judge() -> int:
            space = self._spaces.open(naming.HOST)
            return 0 if space is None else outward.bar(space, admissions)

        return self._inside(lambda: self._rested(judge, changes=True))

    def shorten(self, links: Mapping[tuple[str, str], Way | None]) -> None:
        """Give links the short cut; see `onehop.kernel.base.Kernel.shorten`."""
        if self._ways is not None:
            self._ways.wish(links)

    def settle_ways(self) -> frozenset[tuple[str, str]]:
        """Wait until what `shorten` was told is carried out; the links that have the short cut."""
        return frozenset() if self._ways is None else self._ways.settle()

    def shortened(self) -> Shortened | None:
        """What goes the short way; see `onehop.kernel.base.Kernel.shortened`."""
        return None if self._ways is None else self._ways.counts()

    def count(self, family: str, table: str | None = None) -> Counts:
        """Read counters; see `onehop.kernel.base.Kernel.count`."""

        def read() -> Counts:
            space = self._spaces.open(naming.HOST)
            return {} if space is None else outward.count(space, family, table)

        return self._inside(lambda: self._rested(read))

    def drops(self, namespace: str, family: str | None = None, table: str | None = None) -> Counts:
        """Read what rules dropped; see `onehop.kernel.base.Kernel.drops`."""

        def read() -> Counts:
            space = self._spaces.open(namespace)
            return {} if space is None else outward.drops(space, family, table)

        return self._inside(lambda: self._rested(read))

    def _rested(self, work: Callable[[], T], *, changes: bool = False) -> T:
        try:
            return work()
        finally:
            if changes:
                self._changed()
            self._spaces.rest()

    def close(self) -> None:
        """End watches, give back sockets and threads."""
        for watch in self._watches:
            watch.stop()
        if self._ways is not None:
            self._ways.close()
        self._inside(self._neighbourhood.close)
        self._inside(self._spaces.close)
        self._worker.shutdown()
