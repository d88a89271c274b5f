"""Lists of stored matches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, or_, select, tuple_

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import matches, teams
from matchcast.domain.match import MatchStatus
from matchcast.ports import MatchFilter, MatchRecord


class SqlMatchReader:
    """The `MatchReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, match_id: int) -> MatchRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(_records().where(matches.c.id == match_id)).one_or_none()
        return None if row is None else _record(row)

    def page(self, chosen: MatchFilter, after: tuple[datetime, int] | None, limit: int) -> Sequence[MatchRecord]:
        query = _records().order_by(matches.c.kickoff_at, matches.c.id).limit(limit)
        if chosen.kickoff_from is not None:
            query = query.where(matches.c.kickoff_at >= chosen.kickoff_from)
        if chosen.kickoff_to is not None:
            query = query.where(matches.c.kickoff_at < chosen.kickoff_to)
        if chosen.tournament is not None:
            query = query.where(matches.c.tournament_id == chosen.tournament)
        if chosen.team is not None:
            query = query.where(or_(matches.c.home_team_id == chosen.team, matches.c.away_team_id == chosen.team))
        if chosen.status is not None:
            query = query.where(matches.c.status == chosen.status.value)
        if after is not None:
            query = query.where(tuple_(matches.c.kickoff_at, matches.c.id) > tuple_(*after))
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query)]


def _records() -> Select[Any]:
    home, away = teams.alias("home"), teams.alias("away")
    return (
        select(
            matches.c.id,
            matches.c.tournament_id,
            matches.c.season,
            matches.c.kickoff_at,
            matches.c.kickoff_known,
            matches.c.home_team_id,
            home.c.name,
            matches.c.away_team_id,
            away.c.name,
            matches.c.status,
            matches.c.home_goals,
            matches.c.away_goals,
        )
        .join(home, home.c.id == matches.c.home_team_id)
        .join(away, away.c.id == matches.c.away_team_id)
    )


def _record(row: Row[Any]) -> MatchRecord:
    record = MatchRecord._make(row)
    return record._replace(status=MatchStatus(record.status))
