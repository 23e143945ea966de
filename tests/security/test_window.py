"""No instant without protection: an attacker fires before its link exists, while it comes, changes and goes."""

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from struct import pack

import pytest

from onehop.compiler import Local, Plug, compile_host
from onehop.model.port import AddressPair
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import Link, Ruleset
from onehop.reconciler import Plan, diff
from onehop.reconciler.plan import Create, Delete, Op, Replace
from tests.dataplane.site import until
from tests.dataplane_north.site import Machine, Site
from tests.northern import Northern
from tests.property.laws import observe_all
from tests.property.states import State
from tests.security.attacks import shots
from tests.security.range import Range, heard, waiting

HOST = HostName("host-1")
TURNS = 8
TOKEN = b"\xa5\x5awindow\xa5\x5a"
_IFF_UP, _SIOCSIFFLAGS, _SIOCGIFINDEX = 1, 0x8914, 0x8933
_TUNSETIFF, _TAP_NO_PI = 0x400454CA, 0x1002 | 0x4000
_VNET_HEADER = bytes(10)


class Window(Site):
    """One host with a network; the victim is there for good, the attacker comes and goes."""

    def __init__(self, kind: str) -> None:
        world = Northern(hosts=1, reaching=(), six=True)
        world.network(1)
        world.router(1, [1])
        self.ports = {name: world.port(1, 1) for name in ("attacker", "victim", "claimed")}
        super().__init__(world)
        self.kind = kind
        self.plug(self.ports["victim"])
        self.plug(self.ports["claimed"])
        self.apply()
        self.boot(self.ports["victim"])
        # The attacker's namespace is there before anything is plugged, and so is the attacker.
        self.come()
        self.go()

    who = Range.who
    place = Range.place

    @property
    def machine(self) -> Machine:
        """The one host."""
        return self.machines[HOST]

    @property
    def tap(self) -> str:
        """The attacker's device on the host."""
        return naming.tap(self.ports["attacker"].id)

    def come(self) -> None:
        """Want the attacker plugged."""
        port = self.ports["attacker"]
        if self.kind == "veth":
            self.plug(port)
        else:
            self.machine.plugs[port.id] = Plug(port.id)

    def go(self) -> None:
        """Want it unplugged."""
        self.machine.plugs.pop(self.ports["attacker"].id)

    def frames(self) -> list[bytes]:
        """Attacks, all with the same end."""
        found = shots(*(self.who(name) for name in ("attacker", "victim", "claimed", "gateway")))
        return [shot.frame + TOKEN for shot in found if len(shot.frame) < 1400]

    def planned(self) -> Plan:
        """What is to be done now."""
        wanted: State = {}
        for part in compile_host(self.world.topology(), HOST, Local(plugs=dict(self.machine.plugs))).values():
            wanted.update((key, claim.object) for key, claim in part.claims.items())
        seen = observe_all(self.machine.kernel, wanted, self.machine.state)
        return diff(seen.objects, wanted, seen.foreign)


@pytest.fixture(params=["veth", "tap"])
def window(request: pytest.FixtureRequest) -> Iterator[Window]:
    """The site, for a container's link and a virtual machine's."""
    with Window(request.param) as made:
        yield made


