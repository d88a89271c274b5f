"""The two chains as they are stored, for proving them: of each value its bare form, read as strictly as it was written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

from sqlalchemy import DateTime, Table, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import forecast_row, instant_from, settlement_row
from matchcast.adapters.database.tables import Instant, forecasts, settlements
from matchcast.domain.forecast import LedgerRow
from matchcast.domain.settlement import SettlementRow
from matchcast.ports.chains import Settled, Unreadable

Row = TypeVar("Row", LedgerRow, SettlementRow)

_ROWS_AT_ONCE: Final = 2_000
_LOWEST: Final = -(2**63)
_FLAG: Final = "kickoff_known"


class SqlChains:
    """The `Chains` port. Each portion is read in a transaction of its own: what is there is never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_forecast = _Reader.of(forecasts, forecast_row)
        self._read_settlement = _Reader.of(settlements, settlement_row)
        self._forecast = _columns(forecasts, "f", is_sqlite=database.is_sqlite)
        self._settlement = _columns(settlements, "s", is_sqlite=database.is_sqlite)

    def forecasts(self) -> Iterator[Sequence[LedgerRow | Unreadable]]:
        for values in self._portions(f"SELECT {self._forecast} FROM forecasts f", "f.forecast_id"):
            yield [self._read_forecast.read(row) for row in values]

    def settlements(self) -> Iterator[Sequence[Settled]]:
        joined = (
            f"SELECT {self._settlement}, {self._forecast}"
            " FROM settlements s LEFT JOIN forecasts f ON f.forecast_id = s.forecast_id"
        )
        own = len(settlements.columns)
        for values in self._portions(joined, "s.settlement_id"):
            yield [
                Settled(
                    self._read_settlement.read(row[:own]),
                    None if row[own] is None else self._read_forecast.read(row[own:]),
                )
                for row in values
            ]

    def _portions(self, query: str, key: str) -> Iterator[Sequence[Sequence[Any]]]:
        statement = text(f"{query} WHERE {key} > :after ORDER BY {key} LIMIT {_ROWS_AT_ONCE}")
        after = _LOWEST
        while True:
            with self._database.reading() as connection:
                found = connection.execute(statement, {"after": after}).all()
            if found:
                yield found
            if len(found) < _ROWS_AT_ONCE:
                return
            after = found[-1][0]


def _columns(table: Table, alias: str, *, is_sqlite: bool) -> str:
    """Every column in order, instants as SQLite holds them."""
    return ", ".join(
        f"to_char({alias}.{column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
        if isinstance(column.type, Instant | DateTime) and not is_sqlite
        else f"{alias}.{column.name}"
        for column in table.columns
    )


@dataclass(frozen=True, slots=True)
class _Reader(Generic[Row]):
    """Reads rows of a table, each value in its bare form.

    Attributes:
        names: of the columns.
        instants: the names of those that hold instants.
        needs_flag: whether `kickoff_known` must be there.
    """

    build: Callable[[Mapping[str, Any]], Row]
    names: Sequence[str]
    instants: Sequence[str]
    needs_flag: bool

    @classmethod
    def of(cls, table: Table, build: Callable[[Mapping[str, Any]], Row]) -> Self:
        instants = [column.name for column in table.columns if isinstance(column.type, Instant)]
        return cls(build, list(table.columns.keys()), instants, not table.c[_FLAG].nullable)

    def read(self, row: Sequence[Any]) -> Row | Unreadable:
        values = dict(zip(self.names, row, strict=True))
        name = _FLAG
        try:
            _check_flag(values[_FLAG], needed=self.needs_flag)
            for name in self.instants:
                values[name] = _instant(values[name])
        except ValueError as error:
            return Unreadable(row[0], f"{name} cannot be read: {error}")
        try:
            return self.build(values)
        except (ValueError, TypeError) as error:
            return Unreadable(row[0], f"it cannot be read: {error}")


def _check_flag(value: Any, *, needed: bool) -> None:
    if value not in (None, 0, 1) or (needed and value is None):
        raise ValueError(f"{value!r} is neither true nor false")


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no instant")
    return instant_from(value)
