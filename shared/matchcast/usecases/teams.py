"""Which club a source's name means.

A name settled before stays settled. Otherwise it is the club that goes by the same name but for case, accents,
punctuation and FC; or once all club tokens are set aside, if there is exactly one, the two never play on one day in one
tournament, and the source has no other name for it. Otherwise similar names of known clubs are proposed and the rows
wait for a decision. A name like no other is a new club.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import SourceMatch
from matchcast.domain.names import fold_name, normalise_team_name, plain_name, team_slug
from matchcast.errors import BadInput, NotFound, UnknownTeam
from matchcast.ports import AliasStatus, MatchStore, Refusal, ResolvedMatch, TeamAlias, TeamRecord

ANY_SOURCE: Final = "*"
MatchDay = tuple[str, date]
"""Tournament and day: two names that both play on one are two clubs."""

SIMILAR: Final = 85.0
"""From this score (0-100) on, two names may mean one club."""

_MAX_PROPOSALS: Final = 3


class NewTeams(StrEnum):
    """What to do with a name that is no known club's."""

    PROPOSE = "propose"
    """Hold back names similar to known clubs, make clubs of the others."""
    CREATE = "create"
    """Make a club of each."""
    REVIEW = "review"
    """Hold back each."""


class Pair(NamedTuple):
    """Two clubs with similar names that never met: perhaps one club."""

    country: str
    one: str
    other: str


@dataclass(slots=True)
class Resolution:
    """The rows whose clubs are known, and what was learnt on the way.

    Attributes:
        rows: the rows to load; `indices` tells where each stood among the rows given.
        refused: rows held back.
        new_teams: clubs to make.
        aliases: names to store.
        recognised: those of them that were matched to a club by their spelling alone.
        held: names that wait for a decision.
        look_alikes: worth a look.
    """

    rows: list[ResolvedMatch] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    new_teams: list[TeamRecord] = field(default_factory=list)
    aliases: list[TeamAlias] = field(default_factory=list)
    recognised: list[TeamAlias] = field(default_factory=list)
    held: list[TeamAlias] = field(default_factory=list)
    look_alikes: list[Pair] = field(default_factory=list)


