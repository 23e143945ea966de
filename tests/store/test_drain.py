"""A host that is drained: who owns what it owned, when, and how much at a time."""

import pytest

from onehop.controller.liveness import Liveness
from onehop.controller.owners import AT_ONCE, PARTING_SECONDS, PATIENCE_SECONDS, Owners
from onehop.store import Store, Transaction
from tests.store import rows
from tests.store.outside import given
from tests.store.rows import add_gateway_host

pytestmark = pytest.mark.slow
ONE, TWO = "gw-1", "gw-2"
ROUTERS = 2 * AT_ONCE + 1


@pytest.fixture
def routers(store: Store) -> list[str]:
    """Routers that all belong to the first host, of two."""
    for number in (1, 2):
        add_gateway_host(store, number)
    external = store.run(rows.external)
    made = [str(store.run(rows.router)["id"]) for _ in range(ROUTERS)]

    def own(tx: Transaction) -> None:
        for router in made:
            rows.gateway(tx, router, external)
            tx.assign_owner(router, ONE)

    store.run(own)
    return made


def _drain(store: Store, host: str, undo: bool = False) -> None:
    with store.read() as tx:
        found = next(one for one in tx.hosts() if one.name == host)
    store.run(lambda tx: tx.update("agent", found.id, {"admin_state_up": undo}))


def _burden(store: Store, host: str) -> tuple[int, int]:
    with store.read() as tx:
        return tx.burden(host)


def test_a_drained_host_hands_over_a_few_routers_at_a_time_and_stays_a_candidate_until_it_owns_none(
    store: Store, routers: list[str]
) -> None:
    owners = Owners(store, Liveness(1.0, 0.0))
    before = {router: given(store, router)["generation"] for router in routers}
    _drain(store, ONE)
    assert _burden(store, ONE) == (ROUTERS, ROUTERS), "not all at once"
    moved = [owners.relieve(float(turn)) for turn in range(3)]
    assert moved == [AT_ONCE, AT_ONCE, 1]
    assert _burden(store, ONE) == (0, ROUTERS)
    assert all(given(store, router)["generation"] > before[router] for router in routers)
    assert owners.relieve(2.0 + PARTING_SECONDS / 2) == 0, "what still comes to it is steered on"
    later = 2.1 + PARTING_SECONDS
    assert [owners.relieve(later) for _ in range(4)] == [AT_ONCE, AT_ONCE, 1, 0]
    assert _burden(store, ONE) == (0, 0)
    assert _burden(store, TWO) == (ROUTERS, ROUTERS)


def test_the_next_few_routers_wait_for_the_slowest_host_and_not_for_ever(store: Store, routers: list[str]) -> None:
    applied = [0, 0]
    owners = Owners(store, Liveness(1.0, 0.0), applied=lambda: applied)
    _drain(store, ONE)
    assert owners.relieve(0.0) == AT_ONCE, "nothing was asked of anybody before"
    applied[0] = store.revision()
    assert owners.relieve(PATIENCE_SECONDS / 2) == 0, "one host is not ready"
    applied[1] = store.revision()
    assert owners.relieve(PATIENCE_SECONDS / 2) == AT_ONCE
    assert owners.relieve(PATIENCE_SECONDS) == 0
    assert owners.relieve(PATIENCE_SECONDS * 3 / 2) == 1, "a host that never is ready holds nobody up"
    assert _burden(store, ONE) == (0, ROUTERS)


def test_a_drained_host_gets_nothing_new(store: Store) -> None:
    for number in (1, 2):
        add_gateway_host(store, number)
    external = store.run(rows.external)
    _drain(store, ONE)
    router = str(store.run(rows.router)["id"])
    store.run(lambda tx: rows.gateway(tx, router, external))
    assert given(store, router)["candidates"] == [TWO]
    assert store.run(lambda tx: tx.hand_over({TWO})) == 0, "there is no other"


def test_a_drain_that_is_undone_leaves_what_has_moved_where_it_is(store: Store, routers: list[str]) -> None:
    owners = Owners(store, Liveness(1.0, 0.0))
    _drain(store, ONE)
    owners.relieve(0.0)
    _drain(store, ONE, undo=True)
    assert owners.relieve(10.0) == 0
    assert _burden(store, ONE) == (ROUTERS - AT_ONCE, ROUTERS)
    assert _burden(store, TWO) == (AT_ONCE, ROUTERS)


def test_a_drained_host_without_another_candidate_owns_nothing_in_the_end(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    router = str(store.run(rows.router)["id"])
    store.run(lambda tx: rows.gateway(tx, router, external))
    owners = Owners(store, Liveness(1.0, 0.0))
    _drain(store, ONE)
    assert owners.relieve(0.0) == 1
    assert (given(store, router)["owner"], given(store, router)["candidates"]) == (None, [])
