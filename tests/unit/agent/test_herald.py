"""What is announced, and when."""

from onehop.agent.herald import EVERY, SOON, TIMES, Herald, Published

ONE = Published("qrouter-1", "qg-1", "fa:16:3e:00:00:01", "203.0.113.5")
TWO = Published("qrouter-1", "qg-1", "fa:16:3e:00:00:01", "203.0.113.6")


def _said(herald: Herald, until: float) -> list[tuple[float, str]]:
    said, now = [], 0.0
    while (when := herald.soonest()) is not None and when <= until:
        now = max(now, when)
        said += [(now, found.address) for found in herald.due(now)]
    return said


def test_a_new_address_is_announced_at_once_and_again_with_a_space_between() -> None:
    herald = Herald()
    herald.know("router/1", [ONE], 0.0)
    assert _said(herald, 100) == [(when, ONE.address) for when in (0.0, *(SOON + n * EVERY for n in range(TIMES - 1)))]


def test_an_address_that_stays_is_not_announced_again() -> None:
    herald = Herald()
    herald.know("router/1", [ONE], 0.0)
    _said(herald, 100)
    herald.know("router/1", [ONE, TWO], 200.0)
    assert {address for _, address in _said(herald, 300)} == {TWO.address}


def test_an_address_that_is_withdrawn_is_not_announced_any_more() -> None:
    herald = Herald()
    herald.know("router/1", [ONE], 0.0)
    herald.due(0.0)
    herald.know("router/1", [], 0.5)
    assert herald.soonest() is None


def test_an_address_that_comes_back_is_announced_anew() -> None:
    herald = Herald()
    herald.know("router/1", [ONE], 0.0)
    _said(herald, 100)
    herald.know("router/1", [], 100.0)
    herald.know("router/1", [ONE], 101.0)
    assert herald.due(101.0) == [ONE]
