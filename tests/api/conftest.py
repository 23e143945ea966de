"""Fixtures of the API's tests: an application over a fresh store of each kind, used by an administrator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from anyio.from_thread import BlockingPortal, start_blocking_portal

from onehop.controller.app import create_app
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.client import ADMIN_PROJECT, PROJECT_A, PROJECT_B, Api, Row, identity
from tests.store.rows import add_gateway_host


@pytest.fixture(scope="package", autouse=True)
def quiet() -> Iterator[None]:
    """No line for every request here; elsewhere, and for whoever captures them, they are as they were."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture
def now() -> list[float]:
    """The application's clock, to be set by tests: a list of one."""
    return [1_800_000_000.0]


@pytest.fixture
def make_api(store: Store, portal: BlockingPortal, now: list[float]) -> Callable[..., Api]:
    """Makes an application with changed settings, over the same store."""

    def make(**changes: Any) -> Api:
        settings = ControllerSettings(
            **{"auth": "trusted_headers", "physical_networks": ("external", "lan"), **changes}
        )
        app = create_app(store, settings, clock=lambda: now[0])
        return Api(app, portal, identity(ADMIN_PROJECT, "admin"))

    return make


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    """The API as an administrator."""
    return make_api()


@pytest.fixture
def member(api: Api) -> Api:
    """The API as a member of project A."""
    return api.as_(PROJECT_A, "member", "reader")


@pytest.fixture
def stranger(api: Api) -> Api:
    """The API as a member of project B."""
    return api.as_(PROJECT_B, "member")


@pytest.fixture
def host(store: Store) -> str:
    """A host that was added."""
    return store.run(lambda tx: tx.add_host("host-1", physical_networks=["external"])).name


@pytest.fixture
def gateway_host(store: Store) -> str:
    """A gateway host that reaches the physical network "external"."""
    return add_gateway_host(store, 1)


@pytest.fixture
def external(api: Api) -> Row:
    """An external network on the physical network "external", with 172.29.0.0/24."""
    network = api.external()
    api.subnet(network, "172.29.0.0/24")
    return network


@pytest.fixture
def other_host(store: Store) -> str:
    """Another host that was added."""
    return store.run(lambda tx: tx.add_host("host-2")).name
