"""Any history of named states ends in what a cold compile of the last one gives, in memory and on Linux."""

import pytest

from onehop.kernel.memory import PowerCutError
from tests.crash.histories import HISTORIES, History, multiplied
from tests.crash.life import Hand, Life, assert_made, objects_of, wanted_of
from tests.crash.real import Real, real_host

pytestmark = pytest.mark.slow


def play(history: History) -> Hand:
    """Live through a history on a kernel in memory."""
    kernel = Hand()
    life = Life(kernel)
    for step in history:
        if step.restarts:
            life = Life(kernel)
        life.tell(step.scene)
        if step.survives is not None:
            kernel.stop_after(step.survives)
            try:
                life.work()
            except PowerCutError:
                life = Life(kernel)
                life.tell(step.scene)
            kernel.heal()
        if step.works or step is history[-1]:
            life.work()
    life.mend()
    assert life.engine is not None
    assert life.engine.failing == {}
    return kernel


def play_for_real(real: Real, history: History) -> None:
    """Live through a history on Linux. What is to be killed there is only restarted: `test_linux` kills."""
    for step in history:
        if step.restarts or step.survives is not None:
            real.restart()
        real.tell(step.scene)
        if step.works or step is history[-1]:
            real.work()
    real.mend()


@pytest.mark.parametrize("name", HISTORIES)
def test_any_history_ends_in_what_a_cold_compile_gives(name: str) -> None:
    for how, history in multiplied(HISTORIES[name], 0, 1):
        try:
            assert_made(play(history), objects_of(wanted_of(history[-1].scene)))
        except AssertionError as error:
            raise AssertionError(f"{name}, {how}: {error}") from error


@pytest.mark.root
@pytest.mark.parametrize("name", HISTORIES)
def test_any_history_ends_in_what_a_cold_compile_gives_on_linux(name: str) -> None:
    made = dict(multiplied(HISTORIES[name], 7))
    with real_host() as real:
        for how in ("permuted 0, seed 7", "split", "mixed, seed 7"):
            play_for_real(real, made[how])
            real.assert_made(made[how][-1].scene)
