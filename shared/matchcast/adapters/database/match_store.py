"""Loads of matches, stats, odds and clubs."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from matchcast.adapters.database import bulk
from matchcast.adapters.database.bulk import Conflict
from matchcast.adapters.database.calendar import (
    put_waiting,
    read_calendar,
    read_clubs_of,
    read_told_by_others,
    read_waiting,
)
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import match_stats, matches, odds, team_aliases, teams, tournaments
from matchcast.adapters.database.tournaments import put_tournament_aliases, read_tournament_aliases, source_tells
from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import MatchStatus
from matchcast.domain.merging import Accepted, Plan, StoredMatch, plan_load
from matchcast.domain.prices import standing_prices
from matchcast.errors import BadInput
from matchcast.ports import (
    AliasStatus,
    LoadReport,
    Progress,
    Refusal,
    ResolvedMatch,
    TeamAlias,
    TeamRecord,
    UpsertCount,
    unheard,
)
from matchcast.ports.calendar import PlayedOn, WaitingMatch
from matchcast.ports.tournaments import TournamentAlias

_LOAD_LOCK: Final = 0x6D61746368
_STATUS: Final = {status.value: status for status in MatchStatus}


class SqlMatchStore:
    """The `MatchStore` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        with self._database.writing() as connection:
            if not self._database.is_sqlite:  # there, whoever writes has the database to himself
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOAD_LOCK})
            yield connection

    def teams(self) -> Sequence[TeamRecord]:
        with self._database.reading() as connection:
            return read_teams(connection)

    def aliases(self) -> Sequence[TeamAlias]:
        with self._database.reading() as connection:
            return read_aliases(connection)

    def calendar(self, tournaments: Collection[str], first: date, last: date) -> Sequence[PlayedOn]:
        with self._database.reading() as connection:
            return read_calendar(connection, tournaments, first, last)

    def clubs_of(self, tournaments: Collection[str]) -> Sequence[tuple[str, str]]:
        with self._database.reading() as connection:
            return read_clubs_of(connection, tournaments)

    def told_by_others(
        self, source: str, tournaments: Collection[str], first: date, last: date
    ) -> Collection[tuple[str, date]]:
        with self._database.reading() as connection:
            return read_told_by_others(connection, source, tournaments, first, last)

    def waiting_matches(self) -> Sequence[WaitingMatch]:
        with self._database.reading() as connection:
            return read_waiting(connection)

    def keep_waiting(self, waiting: Iterable[WaitingMatch], loaded: Iterable[tuple[str, str]]) -> None:
        with self.turn() as connection:
            put_waiting(connection, waiting, loaded)

    def tournament_aliases(self) -> Sequence[TournamentAlias]:
        with self._database.reading() as connection:
            return read_tournament_aliases(connection)

    def put_tournaments(self, aliases: Iterable[TournamentAlias]) -> None:
        with self.turn() as connection:
            put_tournament_aliases(connection, aliases)

    def tells(self, source: str, tournament: str) -> bool:
        with self._database.reading() as connection:
            return source_tells(connection, source, tournament)

    def load(
        self,
        rows: Sequence[ResolvedMatch],
        teams: Sequence[TeamRecord],
        aliases: Sequence[TeamAlias],
        now: datetime,
        progress: Progress = unheard,
    ) -> LoadReport:
        with self.turn() as connection:
            told_in = {row.told.tournament for row in rows if row.told.tournament in COMPETITION_BY_ID}
            _add_tournaments(connection, told_in)
            _add_teams(connection, teams, aliases, now)
            plan = plan_load(_stored(connection, told_in), rows)
            tally = bulk.Tally(_rows_of(plan), progress)
            _write_matches(connection, plan.inserted, plan.updated, now, tally)
            stats_count = _write_stats(connection, plan.accepted, tally)
            odds_count = _write_odds(connection, plan.accepted, tally)
        return LoadReport(
            UpsertCount(len(plan.inserted), len(plan.updated), plan.unchanged),
            stats_count,
            odds_count,
            [Refusal(*refused) for refused in plan.refused],
            plan.repeated,
            plan.statuses,
        )

    def decide(self, alias: TeamAlias, new_team: TeamRecord | None, merged: str | None) -> int:
        moved = 0
        with self.turn() as connection:
            if new_team is not None:
                _add_teams(connection, [new_team], [], alias.decided_at)
            if merged is not None and alias.team_id is not None:
                moved = _merge_clubs(connection, merged, alias.team_id)
            _put_aliases(connection, [alias])
            if merged is not None:
                connection.execute(delete(teams).where(teams.c.id == merged))
        return moved


def read_teams(connection: Connection) -> Sequence[TeamRecord]:
    """Every club, by id."""
    found = connection.execute(select(teams.c.id, teams.c.name, teams.c.country).order_by(teams.c.id))
    return [TeamRecord(*row) for row in found]


def read_aliases(connection: Connection) -> Sequence[TeamAlias]:
    """Every name, by country, name and source."""
    order = (team_aliases.c.country, team_aliases.c.name, team_aliases.c.source)
    found = connection.execute(select(team_aliases).order_by(*order))
    return [
        TeamAlias(
            r.source, r.country, r.name, r.team_id, AliasStatus(r.status), tuple(r.proposals), r.decided_at, r.club_id
        )
        for r in found
    ]


def stored_match(row: Sequence[Any]) -> StoredMatch:
    """A match from its columns in the order of `StoredMatch`."""
    return StoredMatch._make((*row[:13], _STATUS[row[13]], *row[14:]))


