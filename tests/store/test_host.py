"""Hosts, their signs of life, and how they join."""

from collections.abc import Iterator

import pytest

from onehop.errors import IdentifierError, NotFoundError, ReferencedError, TakenError
from onehop.model.host import Host
from onehop.net.identifier import HostName
from onehop.store import Heartbeat, HostRow, Store
from tests.store import rows


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    """A store with that clock and host h1."""
    opened = Store.open(database_url, clock=clock)
    opened.run(lambda tx: tx.add_host("h1", gateway_host=True, physical_networks=["campus", "external"]))
    yield opened
    opened.close()


def hello(store: Store, name: str = "h1", vtep: str = "192.0.2.1", *physical: str) -> int:
    """A new session of a host."""
    return store.run(lambda tx: tx.open_session(name, vtep=vtep, underlay_mtu=1500, physical_networks=physical))


def host(store: Store, name: str = "h1") -> HostRow:
    """A host that has to be there."""
    with store.read() as tx:
        found = tx.host(name)
    assert found is not None
    return found


def test_a_new_host_is_an_agent_that_never_said_a_word(store: Store) -> None:
    assert host(store).vtep is host(store).heartbeat_at is host(store).started_at is None
    assert host(store).session == host(store).applied == 0
    with store.read() as tx:
        agents = tx.select("agent")
        assert [a["host"] for a in agents] == ["h1"]
        assert tx.values([("host", "h1")]) == {("host", "h1"): None}
    assert agents[0]["id"] == host(store).id


def test_a_host_name_is_unique_and_checked(store: Store) -> None:
    with pytest.raises(TakenError):
        store.run(lambda tx: tx.add_host("h1"))
    with pytest.raises(IdentifierError):
        store.run(lambda tx: tx.add_host("../h1"))
    store.run(lambda tx: tx.add_host("h10"))
    with store.read() as tx:
        assert [h.name for h in tx.hosts()] == ["h1", "h10"]


def test_a_hello_makes_the_host_a_value_of_the_data_plane(store: Store) -> None:
    before = store.revision()
    hello(store, "h1", "192.0.2.1", "external", "campus")
    value = Host(name=HostName("h1"), vtep="192.0.2.1", physical_networks=("campus", "external"))
    with store.read() as tx:
        assert tx.values([("host", "h1")]) == {("host", "h1"): value}
        assert [(c.kind, c.id, c.deleted) for c in tx.changes(before)] == [("host", "h1", False)]
    assert host(store).started_at == "2027-01-15T08:00:00Z"


def test_the_same_hello_again_is_a_session_and_no_change(store: Store) -> None:
    first = hello(store)
    before = store.revision()
    assert hello(store) == first + 1
    assert store.revision() == before


def test_two_hosts_cannot_have_one_vtep(store: Store) -> None:
    hello(store)
    store.run(lambda tx: tx.add_host("h2"))
    with pytest.raises(TakenError, match="h1"):
        hello(store, "h2")


def test_a_vtep_that_another_begins_with_or_names_elsewhere_is_free(store: Store) -> None:
    for number in (2, 3):
        store.run(lambda tx, number=number: tx.add_host(f"h{number}"))
    hello(store, "h1", "192.0.2.11")
    details = {"version": "192.0.2.1"}
    store.run(lambda tx: tx.open_session("h2", vtep="192.0.2.2", underlay_mtu=0, physical_networks=(), details=details))
    assert hello(store, "h3", "192.0.2.1") == 1
    assert host(store, "h3").vtep == "192.0.2.1"


def test_heartbeats_of_many_hosts_count_each_for_its_own_session(store: Store, clock: Clock) -> None:
    for number in range(2, 6):
        store.run(lambda tx, number=number: tx.add_host(f"h{number}"))
    sessions = [hello(store, f"h{number}", f"192.0.2.{number}") for number in range(1, 6)]
    clock.now += 10
    beats = [Heartbeat(f"h{n}", session, connected=True, applied=n) for n, session in enumerate(sessions, 1)]
    store.put_heartbeats([*beats[:3], Heartbeat("h4", 0, connected=True, applied=4), *beats[4:]])
    with store.read() as tx:
        assert [found.applied for found in tx.hosts()] == [1, 2, 3, 0, 5]
        stamps = {row["host"]: row["heartbeat_timestamp"] for row in tx.select("agent")}
    assert [name for name, at in sorted(stamps.items()) if at != "2027-01-15T08:00:10Z"] == ["h4"]


