"""A stage for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.dataplane_north.stage import A, Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stage, owned by A."""
    with Stage() as made:
        yield made


@pytest.fixture
def owned_by_a(stage: Stage) -> Stage:
    """The stage, owned by A whatever the test before did."""
    stage.own(A)
    return stage
