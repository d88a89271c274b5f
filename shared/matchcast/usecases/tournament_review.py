"""Deciding, by hand, which of our tournaments a source's is."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.errors import BadInput, NotFound, UnknownTournament
from matchcast.ports import MatchStore, TeamAlias
from matchcast.ports.calendar import WaitingMatch
from matchcast.ports.tournaments import HeldTournament, TournamentAlias, TournamentStatus
from matchcast.usecases.tournaments import Names, proposals_of


def held_tournaments(store: MatchStore, committed: Sequence[TeamAlias]) -> Sequence[HeldTournament]:
    """The tournaments that wait for a decision, those with the most to go by first."""
    with store.turn():
        known = store.tournament_aliases()
        names = Names.of(store, committed)
        waiting: defaultdict[str, list[WaitingMatch]] = defaultdict(list)
        for match in store.waiting_matches():
            waiting[match.tournament].append(match)
        held = []
        for alias in known:
            if alias.status is TournamentStatus.REVIEW:
                matches = waiting[alias.told_as]
                held.append(HeldTournament(alias, len(matches), proposals_of(alias, matches, names, known, store)))
    return sorted(held, key=lambda h: (-sum(p.agreeing + p.likely for p in h.proposals[:1]), not h.proposals))


def decide_tournament(store: MatchStore, source: str, code: str, tournament: str, *, now: datetime) -> TournamentAlias:
    """Settle that a source's tournament is one of ours.

    Raises:
        NotFound: the source told no tournament of this code that we do not know.
        UnknownTournament: there is no such tournament in its country.
        BadInput: it was settled as another one, and matches of that one are stored as this source's.
    """
    with store.turn():
        alias = _told(store, source, code)
        competition = COMPETITION_BY_ID.get(tournament)
        if competition is None or competition.country != alias.country:
            known = ", ".join(c.id for c in COMPETITION_BY_ID.values() if c.country == alias.country)
            raise UnknownTournament(
                f"TOURNAMENT_ID: {tournament!r} is no tournament of {alias.country}; take one of {known}",
                "tournament_id",
            )
        before = alias.tournament_id
        if before not in (None, tournament) and store.tells(source, before):
            raise BadInput(
                f"TOURNAMENT_ID: {code} of {source} was settled as {before}, and its matches are stored there; leave it so,"
                " or load everything into a new database after deciding",
                "tournament_id",
            )
        return _put(store, alias._replace(tournament_id=tournament, status=TournamentStatus.SETTLED, decided_at=now))


def ignore_tournament(store: MatchStore, source: str, code: str, *, now: datetime) -> TournamentAlias:
    """Settle that a source's tournament is none of ours: its matches are left out, and it is not asked about again.

    Raises:
        NotFound: the source told no tournament of this code that we do not know.
    """
    with store.turn():
        alias = _told(store, source, code)
        return _put(store, alias._replace(status=TournamentStatus.IGNORED, decided_at=now))


def _put(store: MatchStore, alias: TournamentAlias) -> TournamentAlias:
    store.put_tournaments([alias])
    return alias


def _told(store: MatchStore, source: str, code: str) -> TournamentAlias:
    for alias in store.tournament_aliases():
        if (alias.source, alias.code) == (source, code):
            return alias
    raise NotFound(
        f"CODE: {source} told no tournament {code!r} that we do not know; `matchcast tournaments review` lists what waits"
    )