def test_heartbeats_are_no_changes(store: Store, clock: Clock) -> None:
    session = hello(store)
    before = store.revision()
    clock.now += 10
    store.put_heartbeats([Heartbeat("h1", session, connected=True, applied=7)])
    assert (host(store).applied, host(store).connected, host(store).heartbeat_at) == (7, True, clock.now)
    with store.read() as tx:
        assert tx.select("agent")[0]["heartbeat_timestamp"] == "2027-01-15T08:00:10Z"
    store.put_heartbeats([Heartbeat("h1", session, connected=False, applied=7)])
    assert host(store).connected is False
    assert store.revision() == before


def test_a_heartbeat_of_an_older_session_or_an_unknown_host_is_dropped(store: Store, clock: Clock) -> None:
    old = hello(store)
    hello(store)
    clock.now += 10
    store.put_heartbeats(
        [Heartbeat("h1", old, connected=False, applied=1), Heartbeat("h9", 1, connected=True, applied=1)]
    )
    assert (host(store).applied, host(store).connected, host(store).heartbeat_at) == (0, True, clock.now - 10)
    store.put_heartbeats([])


def test_a_host_with_ports_stays(store: Store) -> None:
    network = store.run(rows.network)
    port = store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    with pytest.raises(ReferencedError, match="1 ports are bound to host h1"):
        store.run(lambda tx: tx.remove_host("h1"))
    with pytest.raises(ReferencedError):
        store.run(lambda tx: tx.delete("agent", host(store).id))
    store.run(lambda tx: tx.delete("port", port["id"]))
    store.run(lambda tx: tx.remove_host("h1"))
    with store.read() as tx:
        assert tx.hosts() == []
        assert [(c.kind, c.id, c.deleted) for c in tx.changes(store.revision() - 1)] == [("host", "h1", True)]


def test_a_host_can_be_removed_and_added_again(store: Store) -> None:
    hello(store)
    store.run(lambda tx: tx.remove_host("h1"))
    store.run(lambda tx: tx.add_host("h1"))
    assert host(store).session == 0
    assert hello(store) == 1


def test_a_join_token_is_good_once(store: Store) -> None:
    token = store.run(lambda tx: tx.create_join_token("h1"))
    assert store.run(lambda tx: tx.redeem_join_token(token)) == "h1"
    with pytest.raises(NotFoundError):
        store.run(lambda tx: tx.redeem_join_token(token))


def test_a_join_token_of_a_failed_join_is_not_used_up(store: Store) -> None:
    token = store.run(lambda tx: tx.create_join_token("h1"))
    with pytest.raises(ZeroDivisionError):
        store.run(lambda tx: (tx.redeem_join_token(token), 1 // 0))
    assert store.run(lambda tx: tx.redeem_join_token(token)) == "h1"


def test_a_join_token_expires(store: Store, clock: Clock) -> None:
    token = store.run(lambda tx: tx.create_join_token("h1", lifetime=60))
    clock.now += 60
    with pytest.raises(NotFoundError, match="too old"):
        store.run(lambda tx: tx.redeem_join_token(token))


def test_a_new_join_token_ends_the_one_before(store: Store) -> None:
    old = store.run(lambda tx: tx.create_join_token("h1"))
    store.run(lambda tx: tx.create_join_token("h1"))
    with pytest.raises(NotFoundError):
        store.run(lambda tx: tx.redeem_join_token(old))


def test_a_join_token_is_nowhere_in_the_database(store: Store) -> None:
    token = store.run(lambda tx: tx.create_join_token("h1"))
    with store.read() as tx:
        assert token not in str(tx.connection.exec_driver_sql("SELECT * FROM join_token").all())
    with pytest.raises(NotFoundError):
        store.run(lambda tx: tx.create_join_token("h9"))


def test_a_removed_hosts_certificates_stay_revoked(store: Store, clock: Clock) -> None:
    store.run(lambda tx: tx.add_certificate("h1", "0a", clock.now + 100))
    store.run(lambda tx: tx.add_certificate("h1", "0b", clock.now + 100))
    assert store.run(lambda tx: tx.revoke_certificates("h1", keep="0b")) == 1
    with store.read() as tx:
        revoked, good = tx.certificate("0a"), tx.certificate("0b")
        assert tx.certificate("0c") is None
    assert revoked is not None
    assert revoked.revoked_at == clock.now
    assert good is not None
    assert good.revoked_at is None
    store.run(lambda tx: tx.remove_host("h1"))
    store.run(lambda tx: tx.add_host("h1"))
    with store.read() as tx:
        again = tx.certificate("0b")
    assert again is not None
    assert again.revoked_at == clock.now
    with pytest.raises(TakenError):
        store.run(lambda tx: tx.add_certificate("h1", "0b", clock.now))
