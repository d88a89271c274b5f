"""A reviewed list of names, applied whole or not at all."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from matchcast.domain.names import team_slug
from matchcast.errors import BadInput
from matchcast.ports import AliasStatus, MatchStore, TeamAlias, TeamRecord
from matchcast.ports.reviews import NEW, Reviewed
from matchcast.usecases.naming import Country, numbered
from matchcast.usecases.team_review import countries_of

_TOLD: Final = 20
_Key = tuple[str, str, str]


class Decided(NamedTuple):
    """What a reviewed list changed.

    Attributes:
        aliases: the names settled.
        new_teams: clubs made of them.
        left: names left waiting.
        known: names that were settled like that before.
    """

    aliases: Sequence[TeamAlias]
    new_teams: Sequence[TeamRecord]
    left: int
    known: int


def decide_all(store: MatchStore, reviewed: Sequence[Reviewed], *, now: datetime) -> Decided:
    """Settle the names of a reviewed list, all in one transaction.

    Raises:
        BadInput: lines contradict one another, what is settled, or the matches; all of them are told, and nothing is
            written.
    """
    with store.turn():
        aliases = store.aliases()
        plan = _Plan(reviewed, store.teams(), aliases)
        asked = {(line.source, line.country) for line in plan.open}
        plan.compare(countries_of(store, sorted(asked), aliases))
        if plan.wrong:
            told = "\n".join(f"  line {line}: {reason}" for line, reason in sorted(plan.wrong)[:_TOLD])
            more = f"\n  and {len(plan.wrong) - _TOLD:,} more" if len(plan.wrong) > _TOLD else ""
            raise BadInput(
                f"decision: nothing was written, {len(plan.wrong):,} lines cannot be:\n{told}{more}", "decision"
            )
        settled = []
        for line, team_id in plan.open.items():
            alias = TeamAlias(line.source, line.country, line.name, team_id, AliasStatus.CONFIRMED, (), now)
            store.decide(alias, plan.made.get(_key(line)), None)
            settled.append(alias)
        return Decided(settled, list(plan.made.values()), plan.left, plan.known)


def _key(line: Reviewed) -> _Key:
    return line.source, line.country, line.name


class _Plan:
    """What each line asks for.

    Attributes:
        open: the club of each line that changes something.
        made: the new clubs, by the name that each is made of.
        wrong: (line, reason) of what cannot be.
    """

    def __init__(self, lines: Sequence[Reviewed], teams: Sequence[TeamRecord], aliases: Sequence[TeamAlias]) -> None:
        self.open: dict[Reviewed, str] = {}
        self.made: dict[_Key, TeamRecord] = {}
        self.wrong: list[tuple[int, str]] = []
        self.known = 0
        self._country_of_club = {team.team_id: team.country for team in teams}
        self._told = {(alias.source, alias.country, alias.name): alias for alias in aliases}
        decided = list(self._once_each(lines))
        self.left = len({_key(line) for line in lines}) - len(decided)
        for line in decided:  # new clubs first: other lines may name them
            if line.decision == NEW:
                self._new(line)
        for line in decided:
            if line.decision != NEW:
                self._mean(line)

    def _once_each(self, lines: Sequence[Reviewed]) -> Iterator[Reviewed]:
        before: dict[_Key, Reviewed] = {}
        for line in lines:
            earlier = before.setdefault(_key(line), line)
            if not line.decision:
                continue
            if earlier is line or not earlier.decision:
                before[_key(line)] = line
                yield line
            elif earlier.decision != line.decision:
                both = f"{earlier.decision} on line {earlier.line} and {line.decision} here"
                self.wrong.append((line.line, f"{line.name!r} of {line.source} is {both}; leave one of the two"))

    def _standing(self, line: Reviewed) -> TeamAlias | None:
        alias = self._told.get(_key(line))
        if alias is None:
            reason = (
                f"{line.source} told no club {line.name!r} of {line.country}; take the names as they are in the list"
            )
            self.wrong.append((line.line, reason))
        return alias

    def _settled(self, line: Reviewed, alias: TeamAlias) -> None:
        words = f'`matchcast teams alias {line.source} {line.country} "{line.name}" TEAM_ID`'
        reason = f"{line.name!r} was settled as {alias.team_id} before; leave the line out, or change it by {words}"
        self.wrong.append((line.line, reason))

    def _new(self, line: Reviewed) -> None:
        alias = self._standing(line)
        if alias is None:
            return
        slug = f"{line.country}:{team_slug(line.name)}"
        if alias.team_id is not None:
            made_of_it = alias.team_id == slug or alias.team_id.startswith(f"{slug}-")
            self.known += made_of_it
            if not made_of_it:
                self._settled(line, alias)
            return
        team_id = next(i for i in numbered(slug) if i not in self._country_of_club)
        self._country_of_club[team_id] = line.country
        self.made[_key(line)] = TeamRecord(team_id, line.name, line.country)
        self.open[line] = team_id

    def _mean(self, line: Reviewed) -> None:
        alias = self._standing(line)
        if alias is None:
            return
        if alias.team_id is not None:
            self.known += alias.team_id == line.decision
            if alias.team_id != line.decision:
                self._settled(line, alias)
        elif self._country_of_club.get(line.decision) != line.country:
            reason = f"{line.decision!r} is no club of {line.country}; write the id of one, `{NEW}`, or nothing"
            self.wrong.append((line.line, reason))
        else:
            self.open[line] = line.decision

    def compare(self, countries: Mapping[tuple[str, str], Country]) -> None:
        """Find decisions that the matches speak against."""
        by_club: defaultdict[tuple[str, str], list[Reviewed]] = defaultdict(list)
        for line, club in self.open.items():
            country = countries[line.source, line.country]
            by_club[line.source, club].append(line)
            if country.played(line.name, club):
                self.wrong.append((line.line, f"{line.name!r} cannot be {club}: they played each other"))
            evidence = country.weigh(line.name, club)
            if evidence.refutes:
                reason = (
                    f"{line.name!r} cannot be {club}: on {evidence.against:,} days both played, but different matches"
                    f" ({evidence.agreeing + evidence.likely:,} agree); decide for another club or `{NEW}`"
                )
                self.wrong.append((line.line, reason))
        for (source, club), lines in by_club.items():
            for line, earlier in ((line, earlier) for n, line in enumerate(lines) for earlier in lines[:n]):
                day = _day_of_both(countries[source, line.country], line.name, earlier.name)
                if day is not None:
                    reason = f"{line.name!r} and {earlier.name!r} (line {earlier.line}) both played on {day}"
                    self.wrong.append((line.line, f"{reason}: they cannot both be {club}"))


def _day_of_both(country: Country, one: str, other: str) -> date | None:
    """The first day on which both names play in one tournament."""
    days = [{(entry.tournament, entry.day) for entry in country.told.diaries.get(n, ())} for n in (one, other)]
    both = days[0] & days[1]
    return date.fromordinal(min(day for _, day in both)) if both else None
