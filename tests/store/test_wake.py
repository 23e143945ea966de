"""Listeners are woken after commits, wherever they were made."""

import threading

import pytest

from onehop.store import Store
from tests import databases
from tests.store import rows


class Bell:
    """Remembers what it was called with, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._condition = threading.Condition()

    def __call__(self, revision: int) -> None:
        with self._condition:
            self.heard.append(revision)
            self._condition.notify_all()

    def wait_for(self, revision: int) -> bool:
        """Whether it heard of that revision within ten seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: bool(self.heard) and self.heard[-1] >= revision, 10)


def test_a_listener_hears_of_a_commit_of_its_own_process(store: Store) -> None:
    bell = Bell()
    store.subscribe(bell)
    store.run(rows.network)
    assert bell.wait_for(1)


def test_a_listener_hears_of_a_commit_of_another_controller(database_url: str) -> None:
    here, there = Store.open(database_url), Store.open(database_url)
    bell = Bell()
    here.subscribe(bell)
    for revision in (1, 2, 3):
        there.run(rows.network)
        assert bell.wait_for(revision)
    here.close()
    there.close()


@pytest.mark.postgresql
def test_with_several_servers_in_the_url_a_listener_hears_of_another_controller_by_the_one_that_takes_writes() -> None:
    url = databases.new_database()
    first, _, place = url.partition("?host=")
    several = f"{first}?host={place}/nobody:5432&host={place}:5432&target_session_attrs=read-write"
    here, there = Store.open(several), Store.open(several)
    bell = Bell()
    here.subscribe(bell)
    there.run(rows.network)
    assert bell.wait_for(1)
    here.close()
    there.close()
    databases.give_back(url)


def test_a_listener_that_unsubscribed_hears_nothing(store: Store) -> None:
    first, second = Bell(), Bell()
    store.subscribe(first)()
    store.subscribe(second)
    store.run(rows.network)
    assert second.wait_for(1)
    assert first.heard == []


def test_a_closed_store_leaves_no_thread(database_url: str) -> None:
    before = set(threading.enumerate())
    store = Store.open(database_url)
    store.subscribe(Bell())
    store.run(rows.network)
    store.close()
    assert set(threading.enumerate()) <= before
