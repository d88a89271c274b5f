"""Which match is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Final

from matchcast.domain.assumption import Hypothetical
from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.forecast import Pairing
from matchcast.domain.match import Fixture, day_start
from matchcast.errors import BadInput, NotFound, UnknownTeam, UnknownTournament
from matchcast.ports import StateSnapshot

FURTHEST: Final = timedelta(days=366)
"""How far ahead a kick-off may be."""

Question = int | Pairing | Hypothetical
"""The id of a known fixture, a pairing, or either under an assumption."""


def fixture_asked_for(asked: int | Pairing, snapshot: StateSnapshot, as_of: datetime) -> Fixture:
    """The match to forecast, before its kick-off.

    Raises:
        NotFound: no fixture in the snapshot has this id.
        BadInput: an unknown name, one club twice, or a kick-off in the past or too far ahead; names the field.
    """
    fixture = known_fixture(asked, snapshot) if isinstance(asked, int) else fixture_of(asked, snapshot, as_of)
    check_kickoff(fixture.kickoff_at, fixture.kickoff_known, as_of, field_of(asked))
    return fixture


def field_of(asked: int | Pairing) -> str:
    """The field that the kick-off was asked for by."""
    return "match_id" if isinstance(asked, int) else "kickoff_at"


def known_fixture(match_id: int, snapshot: StateSnapshot) -> Fixture:
    """The upcoming fixture with this id.

    Raises:
        NotFound: there is none.
    """
    fixture = snapshot.fixture(match_id)
    if fixture is None:
        raise NotFound(
            f"match_id: {match_id} is no upcoming fixture of the snapshot as of {snapshot.as_of.isoformat()}; "
            "GET /predict/ lists the fixtures with forecasts, and home_team, away_team, tournament and kickoff_at "
            "forecast any pairing"
        )
    return fixture


def fixture_of(asked: Pairing, snapshot: StateSnapshot, as_of: datetime) -> Fixture:
    """The known fixture of this pairing on this day, or the pairing as it was asked for.

    Raises:
        BadInput: an unknown name, one club twice, or a kick-off in the past or too far ahead; names the field.
    """
    try:
        tournament = snapshot.tournament_id(asked.tournament)
    except UnknownTournament as error:
        raise UnknownTournament(f"tournament: {error}", "tournament") from error
    home = _team(asked.home_team, tournament, snapshot, "home_team")
    away = _team(asked.away_team, tournament, snapshot, "away_team")
    if home == away:
        raise BadInput(f"away_team: {home} is the home team too; give two different clubs", "away_team")
    kickoff_at = asked.kickoff_at.astimezone(UTC)
    check_kickoff(kickoff_at, asked.kickoff_known, as_of, "kickoff_at")
    known = snapshot.fixture_of(tournament, home, away, kickoff_at.date())
    if known is not None:
        return known
    season = asked.season
    if season is None:
        competition = COMPETITION_BY_ID.get(tournament)
        season = None if competition is None else competition.season_of(kickoff_at.date())
    elif not kickoff_at.year - 1 <= season <= kickoff_at.year:
        raise BadInput(
            f"season: {season} does not fit the kick-off; give the year in which the season starts, "
            f"{kickoff_at.year - 1} or {kickoff_at.year}",
            "season",
        )
    return Fixture(tournament, home, away, kickoff_at, season, kickoff_known=asked.kickoff_known)


def _team(name: str, tournament: str, snapshot: StateSnapshot, field: str) -> str:
    try:
        return snapshot.team_id(name, tournament)
    except UnknownTeam as error:
        raise UnknownTeam(f"{field}: {error}", field, error.suggestions) from error


def check_kickoff(kickoff_at: datetime, kickoff_known: bool, as_of: datetime, field: str) -> None:
    """Forecasts are made before kick-off, where only the day is known until it ends, and no more than a year ahead.

    Raises:
        BadInput: names the field.
    """
    if kickoff_at < (as_of if kickoff_known else day_start(as_of)):
        raise BadInput(
            f"{field}: the kick-off {kickoff_at.isoformat()} is before {as_of.isoformat(timespec='seconds')}; "
            "forecasts are made before kick-off, GET /predict/{match_id} shows the last one",
            field,
        )
    if kickoff_at - as_of > FURTHEST:
        raise BadInput(
            f"{field}: the kick-off {kickoff_at.isoformat()} is more than {FURTHEST.days} days ahead; "
            f"give one until {(as_of + FURTHEST).date().isoformat()}",
            field,
        )


def kicked_off(kickoff_at: datetime, field: str) -> BadInput:
    """What is wrong with a match whose kick-off came before its forecast was on record."""
    return BadInput(
        f"{field}: the kick-off {kickoff_at.isoformat()} came before the forecast was on record; forecasts are recorded "
        "before kick-off, GET /predict/{match_id} shows the last one",
        field,
    )
