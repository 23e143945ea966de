"""What a machine that reads the OpenAPI document can do to the API."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from onehop.controller import openapi
from onehop.controller.app import create_app
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests import databases
from tests.conftest import POSTGRESQL, SQLITE

pytestmark = pytest.mark.slow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module", params=[SQLITE, POSTGRESQL])
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if request.param == SQLITE:
        url = f"sqlite:///{tmp_path_factory.mktemp('openapi')}/onehop.db"
    else:
        url = databases.new_database()
        request.addfinalizer(lambda: databases.give_back(url))  # noqa: PT021  # of one of the two only
    store = Store.open(url)
    settings_ = ControllerSettings(auth="none", api_public_url="http://testserver", physical_networks=("external",))
    app = create_app(store, settings_)
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    store.close()


OPERATIONS = [
    (path, method) for path, item in openapi.document()["paths"].items() for method in item if method != "parameters"
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda x: x.removeprefix("/v2.0/"))
def test_no_described_request_breaks_the_server_or_the_description(described: Any, path: str, method: str) -> None:
    operation = described[path][method.upper()]

    @given(case=operation.as_strategy())
    @settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
