"""The file of a backup: what is not whole, not ours or of a newer version is refused, and nothing is made of it."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from onehop.errors import ArchiveError
from onehop.store import Store, migration
from onehop.store.archive import MANIFEST, check
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows
from tests.store.archives import brought_back, everything, kept, populated

pytestmark = pytest.mark.slow

NewDatabase = Callable[[str, bool], str]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A backup of a populated store."""
    url = f"sqlite:///{tmp_path}/source.db"
    source = Store.open(url)
    populated(source)
    source.close()
    return kept(url, tmp_path / "archive")


def refused(path: Path, tmp_path: Path, why: str) -> None:
    target = tmp_path / "target.db"
    with pytest.raises(ArchiveError, match=why) as caught:
        brought_back(path, f"sqlite:///{target}")
    assert str(path) in str(caught.value)
    assert not target.exists()


def test_a_file_of_which_one_bit_of_one_value_is_different_is_refused(archive: Path, tmp_path: Path) -> None:
    """Wherever it stands, in a table or in an index."""
    whole = archive.read_bytes()
    places = [found.start() for found in re.finditer(rows.PROJECT.encode(), whole)]
    assert len(places) > 10
    for at in places:
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ArchiveError, match="damaged"):
            check(archive)
    refused(archive, tmp_path, "damaged")


def test_half_a_file_is_refused(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    refused(archive, tmp_path, "damaged")


def test_a_value_that_somebody_changed_is_refused(archive: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(archive)) as connection, connection:
        connection.execute("UPDATE network SET name = 'other'")
    refused(archive, tmp_path, "its digest is wrong")


def test_a_row_that_names_one_that_is_not_there_is_refused(database_url: str, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    store = Store.open(f"sqlite:///{source}")
    populated(store)
    store.close()
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("DELETE FROM subnet")
    with pytest.raises(ArchiveError, match="is not whole"):
        kept(f"sqlite:///{source}", tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def test_what_is_no_backup_is_refused(tmp_path: Path, migrated_sqlite: Path) -> None:
    words = tmp_path / "words"
    words.write_text("network: blue\n" * 100)
    refused(words, tmp_path, "is no backup that `onehop db backup` made")
    database = tmp_path / "database"
    database.write_bytes(migrated_sqlite.read_bytes())
    refused(database, tmp_path, "is a database, but no backup")


@pytest.mark.parametrize(("field", "value"), [("format", "2"), ("schema", '"9999"')])
def test_a_backup_of_a_newer_onehop_is_refused(archive: Path, tmp_path: Path, field: str, value: str) -> None:
    with closing(sqlite3.connect(archive)) as connection, connection:
        changed = f"UPDATE {MANIFEST} SET manifest = json_set(manifest, ?, json(?))"  # noqa: S608  # a constant
        connection.execute(changed, (f"$.{field}", value))
    refused(archive, tmp_path, "use that version here")


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_a_backup_of_an_older_schema_is_kept_as_it_is_and_restored_as_of_now(
    new_database_url: NewDatabase, kind: str, tmp_path: Path
) -> None:
    """So that an operator who has installed a new version can still keep what the old one left."""
    url = new_database_url(kind, False)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        migration.run(connection, "0002")
        connection.exec_driver_sql("UPDATE revision SET value = 7")
        connection.exec_driver_sql("INSERT INTO tag (kind, tag, id) VALUES ('network', 'blue', 'n')")
    engine.dispose()
    path = kept(url, tmp_path / "backup")
    assert (check(path).schema, check(path).revision) == ("0002", 7)
    target = new_database_url(kind, False)
    brought_back(path, target)
    assert everything(target)["tag"] == [{"kind": "network", "tag": "blue", "id": "n"}]
    store = Store.open(target)
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
    store.close()
    assert check(path).schema == "0002"
