"""What becomes of the stored matches when a source tells its own: one rule book, whatever the database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import MatchStats, MatchStatus, SourceMatch, match_id
from matchcast.domain.prices import standing_prices

SAME_MATCH_WITHIN: Final = timedelta(days=2)
"""Two sources that give one pairing of one tournament this close together mean one match (time zones, late edits)."""

_RANK: Final[Mapping[MatchStatus, int]] = MappingProxyType(
    {
        MatchStatus.UNKNOWN: 0,
        MatchStatus.UPCOMING: 1,
        MatchStatus.IN_PLAY: 2,
        MatchStatus.POSTPONED: 3,
        MatchStatus.ABANDONED: 3,
        MatchStatus.CANCELLED: 3,
        MatchStatus.FINISHED: 4,
    }
)


class StoredMatch(NamedTuple):
    """A row of `matches`, without the times of writing. `match_day` is the day (UTC) of `kickoff_at`."""

    id: int
    source: str
    source_id: str
    tournament_id: str
    season: int
    stage: str | None
    region: str | None
    sex: str
    kickoff_at: datetime
    kickoff_known: bool
    match_day: date
    home_team_id: str
    away_team_id: str
    status: MatchStatus
    home_goals: int | None
    away_goals: int | None
    home_goals_extra_time: int | None
    away_goals_extra_time: int | None
    home_penalties: int | None
    away_penalties: int | None
    referee: str | None


class Accepted(NamedTuple):
    """A row that tells of the stored match `match_id`; `owns` if that match is this source's to change."""

    match_id: int
    told: SourceMatch
    owns: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, and (index among the rows, reason) of what is not to be written.

    `statuses` holds every match told, by id, as it stands then.
    """

    inserted: Sequence[StoredMatch]
    updated: Sequence[StoredMatch]
    unchanged: int
    accepted: Sequence[Accepted]
    refused: Sequence[tuple[int, str]]
    repeated: int
    statuses: Mapping[int, MatchStatus]


def plan_load(stored: Iterable[StoredMatch], rows: Iterable[tuple[SourceMatch, str, str]]) -> Plan:
    """Decide row by row what a load does.

    A row belongs to the stored match with its (source, source_id), else to the one with its tournament, clubs and day,
    else to one that another source has within two days, else, if it is a result, to another source's only unplayed
    fixture of that pairing and season at an earlier day (it was moved). Otherwise it is a new match.

    The source that a match came from may change all of it, only not turn a result back into a fixture. Another source
    takes a match over when it knows more (a result where there was none); otherwise it only adds a kick-off time or
    a referee that was unknown. Two sources with different results are a conflict: the stored one stays and the row is rejected.

    Args:
        stored: every match of the tournaments in `rows`.
        rows: (what the source tells, home team id, away team id).
    """
    return _Load(stored).take(rows)


class _Load:
    """The stored matches, looked up in three ways, and what this load has done to them so far."""

    def __init__(self, stored: Iterable[StoredMatch]) -> None:
        self.before: dict[int, StoredMatch] = {}
        self.now: dict[int, StoredMatch] = {}
        self.by_source: dict[tuple[str, str], int] = {}
        self.by_key: dict[tuple[str, str, str, date], int] = {}
        self.by_pairing: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        self.touched: dict[int, Accepted] = {}
        self.repeated = 0
        for match in stored:
            self.before[match.id] = match
            self._remember(match)

    def take(self, rows: Iterable[tuple[SourceMatch, str, str]]) -> Plan:
        waiting = list(enumerate(rows))
        refused: list[tuple[int, str]] = []
        while waiting:  # a row may be in the way of another only until it has moved itself
            reasons = [(index, self._take(*row)) for index, row in waiting]
            refused = [(index, reason) for index, reason in reasons if reason is not None]
            if len(refused) == len(waiting):
                break
            again = {index for index, _ in refused}
            waiting = [(index, row) for index, row in waiting if index in again]
        inserted = [self.now[i] for i in self.touched if i not in self.before]
        updated = [self.now[i] for i in self.touched if i in self.before and self.now[i] != self.before[i]]
        unchanged = len(self.touched) - len(inserted) - len(updated)
        statuses = {i: self.now[i].status for i in self.touched}
        return Plan(inserted, updated, unchanged, list(self.touched.values()), refused, self.repeated, statuses)

    def _take(self, told: SourceMatch, home_team: str, away_team: str) -> str | None:
        """Take one row in; the reason if it is rejected."""
        row = _as_row(told, home_team, away_team)
        if row is None:
            return f"tournament: {told.tournament!r} is unknown; add it to domain/competitions.py"
        if home_team == away_team:
            return f"home_team and away_team are both {home_team}; correct one of the names or its alias"
        own = self.by_source.get((row.source, row.source_id))
        same_key = self.by_key.get(_key(row))
        if own is not None and same_key is not None and own != same_key:
            return f"match_day: another match of this pairing is already stored on {row.match_day} (id {same_key})"
        found = own if own is not None else same_key if same_key is not None else self._nearby(row)
        if found is None:
            return self._add(row, told)
        earlier = self.touched.get(found)
        if earlier is not None and earlier.told.source_id != told.source_id:
            return f"source_id: the same match was told on line {earlier.told.line} as {earlier.told.source_id}"
        match = self.now[found]
        merged = _merge(match, row)
        if merged is None:
            return (
                f"home_goals, away_goals: {match.source} says {match.home_goals}-{match.away_goals}, this row"
                f" {row.home_goals}-{row.away_goals}; the stored one stays; correct the wrong source and load it again"
            )
        self.repeated += earlier is not None
        if merged is not match:
            self._forget(match)
            self._remember(merged)
        told = told if earlier is None else _with_what_was_told(earlier.told, told)
        self.touched[found] = Accepted(found, told, merged.source == told.source)
        return None

    def _add(self, row: StoredMatch, told: SourceMatch) -> str | None:
        other = self.now.get(row.id)
        if other is not None:
            return (
                f"match id {row.id} already stands for {other.home_team_id} - {other.away_team_id} in"
                f" {other.tournament_id}, now on {other.match_day}; if that match was moved, this row is out of date"
            )
        self._remember(row)
        self.touched[row.id] = Accepted(row.id, told, True)
        return None

    def _nearby(self, row: StoredMatch) -> int | None:
        ids = self.by_pairing.get(_pairing(row), ())
        others = [self.now[i] for i in ids if i not in self.touched and self.now[i].source != row.source]
        for match in others:
            if abs(match.match_day - row.match_day) <= SAME_MATCH_WITHIN:
                return match.id
        if row.status is not MatchStatus.FINISHED:
            return None
        moved = [m for m in others if m.season == row.season and m.status is not MatchStatus.FINISHED]
        return moved[0].id if len(moved) == 1 and moved[0].match_day < row.match_day else None

    def _remember(self, match: StoredMatch) -> None:
        self.now[match.id] = match
        self.by_source[match.source, match.source_id] = match.id
        self.by_key[_key(match)] = match.id
        self.by_pairing[_pairing(match)].append(match.id)

    def _forget(self, match: StoredMatch) -> None:
        del self.by_source[match.source, match.source_id]
        del self.by_key[_key(match)]
        self.by_pairing[_pairing(match)].remove(match.id)


def _pairing(match: StoredMatch) -> tuple[str, str, str]:
    return match.tournament_id, match.home_team_id, match.away_team_id


def _key(match: StoredMatch) -> tuple[str, str, str, date]:
    return match.tournament_id, match.home_team_id, match.away_team_id, match.match_day


def _as_row(told: SourceMatch, home_team: str, away_team: str) -> StoredMatch | None:
    competition = COMPETITION_BY_ID.get(told.tournament)
    if competition is None:
        return None
    day = told.kickoff_at.astimezone(UTC).date()
    return StoredMatch(
        match_id(told.tournament, home_team, away_team, day.isoformat()),
        told.source,
        told.source_id,
        told.tournament,
        told.season,
        told.stage,
        competition.country,
        "men",
        told.kickoff_at,
        told.kickoff_known,
        day,
        home_team,
        away_team,
        told.status,
        told.home_goals,
        told.away_goals,
        told.home_goals_extra_time,
        told.away_goals_extra_time,
        told.home_penalties,
        told.away_penalties,
        told.referee,
    )


def _merge(stored: StoredMatch, row: StoredMatch) -> StoredMatch | None:
    """The stored match as it stands after `row`; `stored` itself if nothing changes, None if the results conflict."""
    both_finished = stored.status is row.status is MatchStatus.FINISHED
    if stored.source == row.source:
        replaces = both_finished or not (
            stored.status is MatchStatus.FINISHED and _RANK[row.status] < _RANK[MatchStatus.POSTPONED]
        )
    else:
        if both_finished and (stored.home_goals, stored.away_goals) != (row.home_goals, row.away_goals):
            return None
        replaces = _RANK[row.status] > _RANK[stored.status]
    merged = stored._replace(referee=row.referee) if stored.referee is None else stored
    if replaces:
        stage, referee = row.stage or stored.stage, row.referee or stored.referee
        merged = row._replace(id=stored.id, stage=stage, referee=referee)
        if both_finished:
            merged = _keeping_later_scores(merged, stored)
    if stored.match_day == row.match_day and stored.kickoff_known != row.kickoff_known:
        timed = stored if stored.kickoff_known else row
        merged = merged._replace(kickoff_at=timed.kickoff_at, kickoff_known=True)
    return stored if merged == stored else merged


def _with_what_was_told(earlier: SourceMatch, told: SourceMatch) -> SourceMatch:
    """The later of two rows of one match, with the counts and prices that only the earlier one tells."""
    stats = told.stats or earlier.stats
    if told.stats is not None and earlier.stats is not None:
        pairs = zip(told.stats, earlier.stats, strict=True)
        stats = MatchStats._make(before if now is None else now for now, before in pairs)
    return told._replace(stats=stats, odds=standing_prices((*earlier.odds, *told.odds)))


def _keeping_later_scores(merged: StoredMatch, stored: StoredMatch) -> StoredMatch:
    """Extra time and penalties are not forgotten by a source that stops telling them."""
    if merged.home_goals_extra_time is None:
        merged = merged._replace(
            home_goals_extra_time=stored.home_goals_extra_time, away_goals_extra_time=stored.away_goals_extra_time
        )
    if merged.home_penalties is None:
        merged = merged._replace(home_penalties=stored.home_penalties, away_penalties=stored.away_penalties)
    return merged
