"""Eight clients on two controllers: threads with a store each, and processes. Nobody gets what another has."""

import subprocess
import sys
import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from onehop.errors import PoolFullError
from onehop.store import Store
from onehop.store.table import ALLOCATION
from tests.store import rows

CLIENTS = 8
PORTS = 1000

PROGRAM = """
import sys, threading
from onehop.store import Store
from tests.store import rows
url, network, subnet, each, clients = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
store = Store.open(url)
def client():
    for _ in range(each):
        store.run(lambda tx: rows.port(tx, network, subnet))
threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads: thread.start()
for thread in threads: thread.join()
store.close()
"""


def prepared(store: Store, last: str) -> tuple[str, str]:
    """Ids of a network and of its subnet, whose pool ends with `last`."""
    network = store.run(rows.network)
    subnet = store.run(lambda tx: rows.subnet(tx, network["id"], "10.0.0.0/16", ("10.0.0.1", last)))
    return network["id"], subnet["id"]


def assert_all_different(store: Store, number: int) -> None:
    """So many ports, addresses and MACs, and a revision for each."""
    with store.read() as tx:
        ports = tx.select("port")
        taken = tx.connection.execute(sa.select(sa.func.count()).select_from(ALLOCATION)).scalar_one()
        assert tx.revision() == number + 2
    assert len(ports) == taken == number
    assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == number
    assert len({p["mac_address"] for p in ports}) == number


@pytest.mark.slow
def test_eight_clients_on_two_controllers_get_a_thousand_different_addresses(database_url: str) -> None:
    stores = [Store.open(database_url) for _ in range(2)]
    network, subnet = prepared(stores[0], "10.0.3.232")  # exactly 1,000 addresses
    result: Counter[str] = Counter()

    def client(store: Store) -> None:
        for _ in range(PORTS // CLIENTS):
            store.run(lambda tx: rows.port(tx, network, subnet))
            result["made"] += 1

    threads = [threading.Thread(target=client, args=(stores[n % 2],)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_all_different(stores[1], PORTS)
    with pytest.raises(PoolFullError):
        stores[0].run(lambda tx: rows.port(tx, network, subnet))
    for store in stores:
        store.close()


@pytest.mark.slow
def test_two_processes_on_one_database_get_different_addresses(database_url: str) -> None:
    store = Store.open(database_url)
    network, subnet = prepared(store, "10.0.1.144")  # exactly 400 addresses
    command = [sys.executable, "-c", PROGRAM, database_url, network, subnet, "50", "4"]
    processes = [subprocess.Popen(command) for _ in range(2)]
    try:
        codes = [process.wait(120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert codes == [0, 0]
    assert_all_different(store, 400)
    store.close()
