"""What hosts say of ports and routers, and which of it counts."""

import pytest

from onehop.errors import NotFoundError
from onehop.model.topology import Ref
from onehop.store import Row, Status, Store, Transaction
from tests.store import rows

HELLO = {"underlay_mtu": 1500, "physical_networks": []}


class Site:
    """Two hosts with sessions, and a port bound to the first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.session = {}
        for number, name in enumerate(("h1", "h2"), 1):
            store.run(lambda tx, name=name: tx.add_host(name))
            self.session[name] = self.hello(name, f"192.0.2.{number}")
        network = store.run(rows.network)
        self.port = store.run(lambda tx: rows.port(tx, network["id"], host="h1"))["id"]
        self.router = store.run(lambda tx: tx.insert("router", {"project_id": "p"}))["id"]

    def hello(self, name: str, vtep: str) -> int:
        """A new session of a host."""
        return self.store.run(lambda tx: tx.open_session(name, vtep=vtep, underlay_mtu=1500, physical_networks=[]))

    def say(self, host: str, *said: Status, revision: int | None = None, full: bool = False) -> list[Ref]:
        """A report of a host, by default at the newest revision."""
        at = self.store.revision() if revision is None else revision
        session = self.session[host]
        return self.store.run(lambda tx: tx.put_statuses(host, said, session=session, revision=at, full=full))

    def bind(self, host: str, status: str) -> None:
        """Add a binding of the port, or change the one that is there."""
        with self.store.write() as tx:
            if tx.get("binding", (self.port, host)) is None:
                tx.insert("binding", {"port_id": self.port, "host": host, "status": status})
            else:
                tx.update("binding", (self.port, host), {"status": status})

    def state(self, kind: str, id: str) -> tuple[str, str]:
        """Status and reason that the API shows."""
        with self.store.read() as tx:
            row: Row = rows.known(tx, kind, id)
            return row["status"], row["status_reason"]


@pytest.fixture
def site(store: Store) -> Site:
    """Two hosts with sessions, and a port bound to the first."""
    return Site(store)


def up(site: Site) -> Status:
    """The port is ACTIVE."""
    return Status("port", site.port, "ACTIVE")


def test_a_port_is_active_when_the_host_of_its_active_binding_says_so(site: Site) -> None:
    assert site.state("port", site.port) == ("DOWN", "")
    assert site.say("h2", up(site)) == []
    assert site.state("port", site.port) == ("DOWN", "")
    assert site.say("h1", up(site)) == [("port", site.port)]
    assert site.state("port", site.port) == ("ACTIVE", "")


def test_an_error_shows_its_reason(site: Site) -> None:
    site.say("h1", Status("port", site.port, "ERROR", "no space left in the table"))
    assert site.state("port", site.port) == ("ERROR", "no space left in the table")


def test_a_status_is_no_change_and_a_repeated_one_writes_nothing(site: Site) -> None:
    before = site.store.revision()
    site.say("h1", up(site))
    with site.store.read() as tx:
        row = rows.known(tx, "port", site.port)
        version = tx.connection.exec_driver_sql("SELECT state, revision FROM host_status").all()
    for later in range(3):
        assert site.say("h1", up(site), revision=before + later) == []
    assert site.store.revision() == before
    with site.store.read() as tx:
        assert rows.known(tx, "port", site.port) == row
        assert tx.connection.exec_driver_sql("SELECT state, revision FROM host_status").all() == version


def test_a_late_report_of_an_older_revision_loses(site: Site) -> None:
    site.say("h1", up(site), revision=9)
    site.say("h1", Status("port", site.port, "ERROR", "late"), revision=8)
    assert site.state("port", site.port) == ("ACTIVE", "")
    site.say("h1", Status("port", site.port, "DOWN"), revision=9)
    assert site.state("port", site.port) == ("DOWN", "")


def test_a_report_of_an_older_session_loses(site: Site) -> None:
    site.say("h1", up(site))
    old = site.session["h1"]
    site.session["h1"] = site.hello("h1", "192.0.2.1")
    assert site.session["h1"] > old
    stale = Status("port", site.port, "ERROR", "of the life before")
    assert site.store.run(lambda tx: tx.put_statuses("h1", [stale], session=old, revision=99)) == []
    assert site.state("port", site.port) == ("ACTIVE", "")


def test_a_moved_port_is_down_until_its_new_host_says_otherwise(site: Site) -> None:
    site.say("h1", up(site))
    site.bind("h2", "INACTIVE")
    prepared = site.store.revision()
    site.say("h2", up(site))
    assert site.state("port", site.port) == ("ACTIVE", ""), "preparing takes nothing away"
    site.bind("h1", "INACTIVE")
    site.bind("h2", "ACTIVE")
    assert site.state("port", site.port) == ("DOWN", "")
    site.say("h1", up(site), Status("port", site.port, "DOWN"))
    site.say("h2", up(site), revision=prepared)
    assert site.state("port", site.port) == ("DOWN", ""), "neither the old host nor an old report counts"
    site.say("h2", up(site))
    assert site.state("port", site.port) == ("ACTIVE", "")
    site.say("h1", Status("port", site.port, None))
    assert site.state("port", site.port) == ("ACTIVE", "")


def test_an_unbound_port_is_down(site: Site) -> None:
    site.say("h1", up(site))
    site.store.run(lambda tx: tx.delete("binding", (site.port, "h1")))
    assert site.state("port", site.port) == ("DOWN", "")
    with site.store.read() as tx:
        assert rows.known(tx, "port", site.port)["binding:host_id"] == ""


def test_the_port_repeats_the_host_of_its_active_binding(site: Site) -> None:
    with site.store.read() as tx:
        assert rows.known(tx, "port", site.port)["binding:host_id"] == "h1"
        assert [p["id"] for p in tx.select("port", {"binding:host_id": ["h1"]})] == [site.port]


def test_a_host_that_does_not_hold_a_port_any_more_takes_its_word_back(site: Site) -> None:
    site.say("h1", up(site))
    assert site.say("h1", Status("port", site.port, None)) == [("port", site.port)]
    assert site.state("port", site.port) == ("DOWN", "")
    with site.store.read() as tx:
        assert tx.statuses("port", site.port) == {}


def test_a_full_report_takes_back_what_it_leaves_out(site: Site) -> None:
    site.say("h1", up(site), Status("router", site.router, "ERROR", "broken"))
    changed = site.say("h1", Status("router", site.router, "ACTIVE"), full=True)
    assert set(changed) == {("port", site.port), ("router", site.router)}
    assert site.state("port", site.port) == ("DOWN", "")


def test_a_router_is_error_while_any_host_says_so(site: Site) -> None:
    assert site.state("router", site.router) == ("ACTIVE", "")
    site.say("h1", Status("router", site.router, "ACTIVE"))
    site.say("h2", Status("router", site.router, "ERROR", "table is full"))
    assert site.state("router", site.router) == ("ERROR", "h2: table is full")
    site.say("h1", Status("router", site.router, "ERROR", "too"))
    site.say("h2", Status("router", site.router, "ACTIVE"))
    assert site.state("router", site.router) == ("ERROR", "h1: too")
    site.store.run(lambda tx: tx.remove_host("h2"))
    site.say("h1", Status("router", site.router, None))
    assert site.state("router", site.router) == ("ACTIVE", "")


def test_the_error_of_a_removed_host_goes_with_it(site: Site) -> None:
    site.say("h2", Status("router", site.router, "ERROR", "gone soon"))
    site.store.run(lambda tx: tx.remove_host("h2"))
    assert site.state("router", site.router) == ("ACTIVE", "")


def test_one_bad_resource_leaves_the_others_as_they_are(site: Site) -> None:
    with site.store.write() as tx:
        network = tx.select("network")[0]["id"]
        ports = [rows.port(tx, network, host="h1")["id"] for _ in range(5)]
    said = [Status("port", id, "ERROR" if n == 2 else "ACTIVE", "bad" if n == 2 else "") for n, id in enumerate(ports)]
    site.say("h1", *said)
    assert [site.state("port", id)[0] for id in ports] == ["ACTIVE", "ACTIVE", "ERROR", "ACTIVE", "ACTIVE"]


def test_reports_of_what_does_not_exist_are_dropped(site: Site) -> None:
    assert site.say("h1", Status("port", "no such", "ACTIVE"), Status("colour", "red", "ACTIVE")) == []
    with site.store.read() as tx:
        assert tx.statuses("port", "no such") == {}


def test_a_host_that_was_not_added_is_not_heard(site: Site) -> None:
    with pytest.raises(NotFoundError, match="onehop host add h9"):
        site.store.run(lambda tx: tx.put_statuses("h9", [], session=1, revision=1))


def test_what_each_host_says_can_be_read(site: Site) -> None:
    site.say("h1", up(site))
    site.say("h2", Status("port", site.port, "ERROR", "why"))
    with site.store.read() as tx:
        assert tx.statuses("port", site.port) == {"h1": up(site), "h2": Status("port", site.port, "ERROR", "why")}


def test_an_interface_is_down_until_a_host_holds_the_router_and_again_when_none_does(site: Site, store: Store) -> None:
    def add(tx: Transaction) -> str:
        leg = {"device_id": site.router, "device_owner": "network:router_interface_distributed"}
        return str(rows.port(tx, rows.network(tx)["id"], **leg)["id"])

    leg = store.run(add)
    assert site.state("port", leg) == ("DOWN", "")
    assert site.say("h1", Status("port", leg, "ACTIVE")) == [("port", leg)]
    assert site.state("port", leg) == ("ACTIVE", "")
    site.say("h2", Status("port", leg, "ERROR", "no memory"))
    assert site.state("port", leg) == ("ERROR", "h2: no memory")
    site.say("h2", Status("port", leg, "DOWN", "its router fails"))
    assert site.state("port", leg) == ("ACTIVE", "")
    site.say("h1", Status("port", leg, None))
    assert site.state("port", leg) == ("DOWN", "h2: its router fails")
    site.say("h2", full=True)
    assert site.state("port", leg) == ("DOWN", "")


def test_a_network_is_in_error_while_a_host_says_so(site: Site, store: Store) -> None:
    network = store.run(rows.network)["id"]
    assert site.state("network", network) == ("ACTIVE", "")
    site.say("h2", Status("network", network, "ERROR", "another link has its name"))
    site.say("h1", Status("network", network, "ERROR", "vni 7 is taken"))
    assert site.state("network", network) == ("ERROR", "h1: vni 7 is taken")
    site.say("h1", Status("network", network, None))
    assert site.state("network", network) == ("ERROR", "h2: another link has its name")
    store.run(lambda tx: tx.remove_host("h2"))
    assert site.state("network", network) == ("ACTIVE", "")
