"""Who played whom on which day, and the matches that wait for a name to be decided."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, union

from matchcast.adapters.database.tables import matches, waiting_matches
from matchcast.domain.match import MatchStatus
from matchcast.ports.calendar import PlayedOn, WaitingMatch

_ON_ITS_DAY: Final = (MatchStatus.UPCOMING.value, MatchStatus.IN_PLAY.value, MatchStatus.FINISHED.value)


def read_calendar(connection: Connection, tournaments: Collection[str], first: date, last: date) -> Sequence[PlayedOn]:
    """The matches of these tournaments and days that took place or are due."""
    m = matches.c
    columns = (m.tournament_id, m.match_day, m.home_team_id, m.away_team_id, m.home_goals, m.away_goals)
    chosen = select(*columns).where(
        m.tournament_id.in_(sorted(tournaments)), m.match_day.between(first, last), m.status.in_(_ON_ITS_DAY)
    )
    return [PlayedOn._make(row) for row in connection.execute(chosen.order_by(m.match_day, m.id))]


def read_clubs_of(connection: Connection, tournaments: Collection[str]) -> Sequence[tuple[str, str]]:
    """(tournament, club) of every club that has a match in one of these tournaments."""
    sides = (
        select(matches.c.tournament_id, side.label("club")).where(matches.c.tournament_id.in_(sorted(tournaments)))
        for side in (matches.c.home_team_id, matches.c.away_team_id)
    )
    both = union(*sides).subquery()
    found = connection.execute(select(both).order_by(both.c.tournament_id, both.c.club))
    return [(tournament, club) for tournament, club in found]


def read_told_by_others(
    connection: Connection, source: str, tournaments: Collection[str], first: date, last: date
) -> Collection[tuple[str, date]]:
    """(tournament, day) of the matches of these days that another source owns."""
    m = matches.c
    chosen = select(m.tournament_id, m.match_day).where(
        m.tournament_id.in_(sorted(tournaments)), m.match_day.between(first, last), m.source != source
    )
    return {(tournament, day) for tournament, day in connection.execute(chosen.distinct())}


def read_waiting(connection: Connection) -> Sequence[WaitingMatch]:
    """The matches that wait, by source and id."""
    order = (waiting_matches.c.source, waiting_matches.c.source_id)
    return [WaitingMatch._make(row) for row in connection.execute(select(waiting_matches).order_by(*order))]


def put_waiting(connection: Connection, waiting: Iterable[WaitingMatch], loaded: Iterable[tuple[str, str]]) -> None:
    """Note matches that wait, in place of what was noted of them; forget those that do so no more."""
    kept = {(match.source, match.source_id): match for match in waiting}
    gone = [{"s": source, "i": source_id} for source, source_id in {*kept, *loaded}]
    if gone:
        same = (waiting_matches.c.source == bindparam("s")) & (waiting_matches.c.source_id == bindparam("i"))
        connection.execute(delete(waiting_matches).where(same), gone)
    if kept:
        connection.execute(insert(waiting_matches), [match._asdict() for match in kept.values()])
