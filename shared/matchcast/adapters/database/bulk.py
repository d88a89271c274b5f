"""Many rows in, fast: executemany on SQLite, COPY into a temporary table on PostgreSQL."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from enum import Enum
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Table, func, select, text

from matchcast.adapters.database.records import instant_text
from matchcast.ports import Progress, UpsertCount

Row = Sequence[Any]

_ROWS_BETWEEN_REPORTS: Final = 8192


class Conflict(Enum):
    """What becomes of a row whose key is already there: the value each column takes, and on which condition."""

    TOLD_WINS = "COALESCE(excluded.{0}, {1}.{0})", "TRUE"
    """Each value told replaces the stored one; what is not told stays."""

    FILL_GAPS = "COALESCE({1}.{0}, excluded.{0})", "TRUE"
    """Only values that were unknown are taken."""

    KEEP = "", ""
    """The stored row stays."""

    STANDING_PRICE = (
        "excluded.{0}",
        "{1}.moment = 'closing' OR {1}.taken_at IS NULL OR excluded.taken_at < {1}.taken_at",
    )
    """A price replaces the one that it stands over (`domain.prices`)."""

    OTHERS_PRICE = (
        "excluded.{0}",
        "({1}.moment = 'opening' AND excluded.taken_at IS NOT NULL"
        " AND ({1}.taken_at IS NULL OR excluded.taken_at < {1}.taken_at))"
        " OR ({1}.source = excluded.source AND ({1}.moment = 'closing' OR {1}.taken_at IS NULL))",
    )
    """Of another source's price, only an opening one not known to be as early is replaced; of its own, as above."""

    def __init__(self, value: str, condition: str) -> None:
        self.of_column = value
        self.condition = condition


class Tally:
    """Counts rows as they pass, over several statements, and tells every so many.

    Args:
        of: how many are to pass.
    """

    def __init__(self, of: int, progress: Progress) -> None:
        self._of = of
        self._progress = progress
        self._passed = 0

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        source = iter(rows)
        while chunk := list(islice(source, _ROWS_BETWEEN_REPORTS)):
            yield from chunk
            self._passed += len(chunk)
            self._progress(self._passed, self._of)


def insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Add rows that are known to be new.

    Args:
        rows: values in the order of the table's columns.
    """
    if connection.dialect.name == "sqlite":
        _executemany(connection, _insert_values(table), rows)
    else:
        _copy(connection, table.name, table, rows)


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], conflict: Conflict, tally: Tally | None = None
) -> UpsertCount:
    """Add rows or bring those with the same primary key up to date; no key may come twice.

    Args:
        rows: values in the order of the table's columns.
    """
    if not rows:
        return UpsertCount(0, 0, 0)
    count = select(func.count()).select_from(table)
    before = connection.execute(count).scalar_one()
    counted = rows if tally is None else tally.passing(rows)
    rule = _on_conflict(table, conflict)
    if connection.dialect.name == "sqlite":
        written = _executemany(connection, f"{_insert_values(table)} {rule}", counted)
    else:
        staged, columns = f"staged_{table.name}", _columns(table)
        connection.execute(text(f"CREATE TEMPORARY TABLE {staged} (LIKE {table.name}) ON COMMIT DROP"))
        _copy(connection, staged, table, counted)
        result = connection.execute(text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {staged} {rule}"))
        written = result.rowcount
        connection.execute(text(f"DROP TABLE {staged}"))
    inserted = connection.execute(count).scalar_one() - before
    return UpsertCount(inserted, written - inserted, len(rows) - written)


class DriverValues(NamedTuple):
    """How the driver below takes instants and days."""

    instant: Callable[[datetime], Any]
    day: Callable[[date], Any]


def driver_values(connection: Connection) -> DriverValues:
    """SQLite holds instants and days as text; PostgreSQL takes them as they are."""
    if connection.dialect.name == "sqlite":
        return DriverValues(instant_text, date.isoformat)
    return DriverValues(lambda instant: instant, lambda day: day)


def _insert_values(table: Table) -> str:
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({', '.join('?' * len(table.columns))})"


def _columns(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


def _on_conflict(table: Table, conflict: Conflict) -> str:
    key = ", ".join(column.name for column in table.primary_key)
    if conflict is Conflict.KEEP:
        return f"ON CONFLICT ({key}) DO NOTHING"
    merged = {c.name: conflict.of_column.format(c.name, table.name) for c in table.columns if not c.primary_key}
    assignments = ", ".join(f"{name} = {value}" for name, value in merged.items())
    changed = " OR ".join(f"{table.name}.{name} IS DISTINCT FROM {value}" for name, value in merged.items())
    condition = conflict.condition.format("", table.name)
    return f"ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE ({changed}) AND ({condition})"


def _executemany(connection: Connection, statement: str, rows: Iterable[Row]) -> int:
    cursor: Any = connection.connection.cursor()
    try:
        cursor.executemany(statement, rows)
        return max(int(cursor.rowcount), 0)
    finally:
        cursor.close()


def _copy(connection: Connection, target: str, table: Table, rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {target} ({_columns(table)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
