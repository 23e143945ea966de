"""The kernel under us: `observe`, `execute` and `watch` by netlink and libnftables.

One thread of its own is moved between namespaces; no other thread of the process ever is, and nothing is forked.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from onehop.kernel.execute import Executor
from onehop.kernel.observe import Observer
from onehop.kernel.rulesets import Rulesets
from onehop.kernel.space import Spaces
from onehop.reconciler.plan import Observation, Plan, Report, Scope

T = TypeVar("T")

DIRECTORY = "/run/netns"
"""Where iproute2 and everybody else binds named namespaces."""


class LinuxKernel:
    """A `onehop.kernel.base.Kernel` that is Linux."""

    def __init__(self, host_namespace: str | None = None, directory: str = DIRECTORY) -> None:
        """Open it.

        Args:
            host_namespace: path of the namespace that is ``""``; None is the one the calling thread is in.
            directory: where namespaces are bound by name.

        Raises:
            KernelError: the host's namespace cannot be entered.
        """
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._host_namespace, self._directory = host_namespace, directory
        self._rulesets = Rulesets()
        try:
            self._spaces = self._inside(lambda: Spaces(host_namespace, directory))
        except BaseException:
            self._worker.shutdown()
            raise

    def _inside(self, work: Callable[[], T]) -> T:
        """Do something in the thread that may change its namespace."""
        return self._worker.submit(work).result()

    def observe(self, scope: Scope) -> Observation:
        """Read what is there; see `onehop.kernel.base.Kernel.observe`."""
        return self._inside(lambda: self._observe(scope))

    def _observe(self, scope: Scope) -> Observation:
        try:
            return Observer(self._spaces, self._rulesets).observe(scope)
        finally:
            self._spaces.rest()

    def execute(self, plan: Plan) -> Report:
        """Carry out a plan; see `onehop.kernel.base.Kernel.execute`."""
        return self._inside(lambda: self._execute(plan))

    def _execute(self, plan: Plan) -> Report:
        try:
            return Executor(self._spaces, self._rulesets).execute(plan)
        finally:
            self._spaces.rest()

    def close(self) -> None:
        """Give back sockets and threads."""
        self._inside(self._spaces.close)
        self._worker.shutdown()
