"""Fixtures for tests of the agent as a whole."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onehop.store import Store
from tests.unit.agent.place import Place
from tests.unit.controller.streams import Site


@pytest.fixture
def place(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Iterator[Place]:
    store = Store.open(new_database_url("sqlite", True))
    try:
        yield Place(Site(store, tmp_path))
    finally:
        store.close()
