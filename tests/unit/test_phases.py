"""The order of `make test`: side by side first, and what measures time with nothing beside it."""

from types import SimpleNamespace

import pytest

from tests.phases import APART, TwoPhases

FILES = {
    "tests/unit/test_a.py": 5,
    "tests/contract/test_b.py": 3,
    "tests/unit/test_c.py": 1,
    "tests/drift/test_d.py": 4,
}
TESTS = [f"{path}::test_{number}" for path, count in FILES.items() for number in range(count)]


class _Worker:
    """Keeps its last test back until it has another one or is told to end, as pytest-xdist's workers do."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.queue: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def ready(self) -> bool:
        return len(self.queue) > (0 if self.shutting_down else 1)


@pytest.mark.parametrize("tests", [TESTS, [t for t in TESTS if t.startswith(APART)], TESTS[:5]])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_measures_time_runs_last_on_a_worker_of_its_own_and_all_is_run_once(
    tests: list[str], first: int, count: int
) -> None:
    config = SimpleNamespace(option=SimpleNamespace(loadscopereorder=True), getvalue=lambda _: [f"{count}*popen"])
    workers = [_Worker(f"gw{number}") for number in range(count)]
    phases = TwoPhases(config)  # type: ignore[arg-type]  # what it asks of a configuration
    for worker in workers:
        phases.add_node(worker)  # type: ignore[arg-type]  # what it asks of a worker
        phases.add_node_collection(worker, tests)  # type: ignore[arg-type]  # as above
    phases.schedule()
    ran: list[tuple[str, str]] = []
    turn = first
    while any(worker.ready for worker in workers):
        turn += 1
        worker = next(w for k in range(count) if (w := workers[(turn + k) % count]).ready)
        index = worker.queue.pop(0)
        ran.append((worker.gateway.id, tests[index]))
        phases.mark_test_complete(worker, index)  # type: ignore[arg-type]  # as above
    assert sorted(test for _, test in ran) == sorted(tests)
    apart = [place for place, (_, test) in enumerate(ran) if test.startswith(APART)]
    last = {ran[place][0] for place in apart}
    assert len(last) <= 1
    # Of the others each worker that is told to end may still have one.
    after = [test for _, test in ran[min(apart, default=len(ran)) :] if not test.startswith(APART)]
    assert len(after) < max(count, 2)
    if count > 1:
        assert not [test for name, test in ran if name in last and not test.startswith(APART)]
    assert all(worker.shutting_down for worker in workers)
