"""`up` and `down`: the whole lab, or nothing."""

import contextlib
import ctypes.util
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import msgspec

from onehop.errors import ConflictError, InputError, MissingFeatureError, NotFoundError, OnehopError, StateError
from onehop.lab import config, controller, enrol, fabric, host, plan, process, wait
from onehop.lab.mount import prepare_pins, remove_pins, unpin
from onehop.lab.namespace import NETNS, identity
from onehop.lab.state import NODES, Directory, HostRecord, State

Say = Callable[[str], None]
"""Shows one line of progress."""

SYNC_SECONDS = 60

_COMMANDS = {"ip": "iproute2", "nft": "nftables"}


def check_machine() -> None:
    """See whether a lab can be built here.

    Raises:
        MissingFeatureError: names everything that is missing, and the package that has it.
    """
    missing = []
    if os.geteuid() != 0:
        missing.append("root (network namespaces need it: run it with sudo)")
    missing += [
        f"the command {command!r} (install the package {package})"
        for command, package in _COMMANDS.items()
        if shutil.which(command) is None
    ]
    if ctypes.util.find_library("nftables") is None:
        missing.append("the library libnftables (install the package libnftables1)")
    if missing:
        raise MissingFeatureError("a lab cannot be built on this machine, it lacks: " + "; ".join(missing))


def up(
    directory: Directory,
    say: Say,
    hosts: int = 3,
    gateway_hosts: int = 2,
    no_external_hosts: int = 0,
    underlay_mtu: int = 1500,
) -> None:
    """Build the lab and wait until every agent is in sync. What runs already stays; what is stopped is started.

    Raises:
        InputError: the numbers do not fit.
        MissingFeatureError: the machine lacks something.
        ConflictError: there is a lab of that name with other hosts.
        OnehopError: something failed; then nothing is left of a lab that was not there before.
    """
    records = _plan(hosts, gateway_hosts, no_external_hosts, underlay_mtu)
    check_machine()
    with _terminable(), directory.alone():
        if directory.exists() and _keep(directory, records, underlay_mtu):
            say(f"lab {directory.name} is there: starting what does not run")
            _start(directory, say)
            return
        try:
            _found(directory, records, underlay_mtu)
            _build(directory)
            _start(directory, say)
            with directory.lock():
                directory.write(msgspec.structs.replace(directory.read(), complete=True))
        except BaseException:
            say("it failed: taking everything down again")
            _take_down(directory)
            raise


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end `up` like Ctrl-C does, so that it cleans up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    except ValueError:  # not in the main thread: whoever called us handles signals
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plan(hosts: int, gateway_hosts: int, no_external_hosts: int, underlay_mtu: int) -> dict[str, HostRecord]:
    if not 1 <= hosts <= plan.MAX_HOSTS:
        raise InputError(f"a lab has 1 to {plan.MAX_HOSTS} hosts, not {hosts}")
    if not 0 <= no_external_hosts <= hosts:
        raise InputError(f"of {hosts} hosts, {no_external_hosts} cannot be without an external interface")
    if not 0 <= gateway_hosts <= hosts - no_external_hosts:
        raise InputError(
            f"{gateway_hosts} gateway hosts need as many hosts with an external interface, "
            f"but only {hosts - no_external_hosts} of {hosts} have one"
        )
    if not 1400 <= underlay_mtu <= 65_000:
        raise InputError(f"the underlay's MTU must be 1400 to 65000, not {underlay_mtu}")
    return {
        name: HostRecord(name, plan.vtep(number), number <= hosts - no_external_hosts, number <= gateway_hosts)
        for number in range(1, hosts + 1)
        for name in (f"host-{number}",)
    }


def _keep(directory: Directory, wanted: dict[str, HostRecord], underlay_mtu: int) -> bool:
    """Whether the lab that is there is whole and the one that is asked for; a half-built one is taken down."""
    state = directory.read()
    if not state.complete or not directory.pins(NODES[0]).exist():
        _take_down(directory)
        directory.path.mkdir(parents=True, mode=0o700)
        return False
    there = {name: msgspec.structs.replace(record, running=False) for name, record in state.hosts.items()}
    if there != wanted or state.underlay_mtu != underlay_mtu:
        raise ConflictError(
            f"there is a lab {state.name!r} with {len(there)} hosts and other options: "
            f"take it down with 'onehop lab down --name {state.name}' or choose another --name"
        )
    return True


