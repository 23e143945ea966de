"""Many tables are known again by their fingerprints; what somebody changed by hand is seen all the same."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from onehop.kernel import syscall
from onehop.kernel.linux import LinuxKernel
from onehop.kernel.listing import keep, recall
from onehop.kernel.rulesets import MANY
from onehop.net.naming import HOST
from onehop.objects import NamedSet, Ruleset
from onehop.reconciler.diff import diff
from onehop.reconciler.plan import Scope
from tests.contract.hosts import LinuxHost

pytestmark = pytest.mark.root

TABLES = [
    Ruleset(
        namespace=HOST,
        family=family,
        table=f"onehop-many-{number}",
        counters=("dropped", "idle"),
        sets=(NamedSet("own", ("ipv4_addr",), elements=(f"10.0.0.{number}",)),),
        body="\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n"
        f'\t\tip saddr @own counter name "dropped" drop\n\t\tip daddr 10.0.1.{number} drop\n\t}}\n',
    )
    for number, family in ((number, ("ip", "inet")[number % 2]) for number in range(MANY + 4))
]
_T = "ip onehop-many-0"
BY_HAND = {
    # As many as before of everything, so that only what it is tells.
    "other rules": f"flush chain {_T} forward; add rule {_T} forward accept; add rule {_T} forward accept",
    "another element": f"add element {_T} own {{ 9.9.9.9 }}; delete element {_T} own {{ 10.0.0.0 }}",
    "another counter": f"delete counter {_T} idle; add counter {_T} other",
    "another policy": f"add chain {_T} forward {{ policy drop; }}",
    "a rule": f"flush chain {_T} forward",
    "an element": f"add element {_T} own {{ 9.9.9.9 }}",
    "a set": f"add set {_T} more {{ type ipv4_addr; }}",
    "a counter": f"add counter {_T} more",
    "a chain": f"add chain {_T} more",
    "a table": f"delete table {_T}",
    "a flag": f"add table {_T} {{ flags dormant; }}",
}


@pytest.fixture
def host(linux: LinuxHost) -> LinuxHost:
    return linux


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tables"


@pytest.fixture
def kernel(host: LinuxHost, file: Path) -> Iterator[LinuxKernel]:
    """One that looked at many tables."""
    made = LinuxKernel(host.path, str(host.directory), file)
    report = made.execute(diff({}, {one.key: one for one in TABLES}, frozenset()))
    assert not report.failed
    assert _seen(made) == _wanted()
    yield made
    made.close()


def _wanted() -> dict[str, str]:
    return {one.table: one.body for one in TABLES}


def _seen(kernel: LinuxKernel) -> dict[str, str]:
    found = kernel.observe(Scope(namespace=HOST)).objects.values()
    return {one.table: one.body for one in found if isinstance(one, Ruleset)}


def _restarted(host: LinuxHost, file: Path) -> dict[str, str]:
    fresh = LinuxKernel(host.path, str(host.directory), file)
    try:
        return _seen(fresh)
    finally:
        fresh.close()


def _say_otherwise(host: LinuxHost, file: Path) -> None:
    """Let the file say something else of every table, so that one can see whether it is believed."""

    def cookie() -> int:
        with socket.socket() as sock:
            return syscall.cookie(sock)

    number = host.inside(cookie)
    listing = recall(file, number)
    assert len(listing.prints) == len(TABLES)
    listing.prints = {
        table: (fingerprint, msgspec.structs.replace(one, body="remembered"))
        for table, (fingerprint, one) in listing.prints.items()
    }
    keep(file, number, listing)


@pytest.mark.usefixtures("kernel")
def test_an_agent_that_starts_knows_again_what_nobody_touched(host: LinuxHost, file: Path) -> None:
    host.run("", "nft", "add table ip foreign")
    assert _restarted(host, file) == _wanted()
    _say_otherwise(host, file)
    assert set(_restarted(host, file).values()) == {"remembered"}


@pytest.mark.parametrize("command", BY_HAND.values(), ids=BY_HAND)
def test_what_was_changed_by_hand_is_listed_anew(
    host: LinuxHost, kernel: LinuxKernel, file: Path, command: str
) -> None:
    before = kernel.observe(Scope(namespace=HOST)).objects
    _say_otherwise(host, file)
    host.run("", "nft", command)
    restarted = _restarted(host, file)
    assert restarted.get("onehop-many-0") != "remembered"
    assert sum(body == "remembered" for body in restarted.values()) == len(TABLES) - 1
    after = kernel.observe(Scope(namespace=HOST)).objects
    changed = {str(key[-1]) for key in before if before[key] != after.get(key)}
    assert changed == {"onehop-many-0"}


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("content", [b"", b"nonsense", None], ids=["empty", "nonsense", "none"])
def test_a_file_that_is_damaged_or_gone_costs_time_only(host: LinuxHost, file: Path, content: bytes | None) -> None:
    _say_otherwise(host, file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert _restarted(host, file) == _wanted()


def test_a_file_of_another_namespace_is_not_believed(kernel: LinuxKernel, file: Path) -> None:
    del kernel
    other = LinuxHost()
    try:
        assert _restarted(other, file) == {}
        fresh = LinuxKernel(other.path, str(other.directory), file)
        fresh.execute(diff({}, {one.key: one for one in TABLES}, frozenset()))
        assert _seen(fresh) == _wanted()
        fresh.close()
    finally:
        other.close()
