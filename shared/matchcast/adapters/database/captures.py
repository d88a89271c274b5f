"""What sources answered."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures as table
from matchcast.ports.feeds import Capture

_AT_ONCE: Final = 1_000
_COLUMNS: Final = tuple(table.c[name] for name in Capture._fields)


class SqlCaptures:
    """The `Captures` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, capture: Capture) -> None:
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        with self._database.writing() as connection:
            new = insert(table).on_conflict_do_nothing(index_elements=["url", "taken_at"])
            connection.execute(new, capture._asdict())

    def refuse(self, capture: Capture, problem: str) -> None:
        self._judge(capture, problem)

    def accept(self, capture: Capture) -> None:
        self._judge(capture, None)

    def _judge(self, capture: Capture, problem: str | None) -> None:
        it = (table.c.url == capture.url) & (table.c.taken_at == capture.taken_at)
        with self._database.writing() as connection:
            connection.execute(update(table).where(it).values(problem=problem))

    def latest(self, url: str) -> Capture | None:
        return self._newest((table.c.url == url) & (table.c.status == 200) & table.c.problem.is_(None))

    def missing(self, url: str) -> Capture | None:
        return self._newest((table.c.url == url) & table.c.status.in_((404, 410)))

    def _newest(self, wanted: ColumnElement[bool]) -> Capture | None:
        newest = select(*_COLUMNS).where(wanted).order_by(table.c.taken_at.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else Capture._make(row)

    def of_source(self, source: str, first_day: date | None = None, last_day: date | None = None) -> Iterator[Capture]:
        query = select(table.c.id, *_COLUMNS).where(table.c.source == source)
        if first_day is not None:
            query = query.where(table.c.taken_at >= _begin_of(first_day))
        if last_day is not None:
            query = query.where(table.c.taken_at < _begin_of(last_day + timedelta(days=1)))
        return self._in_order(query)

    def _in_order(self, query: Select[tuple[object, ...]]) -> Iterator[Capture]:
        """Some at a time, so that no transaction is open while the caller is at work."""
        order = (table.c.taken_at, table.c.id)
        query = query.order_by(*order).limit(_AT_ONCE)
        some = query
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(some).all()
            yield from (Capture._make(row[1:]) for row in rows)
            if len(rows) < _AT_ONCE:
                return
            some = query.where(tuple_(*order) > tuple_(rows[-1].taken_at, rows[-1].id))


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
