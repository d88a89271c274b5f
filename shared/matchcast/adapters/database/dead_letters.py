"""Events that could not be delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import event_from, event_json
from matchcast.adapters.database.tables import dead_events
from matchcast.ports.events import DeadLetter

_AT_ONCE: Final = 10
"""Letters that a page reads from the database; each may carry a quarter of a megabyte."""


class SqlDeadLetters:
    """The `DeadLetters` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, letter: DeadLetter) -> bool:
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        new = insert(dead_events).values(letter._asdict() | {"event": event_json(letter.event)})
        again = {
            "code": new.excluded.code,
            "reason": new.excluded.reason,
            "died_at": new.excluded.died_at,
            "deaths": new.excluded.deaths,
            "replayed_at": None,
            "trigger": func.coalesce(new.excluded.trigger, dead_events.c.trigger),
        }
        with self._database.writing() as connection:
            kept = connection.execute(
                new.on_conflict_do_update(
                    index_elements=["letter_id"], set_=again, where=dead_events.c.deaths < new.excluded.deaths
                ).returning(dead_events.c.letter_id)
            )
            return kept.one_or_none() is not None

    def find(self, letter_id: str) -> DeadLetter | None:
        with self._database.reading() as connection:
            query = select(dead_events).where(dead_events.c.letter_id == letter_id)
            row = connection.execute(query).one_or_none()
        return None if row is None else _letter(row)

    def page(self, after: tuple[datetime, str] | None, limit: int, *, open_only: bool) -> Sequence[DeadLetter]:
        order = (dead_events.c.died_at, dead_events.c.letter_id)
        query = select(dead_events).order_by(*order).limit(limit)
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(*after, types=[column.type for column in order]))
        if open_only:
            query = query.where(dead_events.c.replayed_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
            return [_without_data(_letter(row)) for row in rows]

    def open_by_trigger(self) -> Mapping[tuple[str, str | None], int]:
        of = (dead_events.c.broker, dead_events.c.trigger)
        query = select(*of, func.count().label("letters")).where(dead_events.c.replayed_at.is_(None)).group_by(*of)
        with self._database.reading() as connection:
            return {(row.broker, row.trigger): row.letters for row in connection.execute(query)}

    def mark_replayed(self, letter_id: str, now: datetime) -> bool:
        is_open = (dead_events.c.letter_id == letter_id) & dead_events.c.replayed_at.is_(None)
        with self._database.writing() as connection:
            return connection.execute(update(dead_events).where(is_open).values(replayed_at=now)).rowcount == 1


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(**{**row._mapping, "event": event_from(row.event)})


def _without_data(letter: DeadLetter) -> DeadLetter:
    return letter._replace(event=replace(letter.event, data=None, extensions={}))
