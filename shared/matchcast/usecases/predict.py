"""Forecast what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matchcast.domain.assumption import Assumption, Hypothetical, Supposed
from matchcast.domain.forecast import Cause, Coverage, Forecast, Pairing, Probabilities
from matchcast.domain.match import Fixture
from matchcast.errors import MatchcastError, Unavailable
from matchcast.features.layout import T_PLAYED
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle, features_known
from matchcast.ports import PairingState, StateSnapshot
from matchcast.usecases.question import Question, fixture_asked_for
from matchcast.usecases.what_if import pooled, rows_under

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    asked: int | Pairing,
    *,
    bundle: Bundle,
    snapshot: StateSnapshot,
    code_revision: str,
    now: datetime,
    cause: Cause = Cause.REQUESTED,
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
    (answer,) = forecast_each(
        [asked], bundle=bundle, snapshot=snapshot, code_revision=code_revision, now=now, cause=cause
    )
    if isinstance(answer, MatchcastError):
        raise answer
    assert isinstance(answer, Answer)
    return answer


def forecast_each(
    asked: Sequence[Question],
    *,
    bundle: Bundle,
    snapshot: StateSnapshot,
    code_revision: str,
    now: datetime,
    cause: Cause = Cause.REQUESTED,
) -> list[Answer | Supposed | MatchcastError]:
    """Forecast everything that was asked for, in one call of the model; each to the bit as if it were asked for alone.

    Returns:
        In order: an answer, what would be forecast where it is hypothetical, or what is wrong with this one (as
        `forecast_for` and `what_if.rows_under` raise it).
    """
    as_of = max(now, snapshot.as_of)
    found = [_prepared(one, bundle, snapshot, as_of) for one in asked]
    made = iter(_predicted([row for one in found if isinstance(one, _Prepared) for row in one.rows], bundle))
    answers: list[Answer | Supposed | MatchcastError] = []
    for one in found:
        if isinstance(one, MatchcastError):
            answers.append(one)
            continue
        given = [next(made) for _ in one.rows]
        if one.assumed is None:
            answers.append(_answer(one, given[0], bundle, snapshot, code_revision, as_of, cause))
            continue
        answers.append(
            Supposed(
                fixture=one.fixture,
                assumed=one.assumed,
                as_of=as_of,
                probabilities=pooled([each.probabilities for each in given]),
                model_version=bundle.version,
                snapshot_hash=snapshot.state_hash,
                code_revision=code_revision,
                coverage=_coverage(one, given),
            )
        )
    return answers


def make_forecast(
    fixture: Fixture, *, bundle: Bundle, snapshot: StateSnapshot, code_revision: str, as_of: datetime, cause: Cause
) -> Forecast:
    """The forecast that this model and this state give; equal inputs give an equal forecast.

    Raises:
        Unavailable: the model reads prices, and the snapshot has none of this fixture.
    """
    prepared = _plain(fixture, bundle, snapshot)
    (made,) = _predicted(prepared.rows, bundle)
    return _answer(prepared, made, bundle, snapshot, code_revision, as_of, cause).forecast


class _Prepared(NamedTuple):
    """A match with the rows that the model reads of it: one, or two where the venue is neutral, the clubs swapped."""

    fixture: Fixture
    pairing: PairingState
    rows: list[list[float]]
    assumed: Assumption | None = None


class _Made(NamedTuple):
    """What the model made of a row, float32, shape (1, features)."""

    row: NDArray[np.float32]
    probabilities: Probabilities


def _predicted(rows: Sequence[list[float]], bundle: Bundle) -> list[_Made]:
    if not rows:
        return []
    table = np.array(rows, dtype=np.float32)
    made = bundle.predict(table).tolist()
    return [_Made(table[i : i + 1], Probabilities(*each)) for i, each in enumerate(made)]


def _prepared(asked: Question, bundle: Bundle, snapshot: StateSnapshot, as_of: datetime) -> _Prepared | MatchcastError:
    try:
        if not isinstance(asked, Hypothetical):
            return _plain(fixture_asked_for(asked, snapshot, as_of), bundle, snapshot)
        fixture = fixture_asked_for(asked.asked, snapshot, as_of)
        pairing = snapshot.pairing(fixture)
        return _Prepared(fixture, pairing, rows_under(asked.assumed, fixture, pairing, snapshot, bundle), asked.assumed)
    except MatchcastError as error:
        return error


def _plain(fixture: Fixture, bundle: Bundle, snapshot: StateSnapshot) -> _Prepared:
    pairing = snapshot.pairing(fixture)
    if bundle.contract.market_from and any(isnan(log_odds) for log_odds in pairing.market):
        raise Unavailable(
            f"model {bundle.version} reads bookmakers' prices, and the snapshot as of {snapshot.as_of.isoformat()} has "
            "none of this match: ask for a fixture that GET /predict/ lists, run the batch_inference stage again, or promote a "
            "model without the market overlay"
        )
    return _Prepared(fixture, pairing, [read_row(pairing, fixture, bundle.contract)])


def _answer(
    one: _Prepared,
    made: _Made,
    bundle: Bundle,
    snapshot: StateSnapshot,
    code_revision: str,
    as_of: datetime,
    cause: Cause,
) -> Answer:
    forecast = Forecast(
        fixture=one.fixture,
        as_of=as_of,
        probabilities=made.probabilities,
        model_version=bundle.version,
        snapshot_hash=snapshot.state_hash,
        code_revision=code_revision,
        cause=cause,
    )
    return Answer(forecast, made.row, _coverage(one, [made]))


def _coverage(one: _Prepared, made: Sequence[_Made]) -> Coverage:
    known = [float(features_known(each.row)[0]) for each in made]
    return Coverage(sum(known) / len(known), int(one.pairing.home[T_PLAYED]), int(one.pairing.away[T_PLAYED]))
