from onehop.store import Store


def test_a(store: Store) -> None:
    store.run(lambda tx: tx.add_host("h1"))
    assert store.revision() == 1


def test_b(store: Store) -> None:
    assert store.revision() == 0


def test_c(store: Store) -> None:
    assert store.revision() == 0