def _found(directory: Directory, records: dict[str, HostRecord], underlay_mtu: int) -> None:
    made_netns = not NETNS.exists()
    NETNS.mkdir(parents=True, exist_ok=True)
    state = State(
        name=directory.name,
        api_port=controller.choose_port(),
        underlay_mtu=underlay_mtu,
        made_netns=made_netns,
        hosts=records,
    )
    with directory.lock():
        directory.write(state)


def _build(directory: Directory) -> None:
    prepare_pins(directory.shared_pins, directory.private_pins)
    state = directory.read()
    fabric.build(directory, state.underlay_mtu)
    config.write_controller(directory, state)
    enrol.make_authority(directory)


def _start(directory: Directory, say: Say) -> None:
    state = directory.read()
    tokens = enrol.add_hosts(directory)
    controller.start(directory)
    say(f"controller: {directory.endpoint}")

    def bring_up(record: HostRecord) -> str:
        host.power_on(directory, record, state.underlay_mtu)
        enrol.enrol(directory, record, tokens.get(record.name))
        host.start_agent(directory, record)
        return record.name

    with ThreadPoolExecutor(max_workers=4) as pool:
        for name in pool.map(bring_up, state.hosts.values()):
            record = state.hosts[name]
            links = "underlay and external network" if record.external else "underlay only"
            say(f"{name}: agent runs, VTEP {record.vtep}, {links}{', gateway host' if record.gateway else ''}")
    wait.wait(directory, SYNC_SECONDS)
    say(f"{len(state.hosts)} agents are in sync")


def down(directory: Directory) -> None:
    """Remove everything of the lab, whatever state it is in; harmless where there is nothing.

    Raises:
        ConflictError: `up` is at work on it.
        StateError: something of it could not be removed; says what.
    """
    if directory.path.exists():
        with directory.alone():
            _take_down(directory)


_ATTEMPTS = 4


def _take_down(directory: Directory) -> None:
    try:
        state: State | None = directory.read()
    except OnehopError:
        state = None
    nodes = [*NODES, *(state.hosts if state else ()), *_pinned(directory)]
    namespaces: set[str] = set()
    for node in nodes:
        with contextlib.suppress(NotFoundError):
            namespaces |= identity(directory.pins(node))
    process.kill_all(namespaces, directory.path)
    for node in nodes:
        for pin in (directory.pins(node).mnt, directory.pins(node).net):
            if pin is not None:
                unpin(pin)
    for pins in (directory.private_pins, directory.shared_pins):
        remove_pins(pins)
    for attempt in range(_ATTEMPTS):
        if directory.path.exists():
            _remove(directory, last=attempt + 1 == _ATTEMPTS)
            process.kill_all(namespaces, directory.path)
    if state is not None and state.made_netns and not _others(directory):
        with contextlib.suppress(OSError):
            NETNS.rmdir()


def _pinned(directory: Directory) -> list[str]:
    found = directory.shared_pins.iterdir() if directory.shared_pins.exists() else ()
    return [path.name for path in found if not stat.S_ISDIR(path.lstat().st_mode)]


def _remove(directory: Directory, last: bool) -> None:
    try:
        shutil.rmtree(directory.path)
    except OSError as error:
        if not last:
            return  # somebody who is being killed has just written there
        raise StateError(f"{directory.path} could not be removed: {error}") from error
    # Directories that only labs use; /run itself and what somebody else made stay.
    for parent in (directory.parent, directory.parent.parent):
        if parent in (plan.RUN, plan.RUN.parent):
            with contextlib.suppress(OSError):
                parent.rmdir()


def _others(directory: Directory) -> bool:
    return directory.parent.exists() and any(path.is_dir() for path in directory.parent.iterdir())