def resolve_teams(
    rows: Sequence[SourceMatch],
    teams: Sequence[TeamRecord],
    aliases: Sequence[TeamAlias],
    committed: Sequence[TeamAlias],
    *,
    now: datetime,
    policy: NewTeams = NewTeams.PROPOSE,
) -> Resolution:
    """Find the clubs of one source's rows.

    Args:
        teams, aliases: what the store knows.
        committed: names known beforehand; the first of a club is its usual name.
    """
    result = Resolution()
    seen: defaultdict[tuple[str, str], defaultdict[str, set[MatchDay]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        competition = COMPETITION_BY_ID.get(row.tournament)
        if competition is not None:
            names = seen[row.source, competition.country]
            match_day = (row.tournament, row.kickoff_at.date())
            names[row.home_team].add(match_day)
            names[row.away_team].add(match_day)
    ids: dict[tuple[str, str], Mapping[str, str]] = {}
    for (source, country), names in seen.items():
        known = _Country(source, country, teams, aliases, committed)
        ids[source, country] = known.settle(names, policy, now, result)
        teams = [*teams, *(team for team in result.new_teams if team not in teams)]
    held = {(alias.source, alias.country, alias.name): alias for alias in result.held}
    for index, row in enumerate(rows):
        _place(row, index, ids, held, result)
    return result


def _place(
    row: SourceMatch,
    index: int,
    ids: Mapping[tuple[str, str], Mapping[str, str]],
    held: Mapping[tuple[str, str, str], TeamAlias],
    result: Resolution,
) -> None:
    competition = COMPETITION_BY_ID.get(row.tournament)
    if competition is None:
        reason = f"tournament: {row.tournament!r} is unknown; add it to domain/competitions.py"
        result.refused.append(Refusal(index, reason))
        return
    by_name = ids[row.source, competition.country]
    waiting = [name for name in (row.home_team, row.away_team) if name not in by_name]
    if waiting:
        reasons = (_waits(held[row.source, competition.country, name]) for name in waiting)
        result.refused.append(Refusal(index, "; ".join(reasons)))
        return
    result.rows.append(ResolvedMatch(row, by_name[row.home_team], by_name[row.away_team]))
    result.indices.append(index)


def _waits(alias: TeamAlias) -> str:
    may_be = f"may be {' or '.join(alias.proposals)}" if alias.proposals else "is new"
    words = f'{alias.source} {alias.country} "{alias.name}"'
    return (
        f"team: {alias.name!r} of {alias.country} {may_be}; decide with `matchcast teams alias {words} TEAM_ID` or"
        f" `matchcast teams new {words}`, then load again"
    )


class _Country:
    """The clubs of one country and all the names they go by, for one source."""

    def __init__(
        self,
        source: str,
        country: str,
        teams: Iterable[TeamRecord],
        aliases: Iterable[TeamAlias],
        committed: Iterable[TeamAlias],
    ) -> None:
        self.source = source
        self.country = country
        self.stored = {team.team_id: team for team in teams if team.country == country}
        self.clubs = dict(self.stored)
        self.names: defaultdict[str, list[str]] = defaultdict(list)
        self.exact: dict[str, str] = {}
        self.committed: dict[str, str] = {}
        self.waiting: dict[str, TeamAlias] = {}
        self.seen: Mapping[str, set[MatchDay]] = {}
        self.settled: dict[str, str] = {}
        self.called: defaultdict[str, set[str]] = defaultdict(set)
        self.met: defaultdict[str, set[MatchDay]] = defaultdict(set)
        self.by_fold: defaultdict[str, set[str]] = defaultdict(set)
        self.by_normal: defaultdict[str, set[str]] = defaultdict(set)
        self.everywhere: defaultdict[str, list[TeamAlias]] = defaultdict(list)
        for alias in committed:
            if alias.country == country and alias.team_id is not None:
                self._learn_committed(alias, alias.team_id)
        for team in self.stored.values():
            self._add_name(team.team_id, team.name)
        for alias in aliases:
            if alias.country == country:
                self._learn_stored(alias)

    def _learn_committed(self, alias: TeamAlias, team_id: str) -> None:
        self.clubs.setdefault(team_id, TeamRecord(team_id, alias.name, self.country))
        self._add_name(team_id, alias.name)
        if alias.source == ANY_SOURCE:
            self.everywhere[team_id].append(alias)
            self.committed[fold_name(alias.name)] = team_id
        elif alias.source == self.source:
            self.exact[alias.name] = team_id

    def _learn_stored(self, alias: TeamAlias) -> None:
        if alias.team_id is None:
            if alias.source == self.source:
                self.waiting[alias.name] = alias
            return
        self._add_name(alias.team_id, alias.name)
        if alias.source == self.source:
            self.exact[alias.name] = alias.team_id
            self.called[alias.team_id].add(alias.name)

    def _add_name(self, team_id: str, name: str) -> None:
        self.names[team_id].append(name)
        self.by_fold[fold_name(name)].add(team_id)
        self.by_normal[normalise_team_name(name)].add(team_id)

    def settle(
        self, seen: Mapping[str, set[MatchDay]], policy: NewTeams, now: datetime, result: Resolution
    ) -> Mapping[str, str]:
        """The club of each name, except of those that wait; what is learnt goes into `result`."""
        self.seen = seen
        first_load = not self.stored
        for name in sorted(seen):
            team_id = self.exact.get(name) or self.committed.get(fold_name(name))
            if team_id is not None:
                self._take(name, team_id, now, result)
        for name in sorted(seen.keys() - self.settled.keys()):
            team_id = self._by_spelling(name, seen[name])
            if team_id is not None:
                result.recognised.append(self._take(name, team_id, now, result))
        for name in sorted(seen.keys() - self.settled.keys()):
            proposals = () if first_load else self._proposals(name, seen[name])
            must_wait = policy is NewTeams.REVIEW or bool(proposals)
            if must_wait and policy is not NewTeams.CREATE:
                alias = TeamAlias(self.source, self.country, name, None, AliasStatus.REVIEW, proposals)
                result.held.append(alias)
                if self.waiting.get(name) != alias:
                    result.aliases.append(alias)
                continue
            same_spelling = self._by_spelling(name, seen[name])
            self._take(name, same_spelling or self._new_club(name), now, result)
        made = [team.team_id for team in result.new_teams if team.country == self.country]
        result.look_alikes.extend(self._look_alikes([i for i in made if i not in self.everywhere]))
        return self.settled

    def _take(self, name: str, team_id: str, now: datetime, result: Resolution) -> TeamAlias:
        self.settled[name] = team_id
        self.met[team_id] |= self.seen[name]
        alias = TeamAlias(self.source, self.country, name, team_id, AliasStatus.CONFIRMED, (), now)
        if team_id not in self.stored:
            team = self.clubs[team_id]
            if team not in result.new_teams:
                result.new_teams.append(team)
                result.aliases.extend(known._replace(decided_at=now) for known in self.everywhere.get(team_id, ()))
        if name not in self.called[team_id]:
            self.called[team_id].add(name)
            self._add_name(team_id, name)
            result.aliases.append(alias)
        return alias

    def _by_spelling(self, name: str, days: set[MatchDay]) -> str | None:
        found = self.by_fold.get(fold_name(name)) or self.by_normal.get(normalise_team_name(name)) or ()
        if len(found) != 1:
            return None
        (team_id,) = found
        if plain_name(name) in map(plain_name, self.names[team_id]):
            return team_id
        return None if self.called[team_id] or self.met[team_id] & days else team_id

    def _proposals(self, name: str, days: set[MatchDay]) -> tuple[str, ...]:
        spellings = {
            (team_id, spelling): normalise_team_name(spelling)
            for team_id in self.stored
            if not self.met[team_id] & days
            for spelling in self.names[team_id]
        }
        near = process.extract(
            normalise_team_name(name), spellings, scorer=fuzz.WRatio, score_cutoff=SIMILAR, limit=10 * _MAX_PROPOSALS
        )
        return tuple(dict.fromkeys(key[0] for _, _, key in near))[:_MAX_PROPOSALS]

    def _new_club(self, name: str) -> str:
        slug = f"{self.country}:{team_slug(name)}"
        team_id = next(i for i in _numbered(slug) if i not in self.clubs)
        self.clubs[team_id] = TeamRecord(team_id, name, self.country)
        return team_id

    def _look_alikes(self, made: Sequence[str]) -> Iterator[Pair]:
        new = set(made)
        for one in sorted(new):
            for other in sorted(self.met):
                if (other in new and other <= one) or other == one or self.met[one] & self.met[other]:
                    continue
                if self._similar(one, other):
                    yield Pair(self.country, one, other)

    def _similar(self, one: str, other: str) -> bool:
        names = normalise_team_name(self.clubs[one].name), normalise_team_name(self.clubs[other].name)
        return fuzz.token_sort_ratio(*names) >= SIMILAR or fuzz.token_set_ratio(*names) == 100.0


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    number = 2
    while True:
        yield f"{slug}-{number}"
        number += 1


def waiting_names(store: MatchStore) -> Sequence[TeamAlias]:
    """The names that wait for a decision."""
    return [alias for alias in store.aliases() if alias.status is AliasStatus.REVIEW]


class Decision(NamedTuple):
    """A name that was settled; `moved` matches changed clubs, and `reload` says whether others still have to.

    Attributes:
        reload: the name's old club has other names too, so its matches move only when their source is loaded again.
    """

    alias: TeamAlias
    moved: int
    reload: bool


def decide_alias(store: MatchStore, source: str, country: str, name: str, team_id: str, *, now: datetime) -> Decision:
    """Settle that a source's name means a known club. A club that goes by this name alone becomes one with it.

    Raises:
        UnknownTeam: there is no such club in this country.
        NotFound: the source never told this name.
        BadInput: the two cannot be one club: they played each other, or the same opponent on the same day.
    """
    with store.turn():
        clubs = {team.team_id: team for team in store.teams() if team.country == country}
        if team_id not in clubs:
            near = process.extract(team_id, list(clubs), scorer=fuzz.WRatio, limit=_MAX_PROPOSALS)
            suggestions = tuple(match for match, _, _ in near)
            raise UnknownTeam(
                f"TEAM_ID: {team_id!r} is no club of {country}; nearest: {', '.join(suggestions) or 'none yet'}",
                "team_id",
                suggestions,
            )
        known = store.aliases()
        before = _told(known, source, country, name)
        alone = before.team_id is not None and before.team_id != team_id
        if alone:
            alone = not any(a.team_id == before.team_id and a.name != name and a.source != ANY_SOURCE for a in known)
        merged = before.team_id if alone else None
        alias = TeamAlias(source, country, name, team_id, AliasStatus.CONFIRMED, (), now)
        moved = store.decide(alias, None, merged)
        return Decision(alias, moved, before.team_id not in (None, team_id) and not alone)


def decide_new(store: MatchStore, source: str, country: str, name: str, *, now: datetime) -> Decision:
    """Settle that a source's name is a club of its own.

    Raises:
        NotFound: the source never told this name.
        BadInput: the name stands for a club of its own already.
    """
    with store.turn():
        team_ids = {team.team_id for team in store.teams()}
        before = _told(store.aliases(), source, country, name)
        slug = f"{country}:{team_slug(name)}"
        if before.team_id == slug:
            raise BadInput(f"NAME: {name!r} is the club {slug} already", "name")
        team = TeamRecord(next(i for i in _numbered(slug) if i not in team_ids), name, country)
        alias = TeamAlias(source, country, name, team.team_id, AliasStatus.CONFIRMED, (), now)
        return Decision(alias, store.decide(alias, team, None), before.team_id is not None)


def _told(aliases: Iterable[TeamAlias], source: str, country: str, name: str) -> TeamAlias:
    for alias in aliases:
        if (alias.source, alias.country, alias.name) == (source, country, name):
            return alias
    raise NotFound(f"NAME: {source} told no club {name!r} of {country}; `matchcast teams review` lists what waits")
