"""Settled forecasts, added up by the database: what comes out is as long as there are groups, not matches."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    union_all,
)

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import LAST_REVISION, LIKELIEST
from matchcast.adapters.database.tables import settlements
from matchcast.domain.forecast import GENESIS_HASH
from matchcast.domain.match import Outcome
from matchcast.ports.accuracy import FINE_BINS, BinSums, Group, ScoreSums, SettledFilter, SettledSums, Sums

_OF: Final = settlements.c
_SCORES: Final = ((_OF.log_loss, _OF.market_log_loss), (_OF.rps, _OF.market_rps), (_OF.brier, _OF.market_brier))
_HAPPENED: Final[Any] = case(
    (_OF.home_goals > _OF.away_goals, Outcome.HOME.value),
    (_OF.home_goals == _OF.away_goals, Outcome.DRAW.value),
    else_=Outcome.AWAY.value,
)
_LIKELIEST: Final[Any] = literal_column(LIKELIEST, Integer)
_END: Final = select(_OF.hash).order_by(_OF.settlement_id.desc()).limit(1)


class SqlSettledScores:
    """The `SettledScores` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> str:
        with self._database.reading() as connection:
            return _head(connection)

    def sums(self, chosen: SettledFilter, by: Group | None) -> SettledSums:
        group = self._group(by)
        sums = _only(chosen, select(group.label("group"), *_added_up())).group_by("group").order_by("group")
        with self._database.reading() as connection:  # all of it as of one moment
            head = _head(connection)
            rows = connection.execute(sums).all()
            bins = connection.execute(self._bins(chosen, group)).all()
        return SettledSums(
            head,
            [
                Sums(*row[:7], *(ScoreSums(*(value or 0.0 for value in row[at : at + 4])) for at in (7, 11, 15)))
                for row in rows
                if row.matches
            ],
            [BinSums(*row) for row in bins],
        )

    def _group(self, by: Group | None) -> ColumnElement[str | None]:
        if by is Group.LEAGUE:
            return _OF.tournament
        if by is Group.MODEL:
            return _OF.model_version
        if by is Group.MONTH:
            if self._database.is_sqlite:
                return func.substr(_OF.kickoff_at, 1, 7, type_=Text)
            return func.to_char(func.timezone("UTC", _OF.kickoff_at), "YYYY-MM", type_=Text)
        return cast(literal(None), Text)

    def _bins(self, chosen: SettledFilter, group: ColumnElement[str | None]) -> Select[*tuple[Any, ...]]:
        """Each match three times, once for each outcome, in one pass."""
        outcomes = union_all(*(select(literal(outcome.value).label("outcome")) for outcome in Outcome)).subquery()
        outcome = outcomes.c.outcome
        prob = case({0: _OF.home_prob, 1: _OF.draw_prob, 2: _OF.away_prob}, value=outcome)
        query = select(
            group.label("group"),
            outcome.label("outcome"),
            self._bin(prob).label("bin"),
            func.count().label("matches"),
            func.sum(prob).label("forecasts"),
            func.sum(case((outcome == _HAPPENED, 1), else_=0)).label("happened"),
        ).join_from(settlements, outcomes, true())
        keys = ("group", "outcome", "bin")
        return _only(chosen, query).group_by(*keys).order_by(*keys)

    def _bin(self, prob: ColumnElement[float]) -> ColumnElement[int]:
        scaled = prob * float(FINE_BINS)
        whole = cast(scaled if self._database.is_sqlite else func.floor(scaled), Integer)  # a cast of SQLite cuts off
        return case((prob >= 1.0, FINE_BINS - 1), else_=whole)


def _head(connection: Connection) -> str:
    found: str | None = connection.execute(_END).scalar_one_or_none()
    return GENESIS_HASH if found is None else found


def _only(chosen: SettledFilter, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The last revisions with a result, as chosen."""
    query = query.where(_OF.home_goals.is_not(None), text(LAST_REVISION))
    if chosen.tournament is not None:
        query = query.where(_OF.tournament == chosen.tournament)
    if chosen.model_version is not None:
        query = query.where(_OF.model_version == chosen.model_version)
    if chosen.kickoff_from is not None:
        query = query.where(_OF.kickoff_at >= chosen.kickoff_from)
    if chosen.kickoff_to is not None:
        query = query.where(_OF.kickoff_at < chosen.kickoff_to)
    return query


def _added_up() -> Iterator[ColumnElement[Any]]:
    """The fields of `Sums` after the group."""
    yield func.count().label("matches")
    for outcome in Outcome:
        yield func.coalesce(func.sum(case((outcome.value == _HAPPENED, 1), else_=0)), 0)
    yield func.coalesce(func.sum(case((_LIKELIEST == _HAPPENED, 1), else_=0)), 0)
    yield func.count(_OF.market_bookmaker)
    for ours, market in _SCORES:
        difference = ours - market
        yield func.sum(ours)
        yield func.sum(case((market.is_not(None), ours)))
        yield func.sum(market)
        yield func.sum(difference * difference)
