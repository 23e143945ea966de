"""One range for all tests of a module; and whoever runs these needs root."""

from collections.abc import Iterator

import pytest

from tests.security.range import Range


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here makes namespaces."""
    for item in items:
        if "tests/security" in item.path.as_posix():
            item.add_marker(pytest.mark.root)


@pytest.fixture(scope="package")
def field() -> Iterator[Range]:
    """The range."""
    with Range() as made:
        yield made
