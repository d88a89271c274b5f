"""Everything that is stored, in one consistent read."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, select

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import read_aliases, read_teams, stored_match
from matchcast.adapters.database.tables import match_stats, matches, odds, tournaments
from matchcast.domain.match import MatchStats, Odds, OddsMoment
from matchcast.domain.merging import StoredMatch
from matchcast.ports import Contents, FullMatch

_STREAMED: Final = {"yield_per": 10_000}


class SqlContents:
    """The `ContentReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """The contents; the matches can be read while the context is open."""
        with self._database.reading() as connection:
            ids = connection.execute(select(tournaments.c.id).order_by(tournaments.c.id)).scalars().all()
            yield Contents(_matches(connection), read_teams(connection), read_aliases(connection), ids)


def _matches(connection: Connection) -> Iterator[FullMatch]:
    order = (matches.c.kickoff_at, matches.c.id)
    prices = select(odds).join(matches, matches.c.id == odds.c.match_id)
    by_match = groupby(
        connection.execute(prices.order_by(*order, odds.c.bookmaker, odds.c.moment), execution_options=_STREAMED),
        key=lambda row: row.match_id,
    )
    next_id, group = next(by_match, (None, iter(())))
    width = len(StoredMatch._fields)
    columns = [matches.c[name] for name in StoredMatch._fields]
    query = select(*columns, match_stats).join_from(
        matches, match_stats, match_stats.c.match_id == matches.c.id, isouter=True
    )
    for row in connection.execute(query.order_by(*order), execution_options=_STREAMED):
        match = stored_match(row[:width])
        stats = None if row[width] is None else MatchStats._make(row[width + 1 :])
        told: tuple[Odds, ...] = ()
        if match.id == next_id:
            told = tuple(Odds(p.bookmaker, OddsMoment(p.moment), p.home, p.draw, p.away, p.taken_at) for p in group)
            next_id, group = next(by_match, (None, iter(())))
        yield FullMatch(match, stats, told)