def _add_tournaments(connection: Connection, ids: Iterable[str]) -> None:
    known = [COMPETITION_BY_ID[i] for i in sorted(ids)]
    rows = [(c.id, c.name, c.country, c.level, "men", c.season_starts_in) for c in known]
    bulk.upsert(connection, tournaments, rows, Conflict.TOLD_WINS)


def _add_teams(
    connection: Connection, new: Sequence[TeamRecord], aliases: Sequence[TeamAlias], now: datetime | None
) -> None:
    first_told = {alias.team_id: alias.source for alias in reversed(aliases) if alias.source != "*"}
    instant = now and bulk.driver_values(connection).instant(now)
    rows = [(t.team_id, t.name, t.country, "men", first_told.get(t.team_id, "review"), instant) for t in new]
    bulk.upsert(connection, teams, rows, Conflict.KEEP)
    _put_aliases(connection, aliases)


def _put_aliases(connection: Connection, aliases: Sequence[TeamAlias]) -> None:
    keys = [{"s": a.source, "c": a.country, "n": a.name} for a in aliases]
    if not keys:
        return
    same = (
        (team_aliases.c.source == bindparam("s"))
        & (team_aliases.c.country == bindparam("c"))
        & (team_aliases.c.name == bindparam("n"))
    )
    connection.execute(delete(team_aliases).where(same), keys)
    connection.execute(insert(team_aliases), [a._asdict() | {"proposals": list(a.proposals)} for a in aliases])


def _merge_clubs(connection: Connection, old: str, new: str) -> int:
    moved = 0
    clubs = (old, new)
    between = matches.c.home_team_id.in_(clubs) & matches.c.away_team_id.in_(clubs)
    days = connection.execute(select(matches.c.match_day).where(between).order_by(matches.c.match_day)).scalars().all()
    if days:
        raise BadInput(
            f"team_id: {old} and {new} played each other ({len(days):,} matches, the first on {days[0]}), so they are"
            f" two clubs; leave the name as it is, or give it another club",
            "team_id",
        )
    try:
        with connection.begin_nested():
            for side in (matches.c.home_team_id, matches.c.away_team_id):
                moved += connection.execute(update(matches).where(side == old).values({side.name: new})).rowcount
    except IntegrityError as error:
        raise BadInput(
            f"team_id: {old} and {new} both have a match against the same opponent on the same day, so they are two"
            f" clubs, or one match is stored twice; leave the name as it is, or give it another club",
            "team_id",
        ) from error
    connection.execute(update(team_aliases).where(team_aliases.c.team_id == old).values(team_id=new))
    return moved


def _stored(connection: Connection, told_in: set[str]) -> Iterator[StoredMatch]:
    columns = [matches.c[name] for name in StoredMatch._fields]
    chosen = select(*columns).where(matches.c.tournament_id.in_(sorted(told_in)))
    for row in connection.execute(chosen, execution_options={"yield_per": 10_000}):
        yield stored_match(row)


def _rows_of(plan: Plan) -> int:
    """How many rows will be written; a price told twice counts twice."""
    told = (accepted.told for accepted in plan.accepted)
    return len(plan.inserted) + sum((match.stats is not None) + len(match.odds) for match in told)


def _write_matches(
    connection: Connection,
    inserted: Sequence[StoredMatch],
    updated: Sequence[StoredMatch],
    now: datetime,
    tally: bulk.Tally,
) -> None:
    instant, day = bulk.driver_values(connection)
    written_at = instant(now)
    in_order = sorted(inserted, key=lambda match: match.id)
    rows = (
        (*m[:8], instant(m[8]), m[9], day(m[10]), *m[11:13], m.status.value, *m[14:], written_at, written_at)
        for m in in_order
    )
    bulk.insert(connection, matches, tally.passing(rows))
    if updated:
        changes = [m._asdict() | {"status": m.status.value, "updated_at": now, "this": m.id} for m in updated]
        connection.execute(update(matches).where(matches.c.id == bindparam("this")), changes)


def _write_stats(connection: Connection, accepted: Sequence[Accepted], tally: bulk.Tally) -> UpsertCount:
    def rows(owns: bool) -> list[bulk.Row]:
        told = ((a.match_id, *a.told.stats) for a in accepted if a.owns is owns and a.told.stats is not None)
        return sorted(told, key=lambda row: row[0])

    own = bulk.upsert(connection, match_stats, rows(True), Conflict.TOLD_WINS, tally)
    return _sum(own, bulk.upsert(connection, match_stats, rows(False), Conflict.FILL_GAPS, tally))


def _write_odds(connection: Connection, accepted: Sequence[Accepted], tally: bulk.Tally) -> UpsertCount:
    instant = bulk.driver_values(connection).instant

    def rows(owns: bool) -> list[bulk.Row]:
        mine = sorted((a for a in accepted if a.owns is owns and a.told.odds), key=lambda a: a.match_id)
        return [
            (a.match_id, p[0], p[1].value, p[2], p[3], p[4], p[5] and instant(p[5]), a.told.source)
            for a in mine
            for p in standing_prices(a.told.odds)
        ]

    own = bulk.upsert(connection, odds, rows(True), Conflict.STANDING_PRICE, tally)
    return _sum(own, bulk.upsert(connection, odds, rows(False), Conflict.OTHERS_PRICE, tally))


def _sum(a: UpsertCount, b: UpsertCount) -> UpsertCount:
    return UpsertCount(a.inserted + b.inserted, a.updated + b.updated, a.unchanged + b.unchanged)
