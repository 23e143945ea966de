"""The contract's suite runs once on each kernel."""

from collections.abc import Iterator

import pytest

from onehop.kernel.base import Kernel
from tests.contract.hosts import Host, LinuxHost, MemoryHost

LINUX = pytest.param("linux", marks=pytest.mark.root)


@pytest.fixture(params=["memory", LINUX])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """An empty host."""
    made: Host = MemoryHost() if request.param == "memory" else LinuxHost()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def kernel(host: Host) -> Kernel:
    """The kernel of an empty host."""
    return host.kernel


@pytest.fixture
def linux() -> Iterator[LinuxHost]:
    """An empty host with a kernel of Linux, for what only that can show: such tests are marked `root`."""
    made = LinuxHost()
    try:
        yield made
    finally:
        made.close()