class Attack:
    """Fires all the time; whatever refuses a frame is tried again."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._frames = window.frames()
        self._stop = threading.Event()
        self.fired = 0

    def run(self) -> None:
        """Until it is told to stop."""
        while not self._stop.is_set():
            with suppress(OSError):
                (self._by_veth if self._window.kind == "veth" else self._by_tap)()

    def stop(self) -> None:
        """End it."""
        self._stop.set()

    def _by_veth(self) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            fcntl.ioctl(sock, _SIOCSIFFLAGS, pack("=16sh22x", b"eth0", _IFF_UP))
            sock.bind(("eth0", 0))
            self._fire(sock.send)

    def _by_tap(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            # Only one that is there: otherwise it would be made, and be the attacker's own.
            fcntl.ioctl(sock, _SIOCGIFINDEX, pack("=16sh22x", self._window.tap.encode(), 0))
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _TUNSETIFF, pack("=16sH22x", self._window.tap.encode(), _TAP_NO_PI))
            self._fire(lambda frame: os.write(device, _VNET_HEADER + frame))
        finally:
            os.close(device)

    def _fire(self, send) -> None:
        while not self._stop.is_set():
            for frame in self._frames:
                send(frame)
                self.fired += 1


@contextmanager
def under_attack(window: Window) -> Iterator[Attack]:
    """The attack runs meanwhile."""
    attack = Attack(window)
    place = window.place("attacker") if window.kind == "veth" else window.machine.place
    thread = threading.Thread(target=place.inside, args=(attack.run,))
    thread.start()
    try:
        yield attack
    finally:
        attack.stop()
        thread.join()


def _hits(sock: socket.socket) -> int:
    return sum(octets.endswith(TOKEN) for octets in waiting(sock))


def _shots_pass(attack: Attack, more: int = 500) -> None:
    """Wait until so many more were fired."""
    wanted = attack.fired + more
    assert until(lambda: attack.fired >= wanted, 20)


def test_an_attack_that_runs_before_the_link_is_there_never_gets_through(window: Window) -> None:
    with heard(window.place("victim")) as sock, under_attack(window) as attack:
        for _ in range(TURNS):
            window.come()
            window.apply()
            _shots_pass(attack)
            window.go()
            window.apply()
        assert _hits(sock) == 0
        # The same attack, had there been no protection.
        window.world.change(window.ports["attacker"].id, port_security_enabled=False)
        window.come()
        window.apply()
        assert until(lambda: _hits(sock) > 0)


def test_an_attack_gets_through_after_no_step_of_a_plan(window: Window) -> None:
    """The plans that plug and unplug are stopped after each op, as by a power cut or a kill."""
    kernel = window.machine.kernel
    with heard(window.place("victim")) as sock:
        for step in (window.come, window.go):
            step()
            steps = 0
            while plan := window.planned():
                # The first op alone, then what a fresh look plans: every prefix is a state that is fired into.
                report = kernel.execute(Plan(plan.ops[:1]))
                assert report.done
                steps += 1
                with under_attack(window) as attack:
                    _fired_or_dead(window, attack)
                assert _hits(sock) == 0, plan.ops[0]
            assert steps >= 2


def _fired_or_dead(window: Window, attack: Attack) -> None:
    """Wait until some were fired; where the link is not there, or not up, none can be."""
    place = window.machine.place
    up = until(lambda: attack.fired >= 100, 0.5)
    assert up or "state UP" not in place.run(f"ip link show dev {window.tap} 2>/dev/null || true")


def test_no_frame_slips_through_while_a_table_is_replaced(window: Window) -> None:
    port = window.ports["attacker"]
    pair = AddressPair(port.mac_address, "10.0.1.77")
    window.come()
    window.apply()
    with heard(window.place("victim")) as sock, under_attack(window) as attack:
        for turn in range(TURNS):
            # The first pair adds chains: the whole table is made anew, in one transaction.
            window.world.change(port.id, allowed_address_pairs=(pair,) if turn % 2 == 0 else ())
            window.apply()
            _shots_pass(attack)
        assert _hits(sock) == 0


def test_protection_begins_when_it_is_switched_on(window: Window) -> None:
    port = window.ports["attacker"]
    window.world.change(port.id, port_security_enabled=False)
    window.come()
    window.apply()
    with heard(window.place("victim")) as sock, under_attack(window) as attack:
        assert until(lambda: _hits(sock) > 0)
        window.world.change(port.id, port_security_enabled=True)
        window.apply()
        _shots_pass(attack, 200)  # those that were under way
        _hits(sock)
        _shots_pass(attack)
        assert _hits(sock) == 0


def test_rules_stand_before_the_link_comes_up_and_go_after_it(window: Window) -> None:
    table = naming.tap_table(window.world.network_id(1), window.ports["attacker"].id)
    window.come()
    ops = window.planned().ops
    assert _at(ops, Create, table) < _up(ops, window.tap)
    window.apply()
    window.go()
    ops = window.planned().ops
    gone = next(n for n, op in enumerate(ops) if isinstance(op, Delete) and _names(op, window.tap))
    assert gone < _at(ops, Delete, table)


def _at(ops: tuple[Op, ...], kind: type, table: str) -> int:
    found = (n for n, op in enumerate(ops) if isinstance(op, kind) and getattr(op, "object", None) is not None)
    return next(n for n in found if isinstance(ops[n].object, Ruleset) and ops[n].object.table == table)


def _names(op: Delete, link: str) -> bool:
    return isinstance(op.object, Link) and op.object.name == link


def _up(ops: tuple[Op, ...], link: str) -> int:
    return next(
        n
        for n, op in enumerate(ops)
        if isinstance(wanted := op.new if isinstance(op, Replace) else op.object, Link)
        and wanted.name == link
        and wanted.up
    )
