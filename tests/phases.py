"""In which order `make test` runs what: first what may run side by side, one file a worker; then, with nothing beside
it, what measures time or builds hosts in namespaces, one test after another.

It is a scheduler of pytest-xdist, so all of it stays one run with one summary, in the place of ``--dist loadfile``.
"""

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

APART = (
    "tests/contract/",
    "tests/controllers/",
    "tests/crash/test_linux.py",
    "tests/dataplane/",
    "tests/dataplane_north/",
    "tests/drift/",
    "tests/host/",
    "tests/security/",
)
"""Beginnings of the paths of what has the machine for itself."""
_LAST = "what has the machine for itself"


class TwoPhases(LoadScopeScheduling):
    """Hands out files, and when all of them are done, the rest to a worker that did nothing before: what runs many
    programs is slower in a process that has grown.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _LAST if nodeid.startswith(APART) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if _LAST in self.workqueue:
            self.workqueue.move_to_end(_LAST)
        if list(self.workqueue) == [_LAST]:
            self._reschedule(node)
        elif not self._waits(node):
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if list(self.workqueue) != [_LAST] or node.shutting_down:
            if not self._waits(node):
                super()._reschedule(node)
            return
        # A worker keeps back its last test until it knows what follows, so one is left of each.
        if any(self._pending_of(work) > 1 for work in self.assigned_work.values()):
            return
        fresh = self.nodes[-1]
        super()._assign_work_unit(fresh)
        for other in self.nodes:
            if other is not fresh:
                other.shutdown()

    def _waits(self, node: WorkerController) -> bool:
        """Whether a worker is kept for what comes last."""
        return _LAST in self.workqueue and len(self.nodes) > 1 and node is self.nodes[-1]
