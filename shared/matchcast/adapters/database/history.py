"""Every stored match, straight from the driver into numpy columns: no object a match, no pandas, no Arrow."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import read_aliases, read_teams
from matchcast.adapters.database.tables import matches, odds, tournaments
from matchcast.adapters.team_names import other_names
from matchcast.domain.match import MatchStatus, OddsMoment
from matchcast.features.columns import STAT_NAMES, MatchColumns
from matchcast.features.history import READ, History, StoredColumns, as_known
from matchcast.model.market import market_log_odds

_ROWS_AT_ONCE: Final = 50_000
_KICKOFF: Final = {"sqlite": "m.kickoff_at", "postgresql": "CAST(extract(epoch FROM m.kickoff_at) * 1000000 AS bigint)"}
_MATCHES: Final = f"""
SELECT m.id, m.season, {{kickoff}}, m.kickoff_known, m.status, m.tournament_id, m.home_team_id, m.away_team_id,
  m.home_goals, m.away_goals, {", ".join(f"s.{name}" for name in STAT_NAMES)}
FROM matches m LEFT JOIN match_stats s ON s.match_id = m.id
WHERE m.status IN ({", ".join(str(int(status)) for status in READ)})
"""


class SqlHistory:
    """Reads all that is stored, in one consistent read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def history(self, as_of: datetime, bookmakers: Sequence[str]) -> History:
        """What was known at an instant.

        Args:
            as_of: aware, whole seconds.
            bookmakers: whose opening prices the matches to come are given, the preferred first; none for no prices.
        Raises:
            Unavailable: the database is away.
        """
        with self._database.reading() as connection:
            teams = read_teams(connection)
            names = other_names(teams, read_aliases(connection))
            ids = connection.execute(select(tournaments.c.id)).scalars().all()
            stored = _stored(connection, sorted(team.team_id for team in teams), sorted(ids))
            columns, to_come = as_known(stored, as_of)
            if bookmakers and to_come:
                _price(columns, _opening_odds(connection, as_of, bookmakers))
        return History(columns, to_come, teams, names)


def _stored(connection: Connection, teams: Sequence[str], tournament_ids: Sequence[str]) -> StoredColumns:
    team, tournament = ({name: code for code, name in enumerate(names)} for names in (teams, tournament_ids))
    chunks = [_chunk(rows, team, tournament) for rows in _rows(connection)] or [_chunk([], team, tournament)]
    told = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return StoredColumns(**told, teams=teams, tournaments=tournament_ids)


def _rows(connection: Connection) -> Iterator[Sequence[Any]]:
    dialect = connection.dialect.name
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor() if dialect == "sqlite" else driver.cursor(binary=True)
    try:
        cursor.execute(_MATCHES.format(kickoff=_KICKOFF[dialect]))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield rows
    finally:
        cursor.close()


def _chunk(rows: Sequence[Any], team: dict[str, int], tournament: dict[str, int]) -> dict[str, NDArray[Any]]:
    """Some rows as arrays, by the names of `StoredColumns`."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * (10 + len(STAT_NAMES))
    ids, seasons, kickoffs, kickoffs_known, statuses, told_in, homes, aways, home_goals, away_goals = columns[:10]
    return {
        "match_id": np.array(ids, dtype=np.int64),
        "tournament": _codes(told_in, tournament),
        "season": np.array(seasons, dtype=np.int64),
        "kickoff": _microseconds(kickoffs),
        "kickoff_known": np.array(kickoffs_known, dtype=np.bool_),
        "home": _codes(homes, team),
        "away": _codes(aways, team),
        "status": np.array(statuses, dtype=np.int64),
        "home_goals": np.array(home_goals, dtype=np.float64),
        "away_goals": np.array(away_goals, dtype=np.float64),
        "stats": np.column_stack([np.array(column, dtype=np.float64) for column in columns[10:]]),
    }


def _codes(names: Sequence[str], code: dict[str, int]) -> NDArray[np.int64]:
    return np.fromiter(map(code.__getitem__, names), dtype=np.int64, count=len(names))


def _microseconds(kickoffs: Sequence[Any]) -> NDArray[np.int64]:
    """Of numbers as they are, of SQLite's texts as `records.instant_text` writes them."""
    if kickoffs and isinstance(kickoffs[0], str):
        return np.array(kickoffs, dtype="datetime64[us]").astype(np.int64)
    return np.array(kickoffs, dtype=np.int64)


def _opening_odds(
    connection: Connection, as_of: datetime, bookmakers: Sequence[str]
) -> dict[int, tuple[float, float, float]]:
    """Prices taken by then, of the first of these bookmakers that has them, by match.

    Those without an instant count for a match that is still upcoming; later ones may be of any time.
    """
    taken = (odds.c.taken_at <= as_of) | (odds.c.taken_at.is_(None) & (matches.c.status == MatchStatus.UPCOMING.value))
    query = (
        select(odds.c.match_id, odds.c.bookmaker, odds.c.home, odds.c.draw, odds.c.away)
        .join(matches, matches.c.id == odds.c.match_id)
        .where(odds.c.moment == OddsMoment.OPENING.value, odds.c.bookmaker.in_(bookmakers), taken)
        .where(matches.c.kickoff_at >= as_of.replace(hour=0, minute=0, second=0, microsecond=0))
    )
    told = sorted(connection.execute(query), key=lambda row: bookmakers.index(row.bookmaker), reverse=True)
    return {row.match_id: (row.home, row.draw, row.away) for row in told}


def _price(columns: MatchColumns, prices: dict[int, tuple[float, float, float]]) -> None:
    """Put the prices of the matches to come in their place."""
    none = (np.nan, np.nan, np.nan)
    coming = ~columns.finished
    told = np.array([prices.get(match_id, none) for match_id in columns.match_id[coming].tolist()], dtype=np.float64)
    columns.market[coming] = market_log_odds(told)
