"""What sources answered."""

from collections.abc import Sequence

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures as table
from matchcast.ports.feeds import Capture


class SqlCaptures:
    """The `Captures` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, captures: Sequence[Capture]) -> None:
        if not captures:
            return
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        with self._database.writing() as connection:
            rows = [capture._asdict() for capture in captures]
            connection.execute(insert(table).on_conflict_do_nothing(), rows)
