"""Which club a source's name means.

A name settled before stays settled. Otherwise it is the club with whose name the source told the same id before, or

1. the club that goes by the same name but for case, accents, punctuation and FC;
2. the club that played the same opponents on the same days (`usecases.calendars`);
3. the club that goes by the same name once all club tokens are set aside, if there is exactly one, the two never play on
   one day in one tournament, and the source has no other name for it;

where the calendar does not speak against it. Otherwise the name waits for a decision, its matches with it, if it may be
a known club: one with a similar name, or one of its tournament that another source tells and that this source has no
name for yet; once others tell matches of five of its days, only one that may have played one of its matches. A name
that can be no known club's is a new club. Matches that wait are remembered, so that evidence grows from load to load
until it settles the name.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from matchcast.domain.match import SourceMatch
from matchcast.ports import Refusal, ResolvedMatch, TeamAlias, TeamRecord
from matchcast.ports.calendar import Calendar, PlayedOn, WaitingMatch
from matchcast.usecases.naming import Country
from matchcast.usecases.resolution import NewTeams, Resolution, Told, country_of, on_their_days

NONE_UNKNOWN: Final[Mapping[str, str]] = MappingProxyType({})


class NoCalendar:
    """The `Calendar` of a store without matches."""

    def calendar(self, tournaments: Collection[str], first: date, last: date) -> Sequence[PlayedOn]:
        return ()

    def clubs_of(self, tournaments: Collection[str]) -> Sequence[tuple[str, str]]:
        return ()

    def told_by_others(
        self, source: str, tournaments: Collection[str], first: date, last: date
    ) -> Collection[tuple[str, date]]:
        return ()

    def waiting_matches(self) -> Sequence[WaitingMatch]:
        return ()

    def keep_waiting(self, waiting: Iterable[WaitingMatch], loaded: Iterable[tuple[str, str]]) -> None:
        return


def resolve_teams(
    rows: Sequence[SourceMatch],
    teams: Sequence[TeamRecord],
    aliases: Sequence[TeamAlias],
    committed: Sequence[TeamAlias],
    *,
    now: datetime,
    policy: NewTeams = NewTeams.PROPOSE,
    calendar: Calendar | None = None,
    unknown: Mapping[str, str] = NONE_UNKNOWN,
) -> Resolution:
    """Find the clubs of some sources' rows.

    Args:
        teams, aliases: what the store knows.
        committed: names known beforehand; the first of a club is its usual name.
        calendar: who played whom, as stored.
        unknown: why rows of a tournament that is none of ours are not loaded, by how they write it.
    """
    result = Resolution()
    stored = calendar or NoCalendar()
    by_country: defaultdict[tuple[str, str], list[SourceMatch]] = defaultdict(list)
    for row in rows:
        country = country_of(row.tournament)
        if country is not None:
            by_country[row.source, country].append(row)
    waiting = {(match.source, match.source_id): match for match in stored.waiting_matches()}
    told_again = {key for row in rows if (key := (row.source, row.source_id)) in waiting}
    kept_waiting = [match for key, match in waiting.items() if key not in told_again]
    ids: dict[tuple[str, str], Mapping[str, str]] = {}
    placed: list[PlayedOn] = []
    for (source, country), mine in by_country.items():
        kept = [m for m in kept_waiting if m.source == source and country_of(m.tournament) == country]
        others = [m for m in kept_waiting if m.source != source and country_of(m.tournament) == country]
        known = Country(source, country, teams, aliases, committed, Told(mine, kept, others), stored, placed)
        ids[source, country] = known.settle(policy, now, result)
        if len(by_country) > 1:
            placed = [*placed, *_placed(mine, ids[source, country])]
        teams = [*teams, *(team for team in result.new_teams if team not in teams)]
    held = {(alias.source, alias.country, alias.name): alias for alias in result.held}
    for index, row in enumerate(rows):
        _place(row, index, ids, held, unknown, result)
    result.released = sorted(told_again - {(match.source, match.source_id) for match in result.waiting})
    return result


def _placed(rows: Iterable[SourceMatch], ids: Mapping[str, str]) -> Iterator[PlayedOn]:
    for match in on_their_days(rows):
        if match.home_team in ids and match.away_team in ids:
            yield match._replace(home_team=ids[match.home_team], away_team=ids[match.away_team])


def _place(
    row: SourceMatch,
    index: int,
    ids: Mapping[tuple[str, str], Mapping[str, str]],
    held: Mapping[tuple[str, str, str], TeamAlias],
    unknown: Mapping[str, str],
    result: Resolution,
) -> None:
    country = country_of(row.tournament)
    if country is None:
        reason = f"tournament: {row.tournament!r} is unknown; add it to domain/competitions.py"
        result.refused.append(Refusal(index, unknown.get(row.tournament, reason)))
        return
    by_name = ids[row.source, country]
    waiting = [name for name in (row.home_team, row.away_team) if name not in by_name]
    if waiting:
        reasons = (_waits(held[row.source, country, name]) for name in waiting)
        result.refused.append(Refusal(index, "; ".join(reasons)))
        result.waiting.extend(WaitingMatch(row.source, row.source_id, *match) for match in on_their_days([row]))
        return
    result.rows.append(ResolvedMatch(row, by_name[row.home_team], by_name[row.away_team]))
    result.indices.append(index)


def _waits(alias: TeamAlias) -> str:
    may_be = (
        f"may be {' or '.join(alias.proposals)}" if alias.proposals else "may be new, or a club known by another name"
    )
    words = f'{alias.source} {alias.country} "{alias.name}"'
    return (
        f"team: {alias.name!r} of {alias.country} {may_be}; decide with `matchcast teams alias {words} TEAM_ID` or"
        f" `matchcast teams new {words}`, then load again"
    )
