"""The clubs of one country, and which of them a source's names are."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

from rapidfuzz import fuzz, process

from matchcast.domain.names import fold_name, normalise_team_name, plain_name, team_slug
from matchcast.ports import AliasStatus, TeamAlias, TeamRecord
from matchcast.ports.calendar import Calendar, PlayedOn
from matchcast.ports.reviews import Proposal
from matchcast.usecases.calendars import ENOUGH, Clubs, Evidence, Meaning, likeliest, settle_by_calendar, weigh
from matchcast.usecases.resolution import MatchDay, NewTeams, Pair, Resolution, Told

ANY_SOURCE: Final = "*"

SIMILAR: Final = 85.0
"""From this score (0-100) on, two names may mean one club."""

_MAX_PROPOSALS: Final = 3


class Country:
    """The clubs of one country and all the names they go by, for one source."""

    def __init__(
        self,
        source: str,
        country: str,
        teams: Iterable[TeamRecord],
        aliases: Iterable[TeamAlias],
        committed: Iterable[TeamAlias],
        told: Told,
        calendar: Calendar,
        placed: Sequence[PlayedOn],
    ) -> None:
        self.told = told
        self.calendar = calendar
        self.placed = placed
        self.source = source
        self.country = country
        self.stored = {team.team_id: team for team in teams if team.country == country}
        self.clubs = dict(self.stored)
        self.names: defaultdict[str, list[str]] = defaultdict(list)
        self.exact: dict[str, str] = {}
        self.committed: dict[str, str] = {}
        self.waiting: dict[str, TeamAlias] = {}
        self.settled: dict[str, str] = {}
        self.called: defaultdict[str, set[str]] = defaultdict(set)
        self.met: defaultdict[str, set[MatchDay]] = defaultdict(set)
        self.by_fold: defaultdict[str, set[str]] = defaultdict(set)
        self.by_normal: defaultdict[str, set[str]] = defaultdict(set)
        self.everywhere: defaultdict[str, list[TeamAlias]] = defaultdict(list)
        self.elsewhere: dict[tuple[str, str], str] = {}
        self.own: dict[str, TeamAlias] = {}
        self.by_id: defaultdict[str, set[str]] = defaultdict(set)
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
            self.own[alias.name] = alias
            if alias.club_id is not None:
                self.by_id[alias.club_id].add(alias.team_id)
        else:
            self.elsewhere[alias.source, alias.name] = alias.team_id

    def _add_name(self, team_id: str, name: str) -> None:
        self.names[team_id].append(name)
        self.by_fold[fold_name(name)].add(team_id)
        self.by_normal[normalise_team_name(name)].add(team_id)

    def known(self, name: str) -> str | None:
        """The club of a name that is settled, or committed, or spelt like those of one club alone."""
        team_id = self.exact.get(name) or self.committed.get(fold_name(name))
        if team_id is not None:
            return team_id
        found = self.by_fold.get(fold_name(name)) or self.by_normal.get(normalise_team_name(name)) or ()
        return next(iter(found)) if len(found) == 1 else None

    def settle(self, policy: NewTeams, now: datetime, result: Resolution) -> Mapping[str, str]:
        """The club of each name, except of those that wait; what is learnt goes into `result`."""
        first_load = not self.stored
        for name in sorted(self.told.days):
            team_id = self.exact.get(name) or self.committed.get(fold_name(name))
            if team_id is not None:
                self._take(name, team_id, now, result)
        for name in self._open():
            team_id = self._by_id(name)
            if team_id is not None:
                result.recognised.append(self._take(name, team_id, now, result))
        result.recognised.extend(self._spelt(now, result, plain=True))
        while True:
            by_calendar = self._matched(now, result)
            by_spelling = self._spelt(now, result, plain=False)
            result.by_calendar.extend(by_calendar)
            result.recognised.extend(by_spelling)
            if not by_calendar and not by_spelling:
                break
        for name in self._open():
            same_id = self._by_id(name)
            if same_id is not None:
                result.recognised.append(self._take(name, same_id, now, result))
                continue
            proposals = () if first_load else tuple(found.team_id for found in self.proposals(name))
            must_wait = policy is NewTeams.REVIEW or bool(proposals) or (not first_load and self._may_be_known(name))
            if must_wait and policy is not NewTeams.CREATE:
                alias = TeamAlias(self.source, self.country, name, None, AliasStatus.REVIEW, proposals)
                result.held.append(alias)
                if self.waiting.get(name) != alias:
                    result.aliases.append(alias)
                continue
            same_spelling = self._by_spelling(name, plain=False)
            self._take(name, same_spelling or self._new_club(name), now, result)
        made = [team.team_id for team in result.new_teams if team.country == self.country]
        result.look_alikes.extend(self._look_alikes([i for i in made if i not in self.everywhere]))
        return self.settled

    def _open(self) -> Sequence[str]:
        return sorted(self.told.days.keys() - self.settled.keys())

    def _spelt(self, now: datetime, result: Resolution, *, plain: bool) -> list[TeamAlias]:
        found = []
        for name in self._open():
            team_id = self._by_spelling(name, plain=plain)
            if team_id is not None:
                found.append(self._take(name, team_id, now, result))
        return found

    def _matched(self, now: datetime, result: Resolution) -> list[TeamAlias]:
        """Names settled by the calendar, also such as waited and are not told by this load."""
        waited = {match.home_name for match in self.told.waiting} | {match.away_name for match in self.told.waiting}
        names = {*self._open(), *(waited - self._meaning.clubs.keys())}
        if not self.stored or not names:
            return []
        diaries = {name: self.told.diaries[name] for name in sorted(names) if name in self.told.diaries}
        found = settle_by_calendar(diaries, self._clubs, self._meaning.clubs, self._taken)
        return [self._take(name, found[name], now, result) for name in sorted(found)]

    @property
    def _meaning(self) -> Meaning:
        """Every name told, in this load or by a match that waits, that is settled."""
        clubs = dict(self.settled)
        for match in self.told.waiting:
            for name in (match.home_name, match.away_name):
                team_id = self.exact.get(name) or self.committed.get(fold_name(name))
                if name not in clubs and team_id is not None:
                    clubs[name] = team_id
        return Meaning(clubs)

    @property
    def _taken(self) -> Collection[str]:
        """The clubs that this source has a name for."""
        return {*self.exact.values(), *self.settled.values()}

    @cached_property
    def _clubs(self) -> Clubs:
        """The stored clubs' matches around those of this load."""
        tournaments, first, last = self._span
        if not tournaments or not self.stored:
            return Clubs(self.placed)
        a_day = timedelta(days=1)
        return Clubs([*self.calendar.calendar(tournaments, first - a_day, last + a_day), *self.placed])

    @cached_property
    def _span(self) -> tuple[Collection[str], date, date]:
        """The tournaments of this load and of what waits, the first day and the last."""
        entries = [entry for diary in self.told.diaries.values() for entry in diary]
        days = [entry.day for entry in entries] or [1]
        return {entry.tournament for entry in entries}, date.fromordinal(min(days)), date.fromordinal(max(days))

    @cached_property
    def _followed(self) -> Collection[tuple[str, int]]:
        """The tournaments and days of which other sources tell, loaded or not."""
        stored = self.calendar.told_by_others(self.source, *self._span)
        told = [*stored, *(match[:2] for match in self.placed), *(match[2:4] for match in self.told.others)]
        return {(tournament, day.toordinal()) for tournament, day in told}

    @cached_property
    def _playing_elsewhere(self) -> Collection[tuple[str, str, int]]:
        """(club, tournament, day) by what waits of other sources."""
        return {
            (club, match.tournament, match.day.toordinal())
            for match in self.told.others
            for name in (match.home_name, match.away_name)
            if (club := self.elsewhere.get((match.source, name))) is not None
        }

    @cached_property
    def _members(self) -> Mapping[str, Collection[str]]:
        """The clubs of each tournament told, whatever the season."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for tournament, club in self.calendar.clubs_of({row.tournament for row in self.told.rows}):
            found[tournament].add(club)
        for match in self.placed:
            found[match.tournament] |= {match.home_team, match.away_team}
        return found

    def _refuted(self, name: str, team_id: str) -> bool:
        """The calendar says that this name is not this club."""
        diary = self.told.diaries.get(name, ()) if self.stored else ()
        return bool(diary) and weigh(diary, team_id, self._clubs, self._meaning, ()).refutes

    def _may_be_known(self, name: str) -> bool:
        """Other sources tell a club of its tournaments that this source has no name for.

        So of two sources only one makes clubs at a time, and the other finds all their matches to compare its own with.
        Once others tell of enough days on which this name plays, only clubs that may have played its matches count.
        """
        members = {club for tournament, _ in self.told.days[name] for club in self._members.get(tournament, ())}
        unnamed = members - {*self._taken}
        days = {(entry.tournament, entry.day) for entry in self.told.diaries.get(name, ())}
        if not unnamed or len(days & {*self._followed}) < ENOUGH:
            return bool(unnamed)
        return any(self._may_have_played(name, club) for club in unnamed)

    def _may_have_played(self, name: str, club: str) -> bool:
        """The club has a match that may be one of this name's, whoever's ground it is on."""
        clubs, diary = self._meaning.clubs, self.told.diaries.get(name, ())
        near = {(club, entry.tournament, entry.day + apart) for entry in diary for apart in (-1, 0, 1)}
        return not near.isdisjoint(self._playing_elsewhere) or any(
            clubs.get(entry.other, theirs.other) == theirs.other
            for entry in diary
            for theirs in self._clubs.near(club, entry)
        )

    def _take(self, name: str, team_id: str, now: datetime, result: Resolution) -> TeamAlias:
        self.settled[name] = team_id
        self.met[team_id] |= self.told.days.get(name, set())
        alias = TeamAlias(self.source, self.country, name, team_id, AliasStatus.CONFIRMED, (), now)
        if team_id not in self.stored:
            team = self.clubs[team_id]
            if team not in result.new_teams:
                result.new_teams.append(team)
                result.aliases.extend(known._replace(decided_at=now) for known in self.everywhere.get(team_id, ()))
        before, club_id = self.own.get(name), self.told.ids.get(name)
        if before is not None:
            alias = before if before.club_id is not None else before._replace(club_id=club_id)
        else:
            alias = alias._replace(club_id=club_id)
        if alias.club_id is not None:
            self.by_id[alias.club_id].add(team_id)
        if name not in self.called[team_id]:
            self.called[team_id].add(name)
            self._add_name(team_id, name)
        if alias != before:
            result.aliases.append(alias)
        return alias

    def _by_id(self, name: str) -> str | None:
        """The club for which the source told the same id before, by another name that does not play on the same days."""
        found = self.by_id.get(self.told.ids.get(name, ""), ())
        if len(found) != 1:
            return None
        (team_id,) = found
        if self.met[team_id] & self.told.days[name] or (team_id in self.stored and self._refuted(name, team_id)):
            return None
        return team_id

    def _by_spelling(self, name: str, *, plain: bool) -> str | None:
        """The club that goes by this name, but for club tokens unless it must be `plain`ly the same."""
        found = self.by_fold.get(fold_name(name)) or self.by_normal.get(normalise_team_name(name)) or ()
        if len(found) != 1:
            return None
        (team_id,) = found
        same = plain_name(name) in map(plain_name, self.names[team_id])
        if not same and (plain or self.called[team_id] or self.met[team_id] & self.told.days[name]):
            return None
        return None if team_id in self.stored and self._refuted(name, team_id) else team_id

    def proposals(self, name: str) -> Sequence[Proposal]:
        """The likeliest clubs, by the calendar before by spelling."""
        days = self.told.days.get(name, set())
        diary = self.told.diaries.get(name, ())
        played = [club for club, _ in likeliest(diary, self._clubs, self._meaning, self._taken)]
        spellings = {
            (team_id, spelling): normalise_team_name(spelling)
            for team_id in self.stored
            if not self.met[team_id] & days
            for spelling in self.names[team_id]
        }
        near = process.extract(
            normalise_team_name(name), spellings, scorer=fuzz.WRatio, score_cutoff=SIMILAR, limit=10 * _MAX_PROPOSALS
        )
        alike = [key[0] for _, _, key in near if not self._refuted(name, key[0])]
        chosen = list(dict.fromkeys([*played[:_MAX_PROPOSALS], *alike]))[:_MAX_PROPOSALS]
        return [self._proposal(name, club) for club in chosen if club in self.clubs]

    def weigh(self, name: str, team_id: str) -> Evidence:
        """What the calendar says of this name and this club."""
        return weigh(self.told.diaries.get(name, ()), team_id, self._clubs, self._meaning, self._taken)

    def played(self, name: str, team_id: str) -> bool:
        """The name has a match against this club."""
        clubs = self._meaning.clubs
        return any(clubs.get(entry.other) == team_id for entry in self.told.diaries.get(name, ()))

    def _proposal(self, name: str, team_id: str) -> Proposal:
        plain = normalise_team_name(name)
        similarity = max(fuzz.WRatio(plain, normalise_team_name(spelling)) for spelling in self.names[team_id])
        return Proposal(team_id, self.clubs[team_id].name, *self.weigh(name, team_id), round(similarity))

    def _new_club(self, name: str) -> str:
        slug = f"{self.country}:{team_slug(name)}"
        team_id = next(i for i in numbered(slug) if i not in self.clubs)
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


def numbered(slug: str) -> Iterator[str]:
    """The slug, then the same with 2, 3 and so on."""
    yield slug
    number = 2
    while True:
        yield f"{slug}-{number}"
        number += 1
