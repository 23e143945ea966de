"""What happens when the kernel tells more than its buffer holds (ENOBUFS)."""

import socket
import threading
from collections.abc import Iterator

import pytest

from onehop.kernel.linux import LinuxKernel
from tests.contract.hosts import LinuxHost
from tests.contract.things import ALL, ROUTER, put, seen

pytestmark = pytest.mark.root
LIMIT = 10.0
MANY = 300


@pytest.fixture
def host() -> Iterator[LinuxHost]:
    made = LinuxHost()
    try:
        put(made.kernel, *ALL)
        yield made
    finally:
        made.close()


def many_changes(host: LinuxHost) -> None:
    """More neighbours change in the router's namespace than a small buffer holds notices of."""
    lines = [
        f"neighbour replace 10.0.1.{100 + n % 100} lladdr fa:16:3e:00:01:{n % 256:02x} dev qr-1 nud permanent"
        for n in range(MANY)
    ]
    host.run(ROUTER, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def shrink(ear: socket.socket) -> None:
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def test_lost_notifications_make_every_namespace_suspect(host: LinuxHost) -> None:
    told: set[tuple[str, str | None]] = set()
    news, busy, go_on = threading.Condition(), threading.Event(), threading.Event()

    def changed(namespace: str, link: str | None) -> None:
        busy.set()
        assert go_on.wait(LIMIT)
        with news:
            told.add((namespace, link))
            news.notify_all()

    stop = host.kernel.watch(changed)
    try:
        shrink(host.kernel._watches[-1]._ears.route)
        host.run("", "ip", "link", "set", "brq1", "mtu", "1400")
        assert busy.wait(LIMIT)
        many_changes(host)
        go_on.set()
        with news:
            assert news.wait_for(lambda: {("", None), (ROUTER, None)} <= told, LIMIT)
    finally:
        go_on.set()
        stop()


def test_lost_notifications_hide_no_neighbour(host: LinuxHost) -> None:
    seen(host.kernel)
    shrink(host.kernel._neighbourhood._socket)
    many_changes(host)
    fresh = LinuxKernel(host.path, str(host.directory))
    try:
        assert seen(host.kernel) == seen(fresh)
        assert len(seen(fresh)) > len(ALL)
    finally:
        fresh.close()
