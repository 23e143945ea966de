"""Fixtures for every test: databases of both kinds, fresh for each test. And what keeps a run short."""

import gc
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from onehop.store import Store
from tests import databases, marked
from tests.drift import told
from tests.phases import TwoPhases

# How long an example takes says how busy the machine is, and nothing about the code. `make check` chooses the profile
# "check"; every other run looks further.
settings.register_profile("check", deadline=None, max_examples=30)
settings.register_profile("test", deadline=None, max_examples=200)
settings.load_profile("test")

# All tests together are some 300,000 objects that never go; looking at them again and again was a fifth of a run.
gc.set_threshold(10_000, 10, 10)

SQLITE = "sqlite"
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgresql)


def pytest_configure(config: pytest.Config) -> None:
    """Say where the private PostgreSQL server will be, before workers start."""
    databases.directory()
    config.pluginmanager.register(told)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server when the whole run ends; workers leave that to the run that started them."""
    if not hasattr(config, "workerinput"):
        databases.stop()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nobody waits for the imports of a file of which ``-m`` leaves nothing."""
    return marked.nothing_left(collection_path, config.option.markexpr) or None


def pytest_collection_finish() -> None:
    """From here on what was collected is no business of the garbage collector."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Of `make test`: what measures time comes last and alone."""
    return TwoPhases(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without rows, to be copied."""
    path = tmp_path_factory.mktemp("template") / "onehop.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def new_database_url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path
) -> Iterator[Callable[[str, bool], str]]:
    """Makes databases: ``new_database_url("sqlite" or "postgresql", migrated)`` answers the URL."""
    with ExitStack() as stack:

        def make(kind: str, migrated: bool = True) -> str:
            if kind == SQLITE:
                path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
                if migrated:
                    shutil.copy(migrated_sqlite, path)
                return f"sqlite:///{path}"
            url = databases.new_database(migrated)
            stack.callback(databases.give_back, url)
            return url

        yield make


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database_url(request: pytest.FixtureRequest, new_database_url: Callable[[str, bool], str]) -> str:
    """URL of a fresh, migrated database; the test runs once for SQLite and once for PostgreSQL."""
    return new_database_url(request.param, True)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a fresh database; the test runs once for SQLite and once for PostgreSQL."""
    opened = Store.open(database_url)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What a test sets up for log lines is gone afterwards: a command sends them to what stands for standard error."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    if before is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**before)
