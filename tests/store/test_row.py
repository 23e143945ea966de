"""Resources: what the store writes by itself, and what it refuses."""

import pytest

from onehop.errors import InputError, NotFoundError, ReferencedError, TakenError
from onehop.store import Store, Transaction
from tests.store import rows


def test_an_insert_answers_what_a_later_get_answers(store: Store) -> None:
    made = store.run(lambda tx: rows.network(tx, name="blue", tags=["b", "a"]))
    with store.read() as tx:
        assert tx.get("network", made["id"]) == made
    assert made["tags"] == ["a", "b"]
    assert made["revision_number"] == 0
    assert made["created_at"] == made["updated_at"] != ""
    assert made["port_security_enabled"] is True


def test_text_json_and_truth_values_come_back_as_they_were(store: Store) -> None:
    name = 'quote \' " \\ % _ 🜁 \r\n "DROP TABLE"'
    pairs = [{"mac_address": "02:00:00:00:00:01", "ip_address": "10.0.0.0/24"}]
    network = store.run(lambda tx: rows.network(tx, name=name, shared=True))
    port = store.run(lambda tx: rows.port(tx, network["id"], allowed_address_pairs=pairs))
    with store.read() as tx:
        assert rows.known(tx, "network", network["id"])["name"] == name
        assert rows.known(tx, "network", network["id"])["shared"] is True
        assert rows.known(tx, "port", port["id"])["allowed_address_pairs"] == pairs


def test_an_update_grows_the_revision_number_and_leaves_the_rest(store: Store) -> None:
    made = store.run(lambda tx: rows.network(tx, name="blue"))
    changed = store.run(lambda tx: tx.update("network", made["id"], {"name": "red"}))
    assert changed == {**made, "name": "red", "revision_number": 1, "updated_at": changed["updated_at"]}


def test_an_update_to_what_is_there_changes_nothing(store: Store) -> None:
    made = store.run(lambda tx: rows.network(tx, name="blue", tags=["a"]))
    before = store.revision()
    assert store.run(lambda tx: tx.update("network", made["id"], {"name": "blue", "tags": ["a"]})) == made
    assert store.revision() == before


def test_a_subnet_counts_as_a_change_of_its_network(store: Store) -> None:
    network = store.run(rows.network)
    subnet = store.run(lambda tx: rows.subnet(tx, network["id"], "10.0.0.0/24"))
    store.run(lambda tx: tx.delete("subnet", subnet["id"]))
    with store.read() as tx:
        assert rows.known(tx, "network", network["id"])["revision_number"] == 2


def test_a_missing_resource_is_not_found(store: Store) -> None:
    def update(id: str) -> None:
        store.run(lambda tx: tx.update("network", id, {"name": "x"}))

    def delete(id: str) -> None:
        store.run(lambda tx: tx.delete("network", id))

    def touch(id: str) -> None:
        store.run(lambda tx: tx.touch("network", id))

    for change in (update, delete, touch):
        with pytest.raises(NotFoundError):
            change("nobody")
    assert store.revision() == 0


def test_a_network_with_a_subnet_cannot_go(store: Store) -> None:
    network = store.run(rows.network)
    store.run(lambda tx: rows.subnet(tx, network["id"], "10.0.0.0/24"))
    with pytest.raises(ReferencedError):
        store.run(lambda tx: tx.delete("network", network["id"]))


def test_a_subnet_with_addresses_cannot_go(store: Store) -> None:
    network = store.run(rows.network)
    subnet = store.run(lambda tx: rows.subnet(tx, network["id"], "10.0.0.0/24", ("10.0.0.2", "10.0.0.9")))
    port = store.run(lambda tx: rows.port(tx, network["id"], subnet["id"]))
    with pytest.raises(ReferencedError):
        store.run(lambda tx: tx.delete("subnet", subnet["id"]))
    store.run(lambda tx: tx.delete("port", port["id"]))
    store.run(lambda tx: tx.delete("subnet", subnet["id"]))


