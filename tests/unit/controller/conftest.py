"""A site for each test: its own store and CA."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onehop.store import Store
from tests.unit.controller.streams import Site


@pytest.fixture
def site(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Iterator[Site]:
    """A store and a CA; `async with site.running()` serves the stream."""
    store = Store.open(new_database_url("sqlite", True))
    try:
        yield Site(store, tmp_path)
    finally:
        store.close()
