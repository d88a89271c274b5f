"""What the metrics read from the database, and the counts that are kept there for them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, case, exists, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import (
    dead_events,
    drift_reports,
    forecasts,
    metric_totals,
    settlements,
    tasks,
)
from matchcast.domain.match import MatchStatus, Outcome
from matchcast.ports.events import TaskState
from matchcast.ports.metrics import Counted, Counts, Drifted, Forecasts, Settled, Stored

ROWS_AT_ONCE: Final = 200_000
"""Rows of the ledger that one reading counts at most."""
COUNTED_AFTER: Final = 2_000
"""So many rows of the ledger are counted anew at each reading, before their number is kept."""
_COUNTED: Final = "ledger_rows_counted"
_BY_CAUSE: Final = "ledger_rows"
_OWN: Final = frozenset({_COUNTED, _BY_CAUSE})


class SqlMetricStore:
    """The `MetricStore` port.

    Args:
        rows_at_once, counted_after: see the constants.
    """

    def __init__(
        self, database: Database, rows_at_once: int = ROWS_AT_ONCE, counted_after: int = COUNTED_AFTER
    ) -> None:
        self._database = database
        self._rows_at_once = rows_at_once
        self._counted_after = counted_after

    def add(self, counts: Counts) -> None:
        if counts:
            with self._database.writing() as connection:
                self._add(connection, counts)

    def read(self, now: datetime, window: timedelta) -> Stored:
        self._count_ledger()
        with self._database.reading() as connection:
            kept = _totals(connection)
            return Stored(
                {counted: value for counted, value in kept.items() if counted.name not in _OWN},
                self._forecasts(connection, kept),
                _drifted(connection),
                _settled(connection, now - window, now),
                _dead_letters(connection),
                _tasks(connection),
                _scraped_at(connection),
            )

    def _count_ledger(self) -> None:
        """Keep how many rows there are of each cause and outcome, as far as one reading may count."""
        with self._database.reading() as connection:
            counted = _totals(connection).get(Counted(_COUNTED), 0)
            last = _last_row(connection)[0]
            if last - counted < self._counted_after:
                return
            upto = min(last, int(counted) + self._rows_at_once)
            found = _by_cause(connection, counted, upto)
        with self._database.writing() as connection:
            if counted == 0:
                self._add(connection, {Counted(_COUNTED): 0})
            this = (metric_totals.c.name == _COUNTED) & (metric_totals.c.value == counted)
            if connection.execute(update(metric_totals).where(this).values(value=upto)).rowcount == 1:
                self._add(connection, {_named(*of): float(rows) for of, rows in found.items()})
            # else another process has counted meanwhile

    def _forecasts(self, connection: Connection, kept: Counts) -> Forecasts:
        rows, last_at = _last_row(connection)
        counted = kept.get(Counted(_COUNTED), 0)
        if rows - counted >= self._rows_at_once:
            return Forecasts(rows, last_at, None)
        found = dict(_by_cause(connection, counted, rows))
        for (name, labels), value in kept.items():
            if name == _BY_CAUSE:
                told = dict(labels)
                of = (told["cause"], Outcome[told["outcome"]])
                found[of] = found.get(of, 0) + int(value)
        return Forecasts(rows, last_at, found)

    def _add(self, connection: Connection, counts: Counts) -> None:
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        rows = [
            # in the order of the key: of two that add at once, none waits for the other while it is waited for
            {"name": counted.name, "labels": json.dumps(dict(counted.labels), sort_keys=True), "value": value}
            for counted, value in sorted(counts.items())
        ]
        new = insert(metric_totals)
        added = {"value": metric_totals.c.value + new.excluded.value}
        connection.execute(new.on_conflict_do_update(index_elements=["name", "labels"], set_=added), rows)


def _totals(connection: Connection) -> dict[Counted, float]:
    rows = connection.execute(select(metric_totals.c.name, metric_totals.c.labels, metric_totals.c.value))
    return {Counted(row.name, tuple(sorted(json.loads(row.labels).items()))): row.value for row in rows}


def _named(cause: str, outcome: Outcome) -> Counted:
    return Counted(_BY_CAUSE, (("cause", cause), ("outcome", outcome.name)))


def _last_row(connection: Connection) -> tuple[int, datetime | None]:
    """Number and time of the ledger's last row; ids count from 1 without gaps."""
    of = forecasts.c
    row = connection.execute(select(of.forecast_id, of.recorded_at).order_by(of.forecast_id.desc()).limit(1)).first()
    return (0, None) if row is None else (row.forecast_id, row.recorded_at)


def _by_cause(connection: Connection, after: float, upto: int) -> Mapping[tuple[str, Outcome], int]:
    of = forecasts.c
    home = and_(of.home_prob >= of.draw_prob, of.home_prob >= of.away_prob)
    likeliest = case((home, 0), (of.draw_prob >= of.away_prob, 1), else_=2).label("likeliest")
    inside = (of.forecast_id > int(after)) & (of.forecast_id <= upto)
    query = select(of.cause, likeliest, func.count().label("rows")).where(inside)
    found = connection.execute(query.group_by(of.cause, literal_column("likeliest")))
    return {(row.cause, Outcome(row.likeliest)): row.rows for row in found}


def _drifted(connection: Connection) -> Drifted | None:
    of = drift_reports.c
    query = select(of.checked_at, of.score, of.threshold, of.prediction_score)
    row = connection.execute(query.order_by(of.checked_at.desc(), of.report_id).limit(1)).first()
    return None if row is None else Drifted(*row)


def _settled(connection: Connection, begins: datetime, ends: datetime) -> Settled:
    later = settlements.alias("later")
    of = settlements.c
    is_last = ~exists().where(later.c.match_id == of.match_id, later.c.revision > of.revision)
    inside = (of.kickoff_at > begins) & (of.kickoff_at <= ends) & (of.status == MatchStatus.FINISHED.value)
    means = (func.avg(column) for column in (of.log_loss, of.rps, of.brier))
    return Settled(*connection.execute(select(func.count(), *means).where(is_last, inside)).one())


def _dead_letters(connection: Connection) -> Mapping[tuple[str, str], int]:
    of = dead_events.c
    query = select(of.broker, func.count().label("letters")).where(of.replayed_at.is_(None))
    return {(row.broker, ""): row.letters for row in connection.execute(query.group_by(of.broker))}


def _tasks(connection: Connection) -> Mapping[tuple[str, str], int]:
    query = select(tasks.c.kind, tasks.c.state, func.count().label("of_them"))
    rows = connection.execute(query.group_by(tasks.c.kind, tasks.c.state))
    return {(row.kind, row.state): row.of_them for row in rows}


def _scraped_at(connection: Connection) -> datetime | None:
    succeeded = (tasks.c.kind == "scrape") & (tasks.c.state == TaskState.SUCCESS.value)
    found: Any = connection.execute(select(func.max(tasks.c.updated_at)).where(succeeded)).scalar()
    return found if isinstance(found, datetime) else None
