"""A lab for all tests of packets, and worlds to make in it."""

import os
from collections.abc import Iterator

import pytest

from onehop.client import Client
from onehop.lab import build
from onehop.lab.state import Directory
from tests.dataplane.site import Box, Net, Site, World, settled


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here makes namespaces."""
    for item in items:
        if "tests/dataplane" in item.path.as_posix():
            item.add_marker(pytest.mark.root)


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """A lab of three hosts with a name that nobody else has; taken down also after Ctrl-C, and
    before tests of other kinds begin.
    """
    directory = Directory(f"test-{os.getpid()}")
    build.up(directory, print)
    here = Site(directory, Client(directory.endpoint))
    try:
        yield here
    finally:
        here.down()


@pytest.fixture
def world(site: Site) -> Iterator[World]:
    """A world of one test; what an earlier one left stopped is started."""
    with settled(site) as made:
        yield made


class Square:
    """Two networks on one router, on each host an instance of each: the world of walks 1 and 2."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.red: Net = world.network()
        self.blue: Net = world.network()
        self.router = world.router(self.red, self.blue)
        self.red_1: Box = world.instance(self.red, "host-1")
        self.red_1b: Box = world.instance(self.red, "host-1")
        self.red_2: Box = world.instance(self.red, "host-2")
        self.blue_1: Box = world.instance(self.blue, "host-1")
        self.blue_2: Box = world.instance(self.blue, "host-2")
        self.blue_3: Box = world.instance(self.blue, "host-3")


@pytest.fixture(scope="module")
def square(site: Site) -> Iterator[Square]:
    """The world of walks 1 and 2, for the tests of a module that do not change it."""
    with settled(site) as world:
        yield Square(world)
