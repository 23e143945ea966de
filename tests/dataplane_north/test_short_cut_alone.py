"""The short cut by itself: its links, its epoch, its end."""

from concurrent.futures import ThreadPoolExecutor
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


def test_whoever_forgets_beside_another_gets_an_epoch_of_its_own_and_after_the_end_nothing_happens() -> None:
    place = Place.new()
    try:
        shortcut = place.inside(Shortcut)
        before = shortcut.epoch()
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(lambda: [shortcut.forget() for _ in range(500)]) for _ in range(8)]:
                done.result()
        assert shortcut.epoch() == before + 8 * 500
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
