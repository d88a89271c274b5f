"""Which of our tournaments a source's is that we do not know by its code.

Its matches tell, where their clubs are known by name: settled, committed, or spelt like one club's name alone. A match of
it and one of ours agree when the same clubs play at the same sides, at most a day apart, with the same result. It is ours
without being asked about when

- five matches or more agree with one of ours of its country, and none may agree with another;
- none speaks against it: another result, or one of the clubs plays another match there within a day;
- the source has no other tournament for it.

Results are needed, since reserves of the same name may play the same fixtures a day apart. Otherwise the tournament waits,
with what speaks for which of ours; its matches wait with it and count the next time too.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rapidfuzz import fuzz

from matchcast.domain.competitions import COMPETITION_BY_CODE, COMPETITION_BY_ID, COMPETITIONS, Competition
from matchcast.domain.match import SourceMatch
from matchcast.domain.names import fold_name
from matchcast.ports import MatchStore, TeamAlias, TeamRecord
from matchcast.ports.calendar import Calendar, PlayedOn, WaitingMatch
from matchcast.ports.tournaments import TournamentAlias, TournamentProposal, TournamentStatus
from matchcast.usecases.naming import Country
from matchcast.usecases.resolution import Told, on_their_days

ENOUGH: Final = 5
"""Matches that must agree before a tournament is settled."""

SIMILAR: Final = 85.0
"""From this score (0-100) on, two names may mean one tournament."""

_MAX_PROPOSALS: Final = 3
_APART: Final = (0, -1, 1)


class Names(NamedTuple):
    """What clubs are known by."""

    teams: Sequence[TeamRecord]
    aliases: Sequence[TeamAlias]
    committed: Sequence[TeamAlias]

    @classmethod
    def of(cls, store: MatchStore, committed: Sequence[TeamAlias]) -> "Names":
        return cls(store.teams(), store.aliases(), committed)

    def clubs_of(self, source: str, country: str, calendar: Calendar) -> Callable[[str], str | None]:
        """What tells the club of a source's name."""
        return Country(source, country, *self, Told((), ()), calendar, ()).known


@dataclass(slots=True)
class Placed:
    """The rows of a load, each with our tournament where it is known.

    Attributes:
        rows: in the order given.
        unknown: why the rows of a tournament are not loaded, by how they write it.
        changed: what is to be written.
        settled: tournaments found by this load.
        held: those that wait.
        waiting: the matches that wait with them.
    """

    rows: Sequence[SourceMatch]
    unknown: dict[str, str] = field(default_factory=dict)
    changed: list[TournamentAlias] = field(default_factory=list)
    settled: list[TournamentAlias] = field(default_factory=list)
    held: list[TournamentAlias] = field(default_factory=list)
    waiting: list[WaitingMatch] = field(default_factory=list)


def settled_tournaments(store: MatchStore) -> Mapping[str, str]:
    """Ours of each tournament that is settled, by how rows write it."""
    return _settled(store.tournament_aliases())


def place_tournaments(
    rows: Sequence[SourceMatch],
    told: Iterable[Competition],
    committed: Sequence[TeamAlias],
    store: MatchStore,
    now: datetime,
) -> Placed:
    """Find the tournaments of some sources' rows.

    Args:
        told: those of the rows that we do not know.
        committed: club names known beforehand.
    """
    written = {row.tournament for row in rows} - COMPETITION_BY_ID.keys()
    if not written:
        return Placed(rows)
    known = {alias.told_as: alias for alias in store.tournament_aliases()}
    open_ = {
        tournament.id: known.get(tournament.id) or _first_told(tournament)
        for tournament in sorted(told, key=lambda t: (t.id, t.name))
        if tournament.id in written
    }
    open_ = {told_as: alias for told_as, alias in open_.items() if alias.status is TournamentStatus.REVIEW}
    placed = Placed(rows)
    if open_:
        _decide(placed, open_, known, Names.of(store, committed), store, now)
    ours = _settled([*known.values(), *placed.settled])
    placed.rows = [_as_ours(row, ours[row.tournament]) if row.tournament in ours else row for row in rows]
    for alias in placed.held:
        placed.unknown[alias.told_as] = _waits(alias)
    for told_as in written & known.keys():
        if known[told_as].status is TournamentStatus.IGNORED:
            placed.unknown[told_as] = _ignored(known[told_as])
    return placed


