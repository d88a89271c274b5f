"""What nobody asks for any more."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, tuple_

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import event_from
from matchcast.adapters.database.tables import dead_events, handled_events, idempotent_answers, tasks
from matchcast.domain.event import Event

_AT_ONCE: Final = 5_000
_LETTERS_AT_ONCE: Final = 10
"""Each may carry a quarter of a megabyte."""


class SqlLeftovers:
    """The `Leftovers` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replayable(self) -> Iterator[Event]:
        query = select(dead_events.c.event).where(dead_events.c.replayed_at.is_(None))
        with self._database.reading() as connection:
            events = connection.execute(query, execution_options={"yield_per": _LETTERS_AT_ONCE}).scalars()
            yield from map(event_from, events)

    def remove_some(self, before: datetime, now: datetime, kept: Collection[str]) -> int:
        removed = self._remove_tasks(before, kept)
        for ended, until in (
            (handled_events.c.handled_at, before),
            (dead_events.c.replayed_at, before),
            (idempotent_answers.c.expires_at, now),
        ):
            key = tuple(ended.table.primary_key)
            old = select(*key).where(ended < until).order_by(ended).limit(_AT_ONCE)
            with self._database.writing() as connection:
                removed += connection.execute(delete(ended.table).where(tuple_(*key).in_(old))).rowcount
        return removed

    def _remove_tasks(self, before: datetime, kept: Collection[str]) -> int:
        ended = tasks.c.expires_at
        old = select(tasks.c.task_id).where(ended < before).order_by(ended).limit(_AT_ONCE + len(kept))
        with self._database.writing() as connection:
            some = [task_id for task_id in connection.execute(old).scalars() if task_id not in kept][:_AT_ONCE]
            return connection.execute(delete(tasks).where(tasks.c.task_id.in_(some))).rowcount
