"""Several clients of several controllers at once: no address, MAC or VNI is given twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onehop.controller.api import Operations
from onehop.controller.caller import ANONYMOUS_ADMIN
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.model.kind import Json
from onehop.model.resources import BY_NAME
from onehop.settings import ControllerSettings
from onehop.store import Store

CLIENTS = 8
SETTINGS = ControllerSettings()


@pytest.fixture
def controllers(database_url: str) -> Any:
    stores = [Store.open(database_url) for _ in range(2)]
    yield stores
    for store in stores:
        store.close()


def create(store: Store, resource: str, **values: Json) -> dict[str, Any]:
    def work(tx: Any) -> dict[str, Any]:
        operations = Operations(Context(tx, ANONYMOUS_ADMIN, SETTINGS, lambda: 0.0), BY_NAME[resource])
        made: dict[str, Any] = operations.create({resource: values})[resource]
        return made

    return store.run(work)


@pytest.mark.slow
def test_a_thousand_ports_by_eight_clients_of_two_controllers_have_a_thousand_addresses(controllers: Any) -> None:
    network = create(controllers[0], "network")
    create(controllers[0], "subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/21")

    def client(number: int) -> list[dict[str, Any]]:
        store = controllers[number % 2]
        return [create(store, "port", network_id=network["id"]) for _ in range(1000 // CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        ports = [port for made in pool.map(client, range(CLIENTS)) for port in made]
    assert len(ports) == 1000
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 1000
    assert len({port["mac_address"] for port in ports}) == 1000


def test_eight_clients_share_the_last_addresses_of_a_pool_without_a_gap(controllers: Any) -> None:
    network = create(controllers[0], "network")
    create(controllers[0], "subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/27")

    def client(number: int) -> list[str]:
        found = []
        for _ in range(5):
            try:
                port = create(controllers[number % 2], "port", network_id=network["id"])
                found.append(port["fixed_ips"][0]["ip_address"])
            except FaultError as error:
                found.append(error.type)
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        counted = Counter(x for found in pool.map(client, range(CLIENTS)) for x in found)
    assert counted.pop("IpAddressGenerationFailure") == CLIENTS * 5 - 29
    assert set(counted) == {f"10.0.0.{n}" for n in range(2, 31)}
    assert set(counted.values()) == {1}
