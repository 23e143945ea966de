"""Links get the short cut by name, one by one, and not before they have been there for a while."""

import socket
import threading

from structlog.testing import capture_logs

from onehop.errors import KernelError
from onehop.kernel.shortcut.cut import Device
from onehop.kernel.ways import Ways
from onehop.objects.way import Shortened, Side, Way

LOOPBACK = Way(Side.TAP, "02:00:00:00:00:01", 1500)
ELSE = Way(Side.TAP, "02:00:00:00:00:02", 1500)
LO = ("", "lo")
INDEX = socket.if_nametoindex("lo")


class Recorder:
    """Stands for the short cut of a host; binds whatever it is told."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, Device | None]] = []
        self.heard = threading.Event()
        self.refuse = False
        self.lost: set[Device] = set()

    def bind(self, device: Device) -> None:
        if self.refuse:
            raise KernelError("no short cut here")
        self.acts.append(("bind", device))
        self.heard.set()

    def alter(self, before: Device, device: Device) -> None:
        assert self.acts[-1][1] == before
        self.acts.append(("alter", device))

    def unbind(self, device: Device) -> None:
        self.acts.append(("unbind", device))

    def holds(self, device: Device) -> bool:
        return device not in self.lost

    def forget(self) -> None:
        self.acts.append(("forget", None))

    def counts(self) -> Shortened:
        return Shortened(1, 2, 3)

    def close(self) -> None:
        self.acts.append(("close", None))


def ways(recorder: Recorder, quiet: float = 0.0) -> Ways:
    return Ways(recorder, lambda _namespace: None, quiet)  # type: ignore[arg-type]  # what it asks of a short cut


def bound(recorder: Recorder) -> list[tuple[str, str, int]]:
    return [(act, device.way.mac, device.ifindex) for act, device in recorder.acts if device is not None]


def test_a_link_is_bound_by_its_index_and_once() -> None:
    recorder = Recorder()
    made = ways(recorder)
    for _ in range(3):
        made.wish({LO: LOOPBACK, ("", "not-there"): LOOPBACK})
        assert made.settle() == {LO}
    made.close()
    assert bound(recorder) == [("bind", LOOPBACK.mac, INDEX)]
    assert recorder.acts[-1] == ("close", None)


def test_a_link_whose_facts_changed_stays_bound_and_is_known_anew() -> None:
    recorder = Recorder()
    made = ways(recorder)
    made.wish({LO: LOOPBACK})
    made.settle()
    made.wish({LO: ELSE})
    assert made.settle() == {LO}
    made.wish({LO: None})
    assert not made.settle()
    made.close()
    acts = (("bind", LOOPBACK), ("alter", ELSE), ("unbind", ELSE))
    assert bound(recorder) == [(act, way.mac, INDEX) for act, way in acts]


def test_a_link_is_left_alone_first_and_one_that_goes_meanwhile_never_has_it() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=60.0)
    made.wish({LO: LOOPBACK})
    assert not made.settle(0.05)
    made.wish({LO: None})
    assert not made.settle(10)
    made.close()
    assert bound(recorder) == []


def test_who_says_the_same_again_does_not_put_it_off() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=0.2)
    told = threading.Event()
    for _ in range(3000):
        made.wish({LO: LOOPBACK})
        if recorder.heard.is_set():
            break
        told.wait(0.01)
    made.close()
    assert bound(recorder) == [("bind", LOOPBACK.mac, INDEX)]


def test_a_link_that_is_refused_is_let_go_said_once_and_tried_again() -> None:
    recorder = Recorder()
    recorder.refuse = True
    with capture_logs() as logs:
        made = ways(recorder)
        for _ in range(3):
            made.wish({LO: LOOPBACK})
            assert not made.settle()
    assert [(log["link"], log["why"]) for log in logs] == [("lo", "no short cut here")]
    recorder.refuse = False
    made.wish({LO: LOOPBACK})
    assert made.settle() == {LO}
    made.close()
    assert [act for act, _, _ in bound(recorder)] == ["unbind"] * 3 + ["bind"]


def test_what_is_pending_at_the_end_is_not_waited_for() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=60.0)
    made.wish({LO: LOOPBACK})
    made.close()
    assert recorder.acts == [("close", None)]


def test_another_link_that_has_the_same_index_is_bound_anew() -> None:
    """As in a namespace that was made anew."""
    recorder = Recorder()
    made = ways(recorder)
    made.wish({LO: LOOPBACK})
    made.settle()
    recorder.lost = {device for _, device in recorder.acts if device is not None}
    made.wish({LO: LOOPBACK})
    assert made.settle() == {LO}
    made.close()
    assert [act for act, _, _ in bound(recorder)] == ["bind", "unbind", "bind"]


def test_a_link_of_a_namespace_that_is_gone_has_none_and_one_that_cannot_be_entered_is_said() -> None:
    def enter(name: str) -> None:
        if name:
            raise (FileNotFoundError if name == "gone" else PermissionError)(name)

    recorder = Recorder()
    with capture_logs() as logs:
        made = Ways(recorder, enter, 0.0)  # type: ignore[arg-type]  # what it asks of a short cut
        made.wish({("gone", "lo"): LOOPBACK, ("closed", "lo"): LOOPBACK, LO: LOOPBACK})
        assert made.settle() == {LO}
        made.close()
    assert [(log["namespace"], log["link"]) for log in logs] == [("closed", "lo")]
    assert bound(recorder) == [("bind", LOOPBACK.mac, INDEX)]
