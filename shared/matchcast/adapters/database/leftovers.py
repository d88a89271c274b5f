"""What nobody asks for any more."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, tuple_

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import dead_events, handled_events, idempotent_answers, tasks

_ENDED: Final = (
    tasks.c.expires_at,
    handled_events.c.handled_at,
    dead_events.c.replayed_at,
    idempotent_answers.c.expires_at,
)
_AT_ONCE: Final = 5_000


class SqlLeftovers:
    """The `Leftovers` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove_some(self, before: datetime) -> int:
        removed = 0
        for ended in _ENDED:
            key = tuple(ended.table.primary_key)
            old = select(*key).where(ended < before).order_by(ended).limit(_AT_ONCE)
            with self._database.writing() as connection:
                removed += connection.execute(delete(ended.table).where(tuple_(*key).in_(old))).rowcount
        return removed