def _decide(
    placed: Placed,
    open_: Mapping[str, TournamentAlias],
    known: Mapping[str, TournamentAlias],
    names: Names,
    store: MatchStore,
    now: datetime,
) -> None:
    mine: defaultdict[str, dict[tuple[str, str], WaitingMatch]] = defaultdict(dict)
    for waiting in store.waiting_matches():
        if waiting.tournament in open_:
            mine[waiting.tournament][waiting.source, waiting.source_id] = waiting
    for row in placed.rows:
        if row.tournament in open_:
            mine[row.tournament].pop((row.source, row.source_id), None)
            for match in on_their_days([row]):
                waiting = WaitingMatch(row.source, row.source_id, *match)
                mine[row.tournament][row.source, row.source_id] = waiting
                placed.waiting.append(waiting)
    weighed = {
        told_as: alias._replace(proposals=proposals_of(alias, mine[told_as].values(), names, known.values(), store))
        for told_as, alias in open_.items()
    }
    certain = {told_as: ours for told_as, alias in weighed.items() if (ours := _certain(alias)) is not None}
    times = Counter((weighed[told_as].source, ours) for told_as, ours in certain.items())
    for told_as, found in weighed.items():
        alias, ours = found, certain.get(told_as)
        if ours is not None and times[found.source, ours] == 1:
            alias = found._replace(tournament_id=ours, status=TournamentStatus.SETTLED, decided_at=now)
            placed.settled.append(alias)
        else:
            placed.held.append(alias)
        if known.get(told_as) != alias:
            placed.changed.append(alias)
    settled = {alias.told_as for alias in placed.settled}
    placed.waiting = [match for match in placed.waiting if match.tournament not in settled]


def proposals_of(
    alias: TournamentAlias,
    matches: Iterable[WaitingMatch],
    names: Names,
    known: Iterable[TournamentAlias],
    calendar: Calendar,
) -> tuple[TournamentProposal, ...]:
    """Those of our tournaments that this may be, likeliest first.

    Args:
        matches: of this tournament, as told.
        known: what is stored of such tournaments.
    """
    near = [competition for competition in COMPETITIONS if competition.country == alias.country]
    overlaps = _overlaps(matches, names.clubs_of(alias.source, alias.country, calendar), near, calendar)
    codes = {ours: told_as.partition(":")[2] for told_as, ours in _settled(known, alias.source).items()}
    codes |= {c.id: code for (source, code), c in COMPETITION_BY_CODE.items() if source == alias.source}
    found = []
    for competition in near:
        overlap = overlaps.get(competition.id, _NOTHING)
        similarity = fuzz.ratio(fold_name(alias.name), fold_name(competition.name))
        alike = overlap.agreeing + overlap.likely
        if overlap.against <= alike and (alike or similarity >= SIMILAR):
            code = codes.get(competition.id)
            found.append(TournamentProposal(competition.id, *overlap, round(similarity), code))
    found.sort(key=lambda p: (-p.agreeing, -p.likely, p.against, -p.similarity, p.tournament_id))
    return tuple(found[:_MAX_PROPOSALS])


class _Overlap(NamedTuple):
    agreeing: int
    likely: int
    against: int


_NOTHING: Final = _Overlap(0, 0, 0)


