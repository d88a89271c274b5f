"""Deciding, by hand, which club a source's name means."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from rapidfuzz import fuzz, process

from matchcast.domain.names import team_slug
from matchcast.errors import BadInput, NotFound, UnknownTeam
from matchcast.ports import AliasStatus, MatchStore, TeamAlias, TeamRecord
from matchcast.ports.reviews import HeldName
from matchcast.usecases.naming import ANY_SOURCE, Country, numbered
from matchcast.usecases.resolution import Told, country_of

_NEAREST = 3


def held_names(store: MatchStore) -> Sequence[HeldName]:
    """The names that wait for a decision, each with the clubs it may mean by all that is stored now."""
    with store.turn():
        aliases = store.aliases()
        waiting = [alias for alias in aliases if alias.status is AliasStatus.REVIEW]
        if not waiting:
            return []
        countries = countries_of(store, {(alias.source, alias.country) for alias in waiting}, aliases)
        return [_held(alias, countries[alias.source, alias.country]) for alias in waiting]


def countries_of(
    store: MatchStore, wanted: Iterable[tuple[str, str]], aliases: Sequence[TeamAlias]
) -> Mapping[tuple[str, str], Country]:
    """The clubs of each (source, country), beside the matches that wait."""
    teams, waiting = store.teams(), store.waiting_matches()
    found = {}
    for source, country in wanted:
        kept = [m for m in waiting if m.source == source and country_of(m.tournament) == country]
        found[source, country] = Country(source, country, teams, aliases, (), Told((), kept), store, ())
    return found


def _held(alias: TeamAlias, country: Country) -> HeldName:
    return HeldName(alias, len(country.told.diaries.get(alias.name, ())), tuple(country.proposals(alias.name)))


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
            near = process.extract(team_id, list(clubs), scorer=fuzz.WRatio, limit=_NEAREST)
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
        team = TeamRecord(next(i for i in numbered(slug) if i not in team_ids), name, country)
        alias = TeamAlias(source, country, name, team.team_id, AliasStatus.CONFIRMED, (), now)
        return Decision(alias, store.decide(alias, team, None), before.team_id is not None)


def _told(aliases: Iterable[TeamAlias], source: str, country: str, name: str) -> TeamAlias:
    for alias in aliases:
        if (alias.source, alias.country, alias.name) == (source, country, name):
            return alias
    raise NotFound(f"NAME: {source} told no club {name!r} of {country}; `matchcast teams review` lists what waits")
