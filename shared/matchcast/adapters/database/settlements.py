"""Forecasts that met their results."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Row, Select, and_, exists, func, insert, or_, select, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import LAST_REVISION, settlement_row, settlement_values
from matchcast.adapters.database.tables import forecasts, matches, odds, settlements
from matchcast.domain.forecast import GENESIS_HASH, Cause, Probabilities
from matchcast.domain.match import MatchStatus, OddsMoment
from matchcast.domain.settlement import Settlement, SettlementRow, chained_settlements
from matchcast.ports.scores import Heads, LockedForecast, Standing

_LOCK: Final = 0x736574746C65
_AT_ONCE: Final = 5_000
_DAY: Final = timedelta(days=1)
_ADD: Final = insert(settlements)
_END_OF_CHAIN: Final = (
    select(settlements.c.settlement_id, settlements.c.hash).order_by(settlements.c.settlement_id.desc()).limit(1)
)
_NOT_FINISHED: Final = text(f"matches.status <> {MatchStatus.FINISHED.value}")
"""As the partial index says it: a parameter in it would hide the index."""
_LAST: Final = text(LAST_REVISION)


class SqlSettlements:
    """The `Settlements` and `SettledMatches` ports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wait(self) -> None:
        with self._database.writing() as connection:
            if not self._database.is_sqlite:  # there, whoever writes has the database to himself
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})

    def due(self, since: datetime, bookmakers: Sequence[str]) -> Sequence[int]:
        finished = matches.c.status == MatchStatus.FINISHED.value
        unsettled = select(matches.c.id).where(
            matches.c.kickoff_at > since, finished, ~exists().where(settlements.c.match_id == matches.c.id)
        )
        last = select(matches.c.id).join(settlements, settlements.c.match_id == matches.c.id).where(_LAST)
        otherwise = last.where(
            finished,
            or_(
                *(
                    matches.c[name].is_distinct_from(settlements.c[name])
                    for name in ("home_goals", "away_goals", "kickoff_at", "kickoff_known")
                )
            ),
        )
        priced = last.join(odds, odds.c.match_id == matches.c.id).where(
            settlements.c.kickoff_at > since,
            finished,
            settlements.c.home_goals.is_not(None),
            settlements.c.market_bookmaker.is_(None),
            odds.c.moment == OddsMoment.CLOSING.value,
            odds.c.bookmaker.in_(bookmakers),
        )
        queries = (
            unsettled,
            otherwise.where(matches.c.kickoff_at > since),
            otherwise.where(settlements.c.kickoff_at > since),
            priced,
            last.where(_NOT_FINISHED, settlements.c.home_goals.is_not(None)),
        )
        with self._database.reading() as connection:
            # matches first: few of them are due, and the ledger is long
            return sorted({match_id for query in queries for match_id in connection.execute(query).scalars()})

    def locked(self, match_ids: Sequence[int]) -> Sequence[LockedForecast]:
        found: list[LockedForecast] = []
        with self._database.reading() as connection:
            for some in _portions(match_ids):
                found += map(_locked, connection.execute(self._locked(forecasts.c.match_id.in_(some))))
        return sorted(found, key=lambda forecast: forecast.match_id)

    def standings(self, match_ids: Sequence[int]) -> Mapping[int, Standing]:
        of = select(matches.c.id, matches.c.status, matches.c.kickoff_at, matches.c.kickoff_known)
        found = {}
        with self._database.reading() as connection:
            for some in _portions(match_ids):
                for row in connection.execute(of.where(matches.c.id.in_(some))):
                    found[row.id] = Standing(MatchStatus(row.status), row.kickoff_at, row.kickoff_known)
        return found

    def last(self, match_ids: Sequence[int]) -> Mapping[int, Settlement]:
        found = {}
        with self._database.reading() as connection:
            for some in _portions(match_ids):
                for row in connection.execute(select(settlements).where(_LAST, settlements.c.match_id.in_(some))):
                    found[row.match_id] = _settlement(row)
        return found

    def of(self, match_id: int) -> Sequence[SettlementRow]:
        query = select(settlements).where(settlements.c.match_id == match_id).order_by(settlements.c.revision)
        with self._database.reading() as connection:
            return [settlement_row(row._asdict()) for row in connection.execute(query)]

    def add(self, settled: Sequence[Settlement]) -> None:
        if not settled:
            return
        with self._database.writing() as connection:
            last = connection.execute(_END_OF_CHAIN).one_or_none()
            end = (0, GENESIS_HASH) if last is None else (last.settlement_id, last.hash)
            connection.execute(_ADD, [settlement_values(row) for row in chained_settlements(settled, *end)])

    def since(self, kickoff_after: datetime) -> Sequence[Settlement]:
        query = select(settlements).where(
            _LAST, settlements.c.kickoff_at > kickoff_after, settlements.c.home_goals.is_not(None)
        )
        order = (settlements.c.kickoff_at, settlements.c.match_id)
        with self._database.reading() as connection:
            return [_settlement(row) for row in connection.execute(query.order_by(*order))]

    def heads(self) -> Heads:
        ends = (
            select(chain.c.hash).order_by(key.desc()).limit(1)
            for chain, key in ((forecasts, forecasts.c.forecast_id), (settlements, settlements.c.settlement_id))
        )
        with self._database.reading() as connection:
            return Heads(*(connection.execute(end).scalar_one_or_none() or GENESIS_HASH for end in ends))

    def _locked(self, which: ColumnElement[bool]) -> Select[Any]:
        last = (
            select(forecasts.c.match_id, func.max(forecasts.c.forecast_id).label("forecast_id"))
            .join(matches, matches.c.id == forecasts.c.match_id)
            .where(
                which,
                matches.c.status == MatchStatus.FINISHED.value,
                matches.c.home_goals.is_not(None),
                matches.c.away_goals.is_not(None),
                forecasts.c.cause != Cause.COMPARED.value,
                self._before_kickoff(),
            )
            .group_by(forecasts.c.match_id)
            .subquery()
        )
        return (
            select(
                matches.c.id,
                matches.c.kickoff_at,
                matches.c.kickoff_known,
                matches.c.home_goals,
                matches.c.away_goals,
                forecasts.c.forecast_id,
                forecasts.c.tournament,
                forecasts.c.model_version,
                forecasts.c.home_prob,
                forecasts.c.draw_prob,
                forecasts.c.away_prob,
            )
            .join_from(last, matches, matches.c.id == last.c.match_id)
            .join(forecasts, forecasts.c.forecast_id == last.c.forecast_id)
        )

    def _before_kickoff(self) -> ColumnElement[bool]:
        """As `domain.forecast.in_time`."""
        of = forecasts.c
        day_over: ColumnElement[Any]
        if self._database.is_sqlite:
            day_over = func.strftime("%Y-%m-%d 00:00:00.000000", matches.c.kickoff_at, "+1 day")
        else:
            day_over = func.date_trunc("day", matches.c.kickoff_at, "UTC", type_=DateTime(timezone=True)) + _DAY
        return or_(
            and_(matches.c.kickoff_known, of.as_of <= matches.c.kickoff_at, of.recorded_at < matches.c.kickoff_at),
            and_(~matches.c.kickoff_known, of.as_of <= day_over, of.recorded_at < day_over),
        )


def _locked(row: Row[Any]) -> LockedForecast:
    return LockedForecast(
        row.id,
        row.forecast_id,
        row.tournament,
        row.model_version,
        Probabilities(row.home_prob, row.draw_prob, row.away_prob),
        row.kickoff_at,
        row.kickoff_known,
        row.home_goals,
        row.away_goals,
    )


def _portions(match_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(match_ids), _AT_ONCE):
        yield match_ids[start : start + _AT_ONCE]


def _settlement(row: Row[Any]) -> Settlement:
    return settlement_row(row._asdict()).settlement
