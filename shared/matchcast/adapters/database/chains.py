"""The two chains as they are stored, for proving them: of each value its bare form, read as strictly as it was written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

from sqlalchemy import Boolean, Column, Connection, Double, Table, Text, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import forecast_row, instant_from, settlement_row
from matchcast.adapters.database.tables import Instant, forecasts, settlements
from matchcast.domain.forecast import LedgerRow
from matchcast.domain.settlement import SettlementRow
from matchcast.ports.chains import Settled, Unreadable

Row = TypeVar("Row", LedgerRow, SettlementRow)

_ROWS_AT_ONCE: Final = 2_000
_EARLIER: Final = (
    "(SELECT count(*) FROM settlements e WHERE e.match_id = s.match_id AND e.settlement_id < s.settlement_id)"
)
_TOLD: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


class SqlChains:
    """The `Chains` port. Each portion is read in a transaction of its own: what is there is never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_forecast = _Reader.of(forecasts, forecast_row, is_sqlite=database.is_sqlite)
        self._read_settlement = _Reader.of(settlements, settlement_row, is_sqlite=database.is_sqlite)
        self._forecast = _columns(forecasts, "f", is_sqlite=database.is_sqlite)
        self._settlement = _columns(settlements, "s", is_sqlite=database.is_sqlite)

    def forecasts(self) -> Iterator[Sequence[LedgerRow | Unreadable]]:
        for _, rows in self._portions(f"SELECT {self._forecast} FROM forecasts f", "f.forecast_id"):
            yield [self._read_forecast.read(row) for row in rows]

    def settlements(self) -> Iterator[Sequence[Settled]]:
        joined = (
            f"SELECT {self._settlement}, {_EARLIER}, {self._forecast}"
            " FROM settlements s LEFT JOIN forecasts f ON f.forecast_id = s.forecast_id"
        )
        own = len(settlements.columns)
        for connection, rows in self._portions(joined, "s.settlement_id"):
            later = self._later(connection, rows[0][0], rows[-1][0])
            yield [
                Settled(
                    self._read_settlement.read(row[:own]),
                    row[own],
                    None if row[own + 1] is None else self._read_forecast.read(row[own + 1 :]),
                    later.get(row[0], ()),
                )
                for row in rows
            ]

    def _later(self, connection: Connection, first: int, last: int) -> Mapping[int, Sequence[LedgerRow]]:
        """By settlement, the forecasts of its match that follow the one it names; what cannot be read shows in its own chain."""
        query = text(
            f"SELECT s.settlement_id, {self._forecast} FROM settlements s"
            " JOIN forecasts f ON f.match_id = s.match_id AND f.forecast_id > s.forecast_id"
            " WHERE s.settlement_id BETWEEN :first AND :last"
        )
        found: dict[int, list[LedgerRow]] = {}
        for row in connection.execute(query, {"first": first, "last": last}):
            forecast = self._read_forecast.read(row[1:])
            if isinstance(forecast, LedgerRow):
                found.setdefault(row[0], []).append(forecast)
        return found

    def _portions(self, query: str, key: str) -> Iterator[tuple[Connection, Sequence[Sequence[Any]]]]:
        ordered = f"ORDER BY {key} LIMIT {_ROWS_AT_ONCE}"
        statement = text(f"{query} {ordered}")
        limits: dict[str, int] = {}
        while True:
            with self._database.reading() as connection, _any_text(connection):
                found = connection.execute(statement, limits).all()
                if found:
                    yield connection, found
            if len(found) < _ROWS_AT_ONCE:
                return
            statement, limits = text(f"{query} WHERE {key} > :after {ordered}"), {"after": found[-1][0]}


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Let SQLite give text that is no UTF-8, bad bytes as lone surrogates, which no hash of ours was made of."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _columns(table: Table, alias: str, *, is_sqlite: bool) -> str:
    """Every column in order, instants as SQLite holds them; those before our era keep its name, which nothing of ours writes."""
    return ", ".join(
        f"replace(to_char({alias}.{column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US AD'), ' AD', '')"
        if isinstance(column.type, Instant) and not is_sqlite
        else f"{alias}.{column.name}"
        for column in table.columns
    )


@dataclass(frozen=True, slots=True)
class _Field:
    """What a column holds in its bare form."""

    name: str
    kind: type
    nullable: bool
    instant: bool

    @classmethod
    def of(cls, column: Column[Any], *, is_sqlite: bool) -> Self:
        kind: type = int
        if isinstance(column.type, Instant | Text):
            kind = str
        elif isinstance(column.type, Double):
            kind = float
        elif isinstance(column.type, Boolean) and not is_sqlite:
            kind = bool
        return cls(column.name, kind, bool(column.nullable), isinstance(column.type, Instant))

    def read(self, value: Any) -> Any:
        if value is None and self.nullable:
            return None
        if type(value) is not self.kind:
            raise ValueError(f"{value!r} is not {_TOLD[self.kind]}")
        return instant_from(str(value)) if self.instant else value


@dataclass(frozen=True, slots=True)
class _Reader(Generic[Row]):
    """Reads rows of a table, each value in its bare form and of its column's type only."""

    build: Callable[[Mapping[str, Any]], Row]
    fields: Sequence[_Field]

    @classmethod
    def of(cls, table: Table, build: Callable[[Mapping[str, Any]], Row], *, is_sqlite: bool) -> Self:
        return cls(build, [_Field.of(column, is_sqlite=is_sqlite) for column in table.columns])

    def read(self, row: Sequence[Any]) -> Row | Unreadable:
        values: dict[str, Any] = {}
        for field, value in zip(self.fields, row, strict=True):
            try:
                values[field.name] = field.read(value)
            except ValueError as error:
                return Unreadable(row[0], f"{field.name} cannot be read: {error}")
        if values["kickoff_known"] not in (None, 0, 1):
            return Unreadable(row[0], f"kickoff_known cannot be read: {values['kickoff_known']!r} is neither 0 nor 1")
        try:
            return self.build(values)
        except ValueError as error:
            return Unreadable(row[0], f"it cannot be read: {error}")
