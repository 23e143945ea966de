"""Links get the short cut by name, one by one, and not before they have been there for a while."""

import socket
import threading

from structlog.testing import capture_logs

from onehop.errors import KernelError
from onehop.kernel.shortcut.cut import Device
from onehop.kernel.ways import Ways
from onehop.objects.way import Shortened, Way

LOOPBACK = Way("02:00:00:00:00:01", 1500, outside=False)
ELSE = Way("02:00:00:00:00:02", 1500, outside=False)
INDEX = socket.if_nametoindex("lo")


class Recorder:
    """Stands for the short cut of a host; binds whatever it is told."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, Device | None]] = []
        self.heard = threading.Event()
        self.refuse = False

    def bind(self, device: Device) -> None:
        if self.refuse:
            raise KernelError("no short cut here")
        self.acts.append(("bind", device))
        self.heard.set()

    def unbind(self, device: Device) -> None:
        self.acts.append(("unbind", device))

    def forget(self) -> None:
        self.acts.append(("forget", None))

    def counts(self) -> Shortened:
        return Shortened(1, 2, 3)

    def close(self) -> None:
        self.acts.append(("close", None))


def ways(recorder: Recorder, quiet: float = 0.0) -> Ways:
    return Ways(recorder, lambda: None, quiet)  # type: ignore[arg-type]  # what it asks of a short cut


def bound(recorder: Recorder) -> list[tuple[str, str, int]]:
    return [(act, device.mac, device.ifindex) for act, device in recorder.acts if device is not None]


def test_a_link_is_bound_by_its_index_and_once() -> None:
    recorder = Recorder()
    made = ways(recorder)
    for _ in range(3):
        made.wish({"lo": LOOPBACK, "not-there": LOOPBACK})
        assert made.settle() == {"lo"}
    made.close()
    assert bound(recorder) == [("bind", LOOPBACK.mac, INDEX)]
    assert recorder.acts[-1] == ("close", None)


def test_a_link_whose_facts_changed_is_bound_anew() -> None:
    recorder = Recorder()
    made = ways(recorder)
    made.wish({"lo": LOOPBACK})
    made.settle()
    made.wish({"lo": ELSE})
    assert made.settle() == {"lo"}
    made.wish({"lo": None})
    assert not made.settle()
    made.close()
    acts = ["bind", "unbind", "bind", "unbind"]
    assert bound(recorder) == [(a, m, INDEX) for a, m in zip(acts, [LOOPBACK.mac] * 2 + [ELSE.mac] * 2, strict=True)]


def test_a_link_is_left_alone_first_and_one_that_goes_meanwhile_never_has_it() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=60.0)
    made.wish({"lo": LOOPBACK})
    assert not made.settle(0.05)
    made.wish({"lo": None})
    assert not made.settle(10)
    made.close()
    assert bound(recorder) == []


def test_who_says_the_same_again_does_not_put_it_off() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=0.2)
    told = threading.Event()
    for _ in range(3000):
        made.wish({"lo": LOOPBACK})
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
            made.wish({"lo": LOOPBACK})
            assert not made.settle()
    assert [(log["link"], log["why"]) for log in logs] == [("lo", "no short cut here")]
    recorder.refuse = False
    made.wish({"lo": LOOPBACK})
    assert made.settle() == {"lo"}
    made.close()
    assert [act for act, _, _ in bound(recorder)] == ["unbind"] * 3 + ["bind"]


def test_what_is_pending_at_the_end_is_not_waited_for() -> None:
    recorder = Recorder()
    made = ways(recorder, quiet=60.0)
    made.wish({"lo": LOOPBACK})
    made.close()
    assert recorder.acts == [("close", None)]
