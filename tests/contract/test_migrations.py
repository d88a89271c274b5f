"""Making databases, and telling bad ones."""

import sqlite3
from pathlib import Path
from traceback import format_exception

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.records import SCHEMA_REVISION
from matchcast.adapters.database.tables import metadata
from matchcast.errors import BadInput, Unavailable


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == (SCHEMA_REVISION, SCHEMA_REVISION)


def test_the_migrations_make_the_tables_that_the_code_describes(database: Database) -> None:
    with database.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_the_folder_of_a_new_sqlite_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "var" / "deep" / "new.db"
    assert migrate(f"sqlite:///{file}").before is None
    assert file.exists()


def test_a_missing_sqlite_file_names_the_remedy_and_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(Unavailable, match=r"no database at .*run `matchcast migrate`"):
        SqlMatchStore(Database(f"sqlite:///{file}")).teams()
    assert not file.exists()


def test_a_file_that_is_no_database_names_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "half.db"
    file.write_bytes(b"SQLite format 3\0" + b"half written" * 100)
    for use in (lambda: SqlMatchStore(Database(f"sqlite:///{file}")).teams(), lambda: migrate(f"sqlite:///{file}")):
        with pytest.raises(Unavailable, match="move it away and run `matchcast migrate`"):
            use()


def test_a_truncated_database_names_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "cut.db"
    migrate(f"sqlite:///{file}")
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(Unavailable, match=r"cut\.db"):
        SqlMatchStore(Database(f"sqlite:///{file}")).teams()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    for use in (lambda: SqlMatchStore(Database(f"sqlite:///{file}")).teams(), lambda: migrate(f"sqlite:///{file}")):
        with pytest.raises(Unavailable, match=r"invoices.*MATCHCAST_DATABASE_URL"):
            use()


def test_an_empty_database_says_to_migrate(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    with pytest.raises(Unavailable, match="is empty; run `matchcast migrate`"):
        SqlMatchStore(Database(f"sqlite:///{file}")).teams()


@pytest.mark.parametrize(("version", "remedy"), [("0000", "run `matchcast migrate`"), ("9999", "update Matchcast")])
def test_a_database_of_another_version_names_the_remedy(database_url: str, version: str, remedy: str) -> None:
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    database.close()
    reopened = Database(database_url)
    with pytest.raises(Unavailable, match=f"is at version {version}.*{remedy}"):
        SqlMatchStore(reopened).teams()
    reopened.close()


def test_a_newer_database_is_not_migrated(database_url: str) -> None:
    engine = create_engine(Database(database_url).url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Unavailable, match="9999"):
        migrate(database_url)


def test_a_server_that_is_down_names_the_remedy() -> None:
    with pytest.raises(Unavailable, match="start PostgreSQL or correct MATCHCAST_DATABASE_URL"):
        SqlMatchStore(Database("postgresql://app@127.0.0.1:1/none")).teams()


def test_the_password_is_not_told() -> None:
    with pytest.raises(Unavailable) as raised:
        SqlMatchStore(Database("postgresql://app:secret@127.0.0.1:1/none")).teams()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://x/y", "oracle://x", "postgresql:app:S3CRET@db/x", "postgresql://app:S3CRET@db:54x2/x"],
)
def test_a_url_of_another_kind_is_bad_input_and_not_quoted(url: str) -> None:
    with pytest.raises(BadInput, match=r"sqlite:///path/to/file.db or postgresql://") as raised:
        Database(url)
    assert "S3CRET" not in "".join(format_exception(raised.value))


def test_a_password_among_the_parameters_is_not_told() -> None:
    place = Database("postgresql://app:S3CRET@db/x?password=S3CRET&sslmode=require").place
    assert ("S3CRET" in place, "sslmode=require" in place) == (False, True)
