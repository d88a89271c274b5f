"""Sources that are left alone for a while."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import cool_downs as table
from matchcast.ports.feeds import CoolDown


class SqlCoolDowns:
    """The `CoolDowns` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, source: str, until: datetime, reason: str) -> None:
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        new = insert(table).values(source=source, until=until, reason=reason)
        told = new.excluded
        later = new.on_conflict_do_update(
            index_elements=["source"],
            set_={"until": told.until, "reason": told.reason},
            where=told.until > table.c.until,
        )
        with self._database.writing() as connection:
            connection.execute(later)

    def of(self, source: str, now: datetime) -> CoolDown | None:
        standing = select(table.c.until, table.c.reason).where((table.c.source == source) & (table.c.until > now))
        with self._database.reading() as connection:
            row = connection.execute(standing).one_or_none()
        return None if row is None else CoolDown(*row)
