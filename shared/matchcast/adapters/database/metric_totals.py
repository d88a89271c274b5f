"""What the metrics read from the database, and the counts that are kept there for them; by the driver alone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from matchcast.adapters.database.light import LightDatabase, Statements
from matchcast.adapters.database.records import LAST_REVISION, LIKELIEST, instant_from, instant_text
from matchcast.domain.match import Outcome
from matchcast.ports.events import TaskState
from matchcast.ports.feeds import TURNED_AWAY
from matchcast.ports.metrics import Counted, Counts, Drifted, Forecasts, Settled, Stored

ROWS_AT_ONCE: Final = 200_000
"""Rows of the ledger that one reading counts at most."""
COUNTED_AFTER: Final = 2_000
"""So many rows of the ledger are counted anew at each reading, before their number is kept."""

_COUNTED: Final = Counted("ledger_rows_counted")
_BY_CAUSE: Final = "ledger_rows"
_LAST_SCRAPE: Final = Counted("last_scrape_at_seconds")
_OWN: Final = frozenset({_COUNTED.name, _BY_CAUSE, _LAST_SCRAPE.name})

_TOTALS: Final = "SELECT name, labels, value FROM metric_totals"
_ADD: Final = (
    "INSERT INTO metric_totals (name, labels, value) VALUES (?, ?, ?)"
    " ON CONFLICT (name, labels) DO UPDATE SET value = metric_totals.value + excluded.value"
)
_RAISE: Final = (
    "INSERT INTO metric_totals (name, labels, value) VALUES (?, ?, ?)"
    " ON CONFLICT (name, labels) DO UPDATE SET value = excluded.value WHERE excluded.value > metric_totals.value"
)
_ADVANCE: Final = "UPDATE metric_totals SET value = ? WHERE name = ? AND labels = ? AND value = ? RETURNING value"
_LAST_ROW: Final = "SELECT forecast_id, recorded_at FROM forecasts ORDER BY forecast_id DESC LIMIT 1"
_LEDGER: Final = (
    f"SELECT cause, {LIKELIEST} AS likeliest, count(*)"
    " FROM forecasts WHERE forecast_id > ? AND forecast_id <= ? GROUP BY 1, 2"
)
_DRIFT: Final = (
    "SELECT checked_at, score, threshold, prediction_score FROM drift_reports"
    " ORDER BY checked_at DESC, report_id LIMIT 1"
)
_SETTLED: Final = (
    "SELECT count(*), avg(log_loss), avg(rps), avg(brier) FROM settlements"
    f" WHERE kickoff_at > ? AND kickoff_at <= ? AND home_goals IS NOT NULL AND {LAST_REVISION}"
)
_LETTERS: Final = (
    "SELECT broker, coalesce(\"trigger\", ''), count(*) FROM dead_events WHERE replayed_at IS NULL GROUP BY 1, 2"
)
_TASKS: Final = "SELECT kind, state, count(*) FROM tasks GROUP BY kind, state"
_SCRAPED: Final = "SELECT max(updated_at) FROM tasks WHERE kind = ? AND state = ?"


_LEFT_ALONE: Final = "SELECT source, until FROM cool_downs"
_NOT_READ: Final = (
    "SELECT source, count(*) FROM captures WHERE problem IS NOT NULL AND taken_at > ? AND taken_at <= ?"
    f" AND substr(problem, 1, {len(TURNED_AWAY)}) <> '{TURNED_AWAY}' GROUP BY source"
)
_NOT_READ_WITHIN: Final = timedelta(days=1)


class LightMetricStore:
    """The `MetricStore` port.

    Args:
        rows_at_once, counted_after: see the constants.
    """

    def __init__(
        self, database: LightDatabase, rows_at_once: int = ROWS_AT_ONCE, counted_after: int = COUNTED_AFTER
    ) -> None:
        self._database = database
        self._rows_at_once = rows_at_once
        self._counted_after = counted_after

    def add(self, counts: Counts) -> None:
        if counts:
            with self._database.writing() as statements:
                _add(statements, counts)

    def reach(self) -> None:
        with self._database.reading() as statements:
            statements.rows("SELECT 1")

    def read(self, now: datetime, window: timedelta) -> Stored:
        self._count_ledger()
        self._keep_last_scrape()
        with self._database.reading() as statements:
            kept = _totals(statements)
            return Stored(
                {counted: value for counted, value in kept.items() if counted.name not in _OWN},
                self._forecasts(statements, kept),
                _drifted(statements),
                self._settled(statements, now - window, now),
                {(broker, trigger): letters for broker, trigger, letters in statements.rows(_LETTERS)},
                {(kind, state): tasks for kind, state, tasks in statements.rows(_TASKS)},
                datetime.fromtimestamp(kept[_LAST_SCRAPE], UTC) if _LAST_SCRAPE in kept else None,
                _left_alone(statements),
                dict(statements.rows(_NOT_READ, self._limits(now - _NOT_READ_WITHIN, now))),
            )

    def _count_ledger(self) -> None:
        """Keep how many rows there are of each cause and outcome, as far as one reading may count."""
        with self._database.reading() as statements:
            counted = int(_totals(statements).get(_COUNTED, 0))
            last, _ = _last_row(statements)
            if last - counted < self._counted_after:
                return
            upto = min(last, counted + self._rows_at_once)
            found = _by_cause(statements, counted, upto)
        with self._database.writing() as statements:
            if counted == 0:
                _add(statements, {_COUNTED: 0})
            if statements.rows(_ADVANCE, (float(upto), _COUNTED.name, "{}", float(counted))):
                _add(statements, {_named(*of): rows for of, rows in found.items()})
            # else another process has counted them meanwhile

    def _keep_last_scrape(self) -> None:
        """Keep when the last scrape succeeded, longer than its task is kept."""
        with self._database.reading() as statements:
            at = _instant(statements.rows(_SCRAPED, ("scrape", TaskState.SUCCESS.value))[0][0])
            if at is None or at.timestamp() <= _totals(statements).get(_LAST_SCRAPE, 0):
                return
        with self._database.writing() as statements:
            statements.run(_RAISE, [(_LAST_SCRAPE.name, "{}", at.timestamp())])

    def _forecasts(self, statements: Statements, kept: Counts) -> Forecasts:
        rows, last_at = _last_row(statements)
        counted = int(kept.get(_COUNTED, 0))
        if rows - counted > self._rows_at_once:
            return Forecasts(rows, last_at, None)
        found = dict(_by_cause(statements, counted, rows))
        for (name, labels), value in kept.items():
            if name == _BY_CAUSE:
                told = dict(labels)
                of = (told["cause"], Outcome[told["outcome"]])
                found[of] = found.get(of, 0) + int(value)
        return Forecasts(rows, last_at, found)

    def _settled(self, statements: Statements, begins: datetime, ends: datetime) -> Settled:
        return Settled(*statements.rows(_SETTLED, self._limits(begins, ends))[0])

    def _limits(self, *instants: datetime) -> list[Any]:
        return [instant_text(at) if self._database.is_sqlite else at for at in instants]


def _add(statements: Statements, counts: Counts) -> None:
    # in the order of the key: of two that add at once, neither waits for what waits for it
    rows = [(c.name, json.dumps(dict(c.labels), sort_keys=True), float(value)) for c, value in sorted(counts.items())]
    statements.run(_ADD, rows)


def _left_alone(statements: Statements) -> dict[str, datetime]:
    ends = ((source, _instant(until)) for source, until in statements.rows(_LEFT_ALONE))
    return {source: until for source, until in ends if until is not None}


def _totals(statements: Statements) -> dict[Counted, float]:
    rows = statements.rows(_TOTALS)
    return {Counted(name, tuple(sorted(json.loads(labels).items()))): value for name, labels, value in rows}


def _named(cause: str, outcome: Outcome) -> Counted:
    return Counted(_BY_CAUSE, (("cause", cause), ("outcome", outcome.name)))


def _last_row(statements: Statements) -> tuple[int, datetime | None]:
    """Number and time of the ledger's last row; ids count from 1 without gaps."""
    found = statements.rows(_LAST_ROW)
    return (found[0][0], _instant(found[0][1])) if found else (0, None)


def _by_cause(statements: Statements, after: int, upto: int) -> Mapping[tuple[str, Outcome], int]:
    return {(cause, Outcome(likeliest)): rows for cause, likeliest, rows in statements.rows(_LEDGER, (after, upto))}


def _drifted(statements: Statements) -> Drifted | None:
    found = statements.rows(_DRIFT)
    if not found:
        return None
    checked_at = _instant(found[0][0])
    assert checked_at is not None
    return Drifted(checked_at, *found[0][1:])


def _instant(value: Any) -> datetime | None:
    """As ports hold it; SQLite gives the text."""
    if isinstance(value, str):
        return instant_from(value)
    return None if value is None else value.astimezone(UTC)
