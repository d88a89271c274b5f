"""Forecast one fixture on request."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.forecast import Cause, Coverage, Forecast, Pairing, Probabilities
from matchcast.domain.match import Fixture, day_start
from matchcast.errors import BadInput, NotFound, Unavailable, UnknownTeam, UnknownTournament
from matchcast.features.layout import T_PLAYED
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle, features_known
from matchcast.ports import Ledger, StateSnapshot

_LOG: Final = logging.getLogger("matchcast.predict")

FURTHEST: Final = timedelta(days=366)
"""How far ahead a kick-off may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A forecast and what it was made from.

    Attributes:
        row: float32, shape (1, features), as the model read it.
    """

    forecast: Forecast
    row: NDArray[np.float32]
    coverage: Coverage


def forecast_for(
    asked: int | Pairing, *, bundle: Bundle, snapshot: StateSnapshot, code_revision: str, now: datetime
) -> Answer:
    """Forecast what was asked for.

    The forecast's `as_of` is `now`, or the snapshot's where that is later, so that nothing known later went in.

    Args:
        asked: the id of a known fixture, or a pairing.
    Raises:
        NotFound: no fixture in the snapshot has this id.
        BadInput: an unknown name, one club twice, or a kick-off in the past or too far ahead; names the field.
        Unavailable: as `make_forecast`.
    """
    as_of = max(now, snapshot.as_of)
    fixture = known_fixture(asked, snapshot) if isinstance(asked, int) else fixture_of(asked, snapshot, as_of)
    _check_kickoff(
        fixture.kickoff_at, fixture.kickoff_known, as_of, "match_id" if isinstance(asked, int) else "kickoff_at"
    )
    return _answer(
        fixture, bundle=bundle, snapshot=snapshot, code_revision=code_revision, as_of=as_of, cause=Cause.REQUESTED
    )


def record(forecast: Forecast, ledger: Callable[[], Ledger], now: datetime) -> int | None:
    """Put a forecast into the ledger, before anyone sees it.

    Args:
        ledger: opens the ledger.
    Returns:
        Its id there; None while the ledger cannot be reached: then the answer says that the ledger is behind.
    """
    try:
        return ledger().append([forecast], recorded_at=now)[0].forecast_id
    except Unavailable as error:
        _LOG.warning("the ledger is behind by a forecast: %s", error)
        return None


def make_forecast(
    fixture: Fixture, *, bundle: Bundle, snapshot: StateSnapshot, code_revision: str, as_of: datetime, cause: Cause
) -> Forecast:
    """The forecast that this model and this state give; equal inputs give an equal forecast.

    Raises:
        Unavailable: the model reads prices, and the snapshot has none of this fixture.
    """
    return _answer(
        fixture, bundle=bundle, snapshot=snapshot, code_revision=code_revision, as_of=as_of, cause=cause
    ).forecast


def _answer(
    fixture: Fixture, *, bundle: Bundle, snapshot: StateSnapshot, code_revision: str, as_of: datetime, cause: Cause
) -> Answer:
    pairing = snapshot.pairing(fixture)
    if bundle.contract.market_from and any(isnan(log_odds) for log_odds in pairing.market):
        raise Unavailable(
            f"model {bundle.version} reads bookmakers' prices, and the snapshot as of {snapshot.as_of.isoformat()} has "
            "none of this match: ask for a fixture that GET /predict/ lists, run the batch_inference stage again, or promote a "
            "model without the market overlay"
        )
    row = np.array([read_row(pairing, fixture, bundle.contract)], dtype=np.float32)
    home, draw, away = bundle.predict(row)[0].tolist()
    forecast = Forecast(
        fixture=fixture,
        as_of=as_of,
        probabilities=Probabilities(home, draw, away),
        model_version=bundle.version,
        snapshot_hash=snapshot.state_hash,
        code_revision=code_revision,
        cause=cause,
    )
    (known,) = features_known(row).tolist()
    return Answer(forecast, row, Coverage(known, int(pairing.home[T_PLAYED]), int(pairing.away[T_PLAYED])))


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
    _check_kickoff(kickoff_at, asked.kickoff_known, as_of, "kickoff_at")
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


def _check_kickoff(kickoff_at: datetime, kickoff_known: bool, as_of: datetime, field: str) -> None:
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
