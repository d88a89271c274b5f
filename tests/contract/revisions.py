"""Databases as earlier versions made them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from matchcast.adapters.database import migrate as migrating
from matchcast.adapters.database.engine import Database


@contextmanager
def at_revision(database: Database, revision: str) -> Iterator[Connection]:
    """The database, made anew with the tables of this revision."""
    if database.file is not None:
        database.close()
        database.file.unlink()
    unchecked = Database(database.url.render_as_string(hide_password=False), checked=False)
    with unchecked.writing() as connection:
        if not unchecked.is_sqlite:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        config = Config()
        config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    unchecked.close()
