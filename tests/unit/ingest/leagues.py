"""Two sources that tell one league by different names, and what stores their clubs."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from matchcast.domain.match import MatchStatus, SourceMatch
from matchcast.ports import TeamAlias, TeamRecord
from matchcast.ports.calendar import PlayedOn, WaitingMatch
from matchcast.usecases.resolution import NewTeams, Resolution
from matchcast.usecases.teams import resolve_teams

LEAGUE: Final = "norway:eliteserien"
START: Final = date(2024, 4, 1)
NOW: Final = datetime(2025, 6, 1, tzinfo=UTC)
WORDS: Final = (
    "Aurora", "Bergwacht", "Cumulus", "Dynamit", "Echolot", "Fjordhimmel", "Gneis", "Hyazinth",
    "Ixodon", "Juvel", "Kvartsit", "Lomvi", "Mjolk", "Nebukad", "Oktober", "Pumpernikkel",
)  # fmt: skip
"""Names of clubs, none like another."""


class Game(NamedTuple):
    """A match between two clubs by number; goals are None before it is played."""

    home: int
    away: int
    day: date
    goals: tuple[int, int] | None


def double_round(clubs: int) -> Sequence[tuple[int, int, int]]:
    """(round, home, away): everybody plays everybody at home and away, by the circle method."""
    first = []
    for number in range(clubs - 1):
        ring = [0, *(1 + (number + place) % (clubs - 1) for place in range(clubs - 1))]
        for place in range(clubs // 2):
            pair = ring[place], ring[-1 - place]
            first.append((number, *(pair if (number + place) % 2 else pair[::-1])))
    return [*first, *((number + clubs - 1, away, home) for number, home, away in first)]


def told_by(source: str, names: Sequence[str], games: Iterable[Game], hour: int = 0) -> list[SourceMatch]:
    """The games as a source tells them."""
    rows = []
    for line, game in enumerate(games, 1):
        home, away = names[game.home], names[game.away]
        kickoff = datetime.combine(game.day, time(), UTC) + timedelta(hours=hour)
        goals = game.goals or (None, None)
        status = MatchStatus.UPCOMING if game.goals is None else MatchStatus.FINISHED
        key = f"{home}:{away}"
        rows.append(
            SourceMatch(source, key, line, LEAGUE, 2024, kickoff, hour != 0, home, away, status, goals[0], goals[1])
        )
    return rows


class MemoryStore:
    """Clubs, names and matches of one process, as far as finding clubs needs them."""

    def __init__(self) -> None:
        self.teams: dict[str, TeamRecord] = {}
        self.aliases: dict[tuple[str, str, str], TeamAlias] = {}
        self.matches: dict[tuple[str, str, str, date], PlayedOn] = {}
        self.waiting: dict[tuple[str, str], WaitingMatch] = {}
        self.owners: dict[tuple[str, str, str, date], str] = {}

    def take(self, rows: Sequence[SourceMatch], policy: NewTeams = NewTeams.PROPOSE) -> Resolution:
        """Load rows of one source."""
        known = list(self.teams.values()), list(self.aliases.values())
        found = resolve_teams(rows, *known, [], now=NOW, policy=policy, calendar=self)
        self.teams |= {team.team_id: team for team in found.new_teams}
        self.aliases |= {(alias.source, alias.country, alias.name): alias for alias in found.aliases}
        for row, home, away in found.rows:
            day = row.kickoff_at.date()
            near = (day, day - timedelta(days=1), day + timedelta(days=1))
            key = next((k for d in near if (k := (row.tournament, home, away, d)) in self.matches), None)
            if key is None:
                match = PlayedOn(row.tournament, day, home, away, row.home_goals, row.away_goals)
                self.matches[row.tournament, home, away, day] = match
                self.owners[row.tournament, home, away, day] = row.source
        self.keep_waiting(found.waiting, found.released)
        return found

    def calendar(self, tournaments: Collection[str], first: date, last: date) -> Sequence[PlayedOn]:
        return [m for m in self.matches.values() if m.tournament in tournaments and first <= m.day <= last]

    def clubs_of(self, tournaments: Collection[str]) -> Sequence[tuple[str, str]]:
        told = (m for m in self.matches.values() if m.tournament in tournaments)
        return sorted({(m.tournament, club) for m in told for club in (m.home_team, m.away_team)})

    def told_by_others(
        self, source: str, tournaments: Collection[str], first: date, last: date
    ) -> Collection[tuple[str, date]]:
        told = ((key[0], key[3]) for key, owner in self.owners.items() if owner != source)
        return {(tournament, day) for tournament, day in told if tournament in tournaments and first <= day <= last}

    def waiting_matches(self) -> Sequence[WaitingMatch]:
        return list(self.waiting.values())

    def keep_waiting(self, waiting: Iterable[WaitingMatch], loaded: Iterable[tuple[str, str]]) -> None:
        self.waiting |= {(match.source, match.source_id): match for match in waiting}
        for key in loaded:
            self.waiting.pop(key, None)

    def named(self) -> dict[tuple[str, str], str]:
        """The club of each (source, name) that is settled."""
        return {(a.source, a.name): a.team_id for a in self.aliases.values() if a.team_id is not None}

    def groups(self) -> set[frozenset[tuple[str, str]]]:
        """The (source, name) pairs that are one club, for each."""
        by_club: dict[str, set[tuple[str, str]]] = {}
        for told, club in self.named().items():
            by_club.setdefault(club, set()).add(told)
        return {frozenset(names) for names in by_club.values()}
