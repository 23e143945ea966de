"""The short cut by itself: its links, its epoch, its end."""

import threading
from pathlib import Path

import pytest

from onehop.errors import KernelError
from onehop.kernel import bpf
from onehop.kernel.shortcut.cut import Device, Shortcut
from onehop.objects.way import Shortened, Side, Way
from tests.dataplane_north.places import Place

pytestmark = pytest.mark.root


def test_a_link_that_is_gone_is_refused_and_leaves_nothing() -> None:
    place = Place.new()
    try:
        shortcut = place.inside(Shortcut)
        try:
            with pytest.raises(KernelError, match="no short cut on link 77"):
                place.inside(lambda: shortcut.bind(Device(77, Way(Side.TAP, "02:00:00:00:00:01", 1500), tcp=True)))
            assert not shortcut.devices
        finally:
            shortcut.close()
    finally:
        place.close()


def test_a_link_that_was_made_anew_with_the_same_index_is_told_from_the_one_before() -> None:
    """As in a router's namespace that was made anew, where numbers begin again."""
    place = Place.new()
    try:
        shortcut = place.inside(Shortcut)
        try:
            device = Device(77, Way(Side.TAP, "02:00:00:00:00:01", 1500), tcp=True)
            assert not shortcut.holds(device)
            place.run("ip link add one index 77 type bridge")
            place.inside(lambda: shortcut.bind(device))
            assert shortcut.holds(device)
            place.run("ip link del one", "ip link add two index 77 type bridge")
            assert not shortcut.holds(device)
            shortcut.unbind(device)
            place.inside(lambda: shortcut.bind(device))
            assert shortcut.holds(device)
        finally:
            shortcut.close()
    finally:
        place.close()


def test_whoever_forgets_beside_another_does_not_put_the_epoch_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is held between taking its number and giving it to the kernel; meanwhile another forgets."""
    place = Place.new()
    try:
        shortcut = place.inside(Shortcut)
        before = shortcut.epoch()
        held, go, done = threading.Event(), threading.Event(), threading.Event()
        put = bpf.put

        def slow(map_: int, key: bytes, value: bytes) -> None:
            if threading.current_thread() is first:
                held.set()
                go.wait(10)
            put(map_, key, value)

        def forget() -> None:
            shortcut.forget()
            done.set()

        first, second = threading.Thread(target=shortcut.forget), threading.Thread(target=forget)
        monkeypatch.setattr(bpf, "put", slow)
        first.start()
        assert held.wait(10)
        second.start()
        # Whoever need not wait for the first is done by now.
        done.wait(0.3)
        go.set()
        first.join()
        second.join()
        assert shortcut.epoch() == before + 2
        shortcut.close()
        shortcut.forget()
        assert shortcut.counts() == Shortened(0, 0, 0)
    finally:
        place.close()


def test_a_kernel_whose_links_take_no_programs_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before Linux 6.6, which does not know where they are to be bound."""
    monkeypatch.setattr(bpf, "TCX_INGRESS", 999)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(KernelError, match=r"no short cut for established flows: .*use Linux 6\.6 or later"):
        Shortcut()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
