"""Who is lost."""

from onehop.controller.liveness import Liveness
from onehop.net.identifier import HostName

A, B, C = HostName("a"), HostName("b"), HostName("c")
ALL = (A, B, C)
DETECTION = 3.0


def _started() -> Liveness:
    """All agents spoke at 10 and reach each other."""
    liveness = Liveness(DETECTION, 0.0)
    for host in ALL:
        liveness.hear(host, 10.0, answering=[other for other in ALL if other != host])
    return liveness


def test_a_host_that_is_silent_and_that_nobody_reaches_is_lost() -> None:
    liveness = _started()
    liveness.hear(B, 14.0, answering=[C], silent=[A])
    liveness.hear(C, 14.0, answering=[B], silent=[A])
    assert liveness.lost(ALL, 14.0) == {A}


def test_a_dead_agent_over_a_live_kernel_keeps_its_addresses() -> None:
    liveness = _started()
    liveness.hear(B, 60.0, answering=[A, C])
    liveness.hear(C, 60.0, answering=[A, B])
    assert liveness.lost(ALL, 60.0) == set()
    assert liveness.silent(A, 60.0)


def test_one_host_that_still_reaches_it_is_enough_to_keep_it() -> None:
    liveness = _started()
    liveness.hear(B, 14.0, answering=[C], silent=[A])
    liveness.hear(C, 14.0, answering=[A, B])
    assert liveness.lost(ALL, 14.0) == set()


def test_an_agent_that_speaks_is_never_lost_whatever_others_say() -> None:
    liveness = _started()
    liveness.hear(A, 13.9)
    liveness.hear(B, 14.0, silent=[A])
    assert liveness.lost(ALL, 14.0) == set()


def test_a_host_that_speaks_to_another_controller_is_not_lost() -> None:
    liveness = _started()
    liveness.hear(B, 14.0, silent=[A])
    assert liveness.lost([A], 14.0, elsewhere={A: 13.0}) == set()
    assert liveness.lost([A], 14.0, elsewhere={A: 10.0}) == {A}


def test_without_anybody_who_probed_it_nobody_is_lost() -> None:
    liveness = _started()
    assert liveness.lost(ALL, 100.0) == set()


def test_what_a_silent_host_said_of_others_does_not_count() -> None:
    liveness = _started()
    liveness.hear(B, 12.0, silent=[A])
    assert liveness.lost(ALL, 20.0) == set()


def test_a_controller_that_has_just_started_judges_nobody() -> None:
    liveness = Liveness(DETECTION, 100.0)
    liveness.hear(B, 102.9, silent=[A])
    assert liveness.lost(ALL, 102.9) == set()
    assert liveness.lost(ALL, 103.0) == {A}
