"""Bring a database to the tables of this version."""

from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import inspect

from matchcast.adapters.database.engine import Database
from matchcast.errors import Unavailable


class Migrated(NamedTuple):
    """From which revision to which; `before` is None for a new database."""

    before: str | None
    after: str


def migrate(url: str) -> Migrated:
    """Run the migrations that are missing, in one transaction. The folder of an SQLite file is made if need be.

    Raises:
        Unavailable: the database cannot be reached, is no database, belongs to something else, or is newer than this
            version. Nothing was changed.
    """
    database = Database(url, checked=False)
    if database.file is not None:
        database.file.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    try:
        with database.writing() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            foreign = set(inspect(connection).get_table_names()) - {"alembic_version"}
            if before is None and foreign:
                raise Unavailable(
                    f"database {database.place} holds tables that are not Matchcast's"
                    f" ({', '.join(sorted(foreign)[:3])}); point MATCHCAST_DATABASE_URL at another database"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            f"database {database.place}: {error}; update Matchcast to the version that made it"
        ) from error
    finally:
        database.close()
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return Migrated(before, head)
