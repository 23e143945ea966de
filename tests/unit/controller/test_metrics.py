"""The controller's metrics and health, from a real process and over real sockets."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from onehop.errors import StoreError
from onehop.metric.catalog import LIBRARY, METRICS
from onehop.model.resources import RESOURCES
from onehop.store import Store
from tests.store import rows
from tests.unit.controller.test_daemon import LIMIT, Controller


@pytest.fixture
def controller(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Iterator[Controller]:
    made = Controller(tmp_path, new_database_url("sqlite", True))
    try:
        yield made
    finally:
        made.systemd.close()
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.communicate()


def ask(controller: Controller, path: str, where: str = "metrics", body: object = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"http://{controller.running()[where]}{path}", data)
    try:
        answer: HTTPResponse = urlopen(request, timeout=LIMIT)  # noqa: S310  # the same
    except HTTPError as error:
        return error.code, error.read()
    with answer:
        return answer.status, answer.read()


def scraped(controller: Controller) -> dict[tuple[str, tuple[str, ...]], float]:
    """Name and values of labels, in the order of their names → number."""
    families = text_string_to_metric_families(ask(controller, "/metrics")[1].decode())
    return {
        (s.name, tuple(value for _, value in sorted(s.labels.items()))): s.value for f in families for s in f.samples
    }


@pytest.mark.slow
def test_a_controller_tells_what_it_is_asked_and_how_it_is(controller: Controller) -> None:
    controller.start()
    assert ask(controller, "/healthz") == (200, b'{"alive":true,"why_not":[]}\n')
    assert ask(controller, "/readyz") == (200, b'{"ready":true,"why_not":[]}\n')
    assert ask(controller, "/v2.0/networks", "api", {"network": {"name": "blue"}})[0] == 201
    assert ask(controller, "/v2.0/networks", "api")[0] == 200
    assert ask(controller, "/v2.0/networks/nothing", "api")[0] == 404
    assert ask(controller, "/v2.0/no-such-thing/forged-label", "api")[0] == 404
    told = scraped(controller)
    # Labels in the order of their names: operation, resource, status.
    assert told["onehop_api_requests_total", ("create", "network", "201")] == 1
    assert told["onehop_api_requests_total", ("list", "network", "200")] == 1
    assert told["onehop_api_requests_total", ("show", "network", "404")] == 1
    assert told["onehop_api_requests_total", ("none", "none", "404")] == 1
    assert told["onehop_api_request_seconds_count", ("create", "network")] == 1
    assert told["onehop_resources", ("network", "ACTIVE")] == 1
    assert told["onehop_store_up", ()] == 1
    assert "forged" not in ask(controller, "/metrics")[1].decode()
    names = {m.name for m in METRICS if m.daemon in ("controller", "both")} | set(LIBRARY)
    said = {
        line.split()[2] for line in ask(controller, "/metrics")[1].decode().splitlines() if line.startswith("# TYPE")
    }
    assert said == names
    assert controller.end()[0] == 0


@pytest.mark.slow
def test_every_route_has_a_name_of_its_own_and_none_holds_what_a_client_wrote(controller: Controller) -> None:
    controller.start()
    for resource in RESOURCES:
        if resource.parent is None and "list" in resource.operations:
            assert ask(controller, f"/v2.0/{resource.segment}", "api")[0] == 200
    told = scraped(controller)
    listed = {labels[1] for (name, labels) in told if name == "onehop_api_requests_total" and labels[0] == "list"}
    assert listed == {r.name for r in RESOURCES if r.parent is None and "list" in r.operations}


def test_a_store_in_another_schema_is_not_ready(new_database_url: Callable[[str, bool], str]) -> None:
    url = new_database_url("sqlite", True)
    store = Store.open(url)
    try:
        store.check()
        revision = store.revision()
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
        engine.dispose()
        with pytest.raises(StoreError, match="another version migrated it"):
            store.check()
        assert store.revision() == revision
    finally:
        store.close()


def test_a_census_counts_by_state(new_database_url: Callable[[str, bool], str]) -> None:
    store = Store.open(new_database_url("sqlite", True))
    try:

        def make(tx: rows.Transaction) -> None:
            network = rows.network(tx)
            rows.network(tx)
            rows.subnet(tx, network["id"], "10.0.0.0/24", ("10.0.0.10", "10.0.0.99"))

        store.run(make)
        with store.read() as tx:
            found = tx.census()
        assert sum(n for (kind, _), n in found.resources.items() if kind == "network") == 2
        assert found.resources["subnet", "none"] == 1
        assert (found.ownerless, found.blocks, found.most_ports) == (0, 0, 0)
    finally:
        store.close()