def _overlaps(
    matches: Iterable[WaitingMatch],
    club_of: Callable[[str], str | None],
    near: Sequence[Competition],
    calendar: Calendar,
) -> Mapping[str, _Overlap]:
    """How the matches of known clubs compare with those of each of our tournaments."""
    mine = set()
    for match in matches:
        home, away = club_of(match.home_name), club_of(match.away_name)
        if home is not None and away is not None and home != away:
            mine.add(PlayedOn("", match.day, home, away, match.home_goals, match.away_goals))
    if not mine:
        return {}
    a_day = timedelta(days=1)
    first, last = min(match.day for match in mine) - a_day, max(match.day for match in mine) + a_day
    games: defaultdict[tuple[str, str, str, int], list[PlayedOn]] = defaultdict(list)
    busy: set[tuple[str, str, int]] = set()
    for theirs in calendar.calendar([competition.id for competition in near], first, last):
        day = theirs.day.toordinal()
        games[theirs.tournament, theirs.home_team, theirs.away_team, day].append(theirs)
        busy |= {(theirs.tournament, theirs.home_team, day), (theirs.tournament, theirs.away_team, day)}
    fits: defaultdict[str, dict[PlayedOn, int]] = defaultdict(dict)
    against: Counter[str] = Counter()
    for ours in sorted(mine, key=lambda m: (m.day, m.home_team, m.away_team, m.home_goals is None)):
        days = [ours.day.toordinal() + apart for apart in _APART]
        for tournament in (competition.id for competition in near):
            same = [g for day in days for g in games.get((tournament, ours.home_team, ours.away_team, day), ())]
            if same:
                fit, theirs = max(((_fit(ours, game), game) for game in same), key=lambda pair: pair[0])
                against[tournament] += fit == 0
                fits[tournament][theirs] = max(fit, fits[tournament].get(theirs, 0))
            else:
                sides = (ours.home_team, ours.away_team)
                against[tournament] += any((tournament, club, day) in busy for club in sides for day in days)
    told = {tournament: Counter(fits[tournament].values()) for tournament in {*fits, *against}}
    return {tournament: _Overlap(count[2], count[1], against[tournament]) for tournament, count in told.items()}


def _fit(one: PlayedOn, other: PlayedOn) -> int:
    """2 with the same result, 1 where not both tell one, 0 with another."""
    if one.home_goals is None or other.home_goals is None:
        return 1
    return 2 if one[4:] == other[4:] else 0


def _certain(alias: TournamentAlias) -> str | None:
    """Which of ours it is, if that is certain."""
    played = [proposal for proposal in alias.proposals if proposal.agreeing + proposal.likely]
    if len(played) != 1:
        return None
    (only,) = played
    certain = only.agreeing >= ENOUGH and only.against == 0 and only.code is None
    return only.tournament_id if certain else None


def _settled(aliases: Iterable[TournamentAlias], source: str | None = None) -> dict[str, str]:
    return {
        alias.told_as: alias.tournament_id
        for alias in aliases
        if alias.status is TournamentStatus.SETTLED and alias.tournament_id and source in (None, alias.source)
    }


def _first_told(told: Competition) -> TournamentAlias:
    ((source, code),) = told.codes
    return TournamentAlias(source, code, told.name, told.country, None, TournamentStatus.REVIEW)


def _as_ours(row: SourceMatch, tournament: str) -> SourceMatch:
    """The row under our tournament; a season that is the day's year may be only assumed, so it is told anew."""
    competition, day = COMPETITION_BY_ID.get(tournament), row.kickoff_at.date()
    if competition is None:
        return row
    season = row.season if row.season != day.year else competition.season_of(day)
    return row._replace(tournament=tournament, season=season)


def _waits(alias: TournamentAlias) -> str:
    may_be = " or ".join(proposal.tournament_id for proposal in alias.proposals) or "one of ours or not"
    words = f"{alias.source} {alias.code}"
    return (
        f"tournament: {alias.code} of {alias.source} ({alias.name}, {alias.country}) is none we know by its code; it may be"
        f" {may_be}; decide with `matchcast tournaments alias {words} TOURNAMENT_ID` or `matchcast tournaments ignore"
        f" {words}`, then load again"
    )


def _ignored(alias: TournamentAlias) -> str:
    return (
        f"tournament: {alias.code} of {alias.source} ({alias.name}, {alias.country}) is left out, as was decided;"
        f" `matchcast tournaments alias {alias.source} {alias.code} TOURNAMENT_ID` takes it in"
    )
