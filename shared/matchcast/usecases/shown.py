"""Forecasts shown on request: made once, recorded before anyone sees them, and shown again as they stand in the ledger.

A forecast of the same fixture by the same model from the same state is the same forecast: asked for again, its row is shown
again. It is looked for in this process's memory, then in what instances share; with neither, two processes may each record
one, and both rows are true. A forecast that could not be recorded is not kept: the next request tries again.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.assumption import Hypothetical, Supposed
from matchcast.domain.forecast import Cause, Coverage, Forecast, LedgerRow
from matchcast.domain.match import Fixture
from matchcast.errors import MatchcastError, Unavailable
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle
from matchcast.ports import LedgerEnd, StateSnapshot
from matchcast.ports.cache import Cache
from matchcast.usecases.kept import Kept
from matchcast.usecases.predict import Answer, forecast_each
from matchcast.usecases.question import Question, check_kickoff, field_of, fixture_asked_for
from matchcast.usecases.recorded import key_of, packed, unpacked
from matchcast.usecases.together import Together

if TYPE_CHECKING:
    from matchcast.model.explain import Explanation
    from matchcast.model.interval import Interval

_LOG: Final = logging.getLogger("matchcast.predict")
_REMEMBERED: Final = timedelta(days=1)


@dataclass(slots=True)
class Shown:
    """A forecast as it is shown.

    Attributes:
        forecast_id: in the ledger; None while the ledger is behind.
    """

    forecast: Forecast
    coverage: Coverage
    forecast_id: int | None
    _row: NDArray[np.float32] | None = None
    _explanation: "Explanation | None" = None
    _bounds: list[tuple[float, float]] | None = None

    def explanation(self, bundle: Bundle, snapshot: StateSnapshot) -> "Explanation":
        """The forecast taken apart.

        Args:
            bundle, snapshot: those that it was made with.
        """
        if self._explanation is None:
            self._explanation = bundle.explainer.explain(self._read(bundle, snapshot)[0])
        return self._explanation

    def bounds(self, interval: "Interval", bundle: Bundle, snapshot: StateSnapshot) -> list[tuple[float, float]]:
        """Lowest and highest of home, draw and away.

        Args:
            interval: the bundle's.
            bundle, snapshot: those that it was made with.
        """
        if self._bounds is None:
            found = interval.bounds(bundle.forecaster, self._read(bundle, snapshot))[0].tolist()
            self._bounds = [(low, high) for low, high in found]
        return self._bounds

    def _read(self, bundle: Bundle, snapshot: StateSnapshot) -> NDArray[np.float32]:
        if self._row is None:
            fixture = self.forecast.fixture
            self._row = np.array([read_row(snapshot.pairing(fixture), fixture, bundle.contract)], dtype=np.float32)
        return self._row


class _Key(NamedTuple):
    fixture: Fixture
    model_version: str
    snapshot_hash: str
    cause: Cause


@dataclass(slots=True)
class _New:
    """A forecast that waits to be recorded."""

    key: _Key
    shown: Shown
    now: datetime


class ShownForecasts:
    """What this process shows.

    Args:
        ledger: opens the ledger.
        cache: opens what instances share.
        code_revision: of this code.
        kept: how many forecasts memory holds.
    """

    def __init__(
        self,
        ledger: Callable[[], LedgerEnd],
        cache: Callable[[], Cache],
        code_revision: Callable[[], str],
        kept: int = 4096,
    ) -> None:
        self._ledger = ledger
        self._cache = cache
        self._code_revision = code_revision
        self._by_key = Kept[_Key, Shown](kept)
        self._by_question = _Questions(kept)
        self._record = Together[list[_New], list[Shown]](self._recorded, id)

    def again(
        self, asked: Question, *, bundle: Bundle, snapshot: StateSnapshot, now: datetime, cause: Cause
    ) -> Shown | None:
        """What memory holds of this very question; waits for nothing.

        Raises:
            BadInput: its match has kicked off meanwhile.
        """
        if isinstance(asked, Hypothetical):
            return None
        shown = self._by_question.get(snapshot, (asked, bundle.version, cause))
        if shown is not None:
            fixture = shown.forecast.fixture
            check_kickoff(fixture.kickoff_at, fixture.kickoff_known, max(now, snapshot.as_of), field_of(asked))
        return shown

    def each(
        self,
        asked: Sequence[Question],
        *,
        bundle: Bundle,
        snapshot: StateSnapshot,
        now: datetime,
        cause: Cause,
        ready: Callable[[Shown], object] = id,
    ) -> list[Shown | Supposed | MatchcastError]:
        """Everything that was asked for: found or made in one call of the model, and recorded in one transaction.

        Args:
            ready: called with what is new before it is recorded; where it fails, nothing is.
        Returns:
            In order; as `predict.forecast_each`.
        """
        answers: list[Shown | Supposed | MatchcastError | None] = [
            self._found(one, bundle, snapshot, now, cause) for one in asked
        ]
        open_ = [number for number, answer in enumerate(answers) if answer is None]
        made = forecast_each(
            [asked[number] for number in open_], bundle=bundle, snapshot=snapshot, code_revision=self._code_revision(),
            now=now, cause=cause,
        )  # fmt: skip
        new: dict[int, _New] = {}
        for number, one in zip(open_, made, strict=True):
            if isinstance(one, Answer):
                shown = Shown(one.forecast, one.coverage, None, one.row)
                ready(shown)
                new[number] = _New(_key(one.forecast.fixture, bundle, snapshot, cause), shown, now)
            else:
                answers[number] = one
        if new:
            answers_of_new = zip(new, self._record(list(new.values())), strict=True)
            for number, recorded in answers_of_new:
                answers[number] = recorded
        for question, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Shown) and answer.forecast_id is not None:
                self._by_question.put(snapshot, (question, bundle.version, cause), answer)
        return [answer for answer in answers if answer is not None]

    def _found(
        self, asked: Question, bundle: Bundle, snapshot: StateSnapshot, now: datetime, cause: Cause
    ) -> Shown | MatchcastError | None:
        """A forecast that was shown before, or why there can be none; None if it is to be made."""
        if isinstance(asked, Hypothetical):
            return None
        try:
            shown = self.again(asked, bundle=bundle, snapshot=snapshot, now=now, cause=cause)
            if shown is not None:
                return shown
            fixture = fixture_asked_for(asked, snapshot, max(now, snapshot.as_of))
        except MatchcastError as error:
            return error
        key = _key(fixture, bundle, snapshot, cause)
        shown = self._by_key.get(key)
        if shown is not None:
            return shown
        raw = self._cache().get(key_of(*key))
        told = None if raw is None else unpacked(raw, *key)
        if told is None:
            return None
        row, coverage = told
        shown = Shown(row.forecast, coverage, row.forecast_id)
        self._by_key.put(key, shown)
        return shown

    def _recorded(self, batch: Sequence[list[_New]]) -> Sequence[list[Shown]]:
        """Requests that wait together, in one transaction; of equal forecasts the first one is recorded."""
        known: dict[_Key, Shown] = {}
        fresh: dict[_Key, _New] = {}
        for one in (one for member in batch for one in member):
            before = self._by_key.get(one.key)  # another request may have been quicker
            if before is None:
                fresh.setdefault(one.key, one)
            else:
                known[one.key] = before
        for one, row in zip(fresh.values(), self._appended(list(fresh.values())), strict=True):
            known[one.key] = one.shown
            if row is not None:
                one.shown.forecast_id = row.forecast_id
                self._by_key.put(one.key, one.shown)
                raw = packed(row, one.shown.coverage)
                self._cache().put(key_of(*one.key), raw, _REMEMBERED.total_seconds())
        return [[known[one.key] for one in member] for member in batch]

    def _appended(self, new: Sequence[_New]) -> Sequence[LedgerRow | None]:
        if not new:
            return []
        try:
            forecasts = [one.shown.forecast for one in new]
            return self._ledger().append(forecasts, recorded_at=max(one.now for one in new))
        except Unavailable as error:
            _LOG.warning("the ledger is behind by %d: %s", len(new), error)
            return [None] * len(new)


def _key(fixture: Fixture, bundle: Bundle, snapshot: StateSnapshot, cause: Cause) -> _Key:
    return _Key(fixture, bundle.version, snapshot.state_hash, cause)


class _Questions:
    """What was answered from the current snapshot, by question: which fixture is meant, another one may say otherwise."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: tuple[StateSnapshot | None, Kept[Hashable, Shown]] = (None, Kept(most))

    def get(self, snapshot: StateSnapshot, question: Hashable) -> Shown | None:
        current, answers = self._of
        return answers.get(question) if current is snapshot else None

    def put(self, snapshot: StateSnapshot, question: Hashable, shown: Shown) -> None:
        current, answers = self._of
        if current is not snapshot:
            answers = Kept(self._most)
            self._of = (snapshot, answers)
        answers.put(question, shown)