def test_a_port_on_no_network_is_refused(store: Store) -> None:
    with pytest.raises(ReferencedError):
        store.run(lambda tx: rows.port(tx, "nowhere"))


def test_a_second_port_with_the_mac_names_network_and_mac(store: Store) -> None:
    network = store.run(rows.network)
    store.run(lambda tx: rows.port(tx, network["id"], mac_address="02:00:00:00:00:01"))
    with pytest.raises(TakenError) as caught:
        store.run(lambda tx: rows.port(tx, network["id"], mac_address="02:00:00:00:00:01"))
    assert (caught.value.resource, caught.value.attributes) == ("port", ("network_id", "mac_address"))


def test_a_vni_in_use_names_its_attribute(store: Store) -> None:
    segment = {"provider:segmentation_id": 7}
    store.run(lambda tx: rows.network(tx, **segment))
    with pytest.raises(TakenError) as caught:
        store.run(lambda tx: rows.network(tx, **segment))
    assert (caught.value.resource, caught.value.attributes) == ("network", ("provider:segmentation_id",))


def test_two_flat_networks_without_vni_do_not_clash(store: Store) -> None:
    for name in ("a", "b"):
        flat = {"provider:network_type": "flat", "provider:physical_network": name, "provider:segmentation_id": None}
        store.run(lambda tx, flat=flat: rows.network(tx, **flat))


def test_after_a_refused_row_nothing_of_the_transaction_stays(store: Store) -> None:
    network = store.run(rows.network)

    def catch(tx: Transaction) -> None:
        rows.port(tx, network["id"], name="first", mac_address="02:00:00:00:00:01")
        with pytest.raises(TakenError):
            rows.port(tx, network["id"], mac_address="02:00:00:00:00:01")

    with pytest.raises(RuntimeError, match="let it through"):
        store.run(catch)
    with store.read() as tx:
        assert tx.count("port") == 0


def test_an_attribute_that_is_not_stored_is_refused_by_name(store: Store) -> None:
    with pytest.raises(InputError, match="tenant_id"):
        store.run(lambda tx: tx.insert("network", {"tenant_id": "x"}))
    with pytest.raises(InputError, match="colour"):
        store.run(lambda tx: tx.insert("colour", {}))


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.run(lambda tx: (rows.network(tx), 1 // 0))
    with store.read() as tx:
        assert tx.select("network") == []
        assert tx.revision() == 0


def test_a_read_transaction_cannot_write(store: Store) -> None:
    with store.read() as tx, pytest.raises(RuntimeError, match=r"Store\.run"):
        rows.subnet(tx, "n", "10.0.0.0/24")


def test_a_child_is_named_by_its_parent_and_key(store: Store) -> None:
    network = store.run(rows.network)
    port = store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    with store.read() as tx:
        found = tx.get("binding", (port["id"], "h1"))
        with pytest.raises(InputError, match="port_id and host"):
            tx.get("binding", "h1")
    assert found is not None
    assert found["status"] == "ACTIVE"


def test_a_deleted_port_takes_bindings_addresses_and_tags_along(store: Store) -> None:
    network = store.run(rows.network)
    subnet = store.run(lambda tx: rows.subnet(tx, network["id"], "10.0.0.0/24", ("10.0.0.2", "10.0.0.2")))
    port = store.run(lambda tx: rows.port(tx, network["id"], subnet["id"], host="h1", tags=["t"]))
    store.run(lambda tx: tx.delete("port", port["id"]))
    with store.read() as tx:
        assert tx.select("binding") == []
        assert tx.holder_of_ip(subnet["id"], "10.0.0.2") is None
        for table in ("tag", "host_status", "allocation"):
            assert tx.connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0  # noqa: S608  # words above


def test_a_touch_counts_once_and_is_logged(store: Store) -> None:
    network = store.run(rows.network)

    with store.write() as tx:
        tx.touch("network", network["id"])
        tx.touch("network", network["id"])
    with store.read() as tx:
        assert rows.known(tx, "network", network["id"])["revision_number"] == 1
        assert [c.id for c in tx.changes(1)] == [network["id"]]
