"""What the API says when the database fails below it."""

from pathlib import Path

from anyio.from_thread import BlockingPortal

from onehop.controller.app import create_app
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.client import ADMIN_PROJECT, Api, identity


def test_a_full_disk_is_503_with_a_sentence_and_leaves_nothing_half_done(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/onehop.db")
    api = Api(create_app(store, ControllerSettings(auth="trusted_headers")), portal, identity(ADMIN_PROJECT, "admin"))

    def limit(pages: int) -> None:
        with store.write() as tx:
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    kept = api.network(name="kept")
    limit(1)
    many = {"networks": [{"description": "x" * 250}] * 200}
    answer = api.send("POST", "networks", many)
    assert answer.error == (503, "ServiceUnavailable")
    assert "nothing was changed" in answer.message
    assert api.ids("networks") == [kept["id"]]
    limit(1_000_000)
    assert api.send("POST", "networks", many).status == 201
    store.close()
