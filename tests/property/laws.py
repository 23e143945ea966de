"""The laws of reconciliation, for any kernel."""

from onehop.kernel.base import Kernel
from onehop.net.naming import HOST
from onehop.objects import KernelObject, Key, Namespace, Sysctl
from onehop.objects.agreement import agrees
from onehop.reconciler import Observation, Plan, Report, Scope, diff
from tests.property.states import State


def observe_all(kernel: Kernel, *states: State) -> Observation:
    """Everything of ours on the host, with the settings that any of `states` mentions."""
    objects: dict[Key, KernelObject] = {}
    foreign: set[Key] = set()
    paths: dict[str, set[str]] = {}
    for state in states:
        for wanted in state.values():
            if isinstance(wanted, Sysctl):
                paths.setdefault(wanted.namespace, set()).add(wanted.path)
    waiting = [HOST]
    while waiting:
        namespace = waiting.pop()
        found = kernel.observe(Scope(namespace=namespace, sysctls=frozenset(paths.get(namespace, ()))))
        objects.update(found.objects)
        foreign.update(found.foreign)
        if namespace == HOST:
            waiting.extend(o.namespace for o in found.objects.values() if isinstance(o, Namespace))
    return Observation(objects, frozenset(foreign))


def reconcile(kernel: Kernel, desired: State, *before: State) -> tuple[Plan, Report]:
    """Observe, diff and execute, once."""
    seen = observe_all(kernel, desired, *before)
    plan = diff(seen.objects, desired, seen.foreign)
    return plan, kernel.execute(plan)


def assert_holds(kernel: Kernel, desired: State) -> None:
    """The kernel holds `desired` and nothing else of ours, and there is nothing left to do."""
    seen = observe_all(kernel, desired)
    objects = {key: found for key, found in seen.objects.items() if not isinstance(found, Sysctl) or key in desired}
    missing = {key: wanted for key, wanted in desired.items() if key not in objects}
    extra = {key: found for key, found in objects.items() if key not in desired}
    other = {
        key: (found, desired[key])
        for key, found in objects.items()
        if key in desired and not agrees(found, desired[key])
    }
    assert not missing, missing
    assert not extra, extra
    assert not other, other
    assert diff(seen.objects, desired, seen.foreign) == Plan()


def assert_done(plan: Plan, report: Report) -> None:
    """Everything that was planned was done, and nothing was blocked."""
    assert not plan.blocked, plan.blocked
    assert not report.failed, (report.failed[0], plan.ops)
    assert not report.skipped
    assert report.done == plan.ops
