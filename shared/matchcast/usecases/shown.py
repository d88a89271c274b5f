"""Forecasts shown on request: made once, recorded before anyone sees them, and shown again as they stand in the ledger.

A forecast of the same fixture by the same model from the same state is the same forecast: asked for again, its row is shown
again, whichever process recorded it. This process's memory and what instances share only spare the work of making it and of
asking the ledger to record it, which gives back the row that is there. What instances share is believed where the ledger
holds that very row. A forecast that could not be recorded is not kept: the next request tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matchcast.domain.assumption import Hypothetical, Supposed
from matchcast.domain.forecast import Cause, Coverage, Forecast, LedgerRow, latest_instant
from matchcast.domain.match import Fixture
from matchcast.errors import BadInput, MatchcastError, Unavailable
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle
from matchcast.ports import Clock, LedgerEnd, StateSnapshot
from matchcast.ports.cache import Cache
from matchcast.ports.events import Deadline
from matchcast.usecases.kept import Kept
from matchcast.usecases.predict import Answer, forecast_each
from matchcast.usecases.question import Question, check_kickoff, field_of, fixture_asked_for, kicked_off
from matchcast.usecases.recorded import key_of, packed, unpacked
from matchcast.usecases.together import Together

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    _explanation: Explanation | None = None
    _bounds: list[tuple[float, float]] | None = None

    def explanation(self, bundle: Bundle, snapshot: StateSnapshot) -> Explanation:
        """The forecast taken apart.

        Args:
            bundle, snapshot: those that it was made with.
        """
        if self._explanation is None:
            self._explanation = bundle.explainer.explain(self._read(bundle, snapshot)[0])
        return self._explanation

    def bounds(self, interval: Interval, bundle: Bundle, snapshot: StateSnapshot) -> list[tuple[float, float]]:
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
    field: str


class _Wanted(NamedTuple):
    """What one request wants recorded."""

    new: Sequence[_New]
    deadline: Deadline


class _Recorded(NamedTuple):
    """A forecast as it is shown now, and its row if that is new to this process."""

    shown: Shown | MatchcastError
    row: LedgerRow | None = None


class ShownForecasts:
    """What this process shows.

    Args:
        ledger: opens the ledger.
        cache: opens what instances share.
        code_revision: of this code.
        clock: tells when a forecast is recorded.
        kept: how many forecasts memory holds.
    """

    def __init__(
        self,
        ledger: Callable[[], LedgerEnd],
        cache: Callable[[], Cache],
        code_revision: Callable[[], str],
        clock: Clock,
        kept: int = 4096,
    ) -> None:
        self._ledger = ledger
        self._cache = cache
        self._code_revision = code_revision
        self._clock = clock
        self._by_key = Kept[_Key, Shown](kept)
        self._by_question = _Questions(kept)
        self._record = Together[_Wanted, list[_Recorded]](self._recorded, id)

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
        deadline: Deadline,
        ready: Callable[[Shown], object] = id,
    ) -> list[Shown | Supposed | MatchcastError]:
        """Everything that was asked for: found or made in one call of the model, and recorded in one transaction.

        Args:
            deadline: once it is over, nothing is recorded any more.
            ready: called with what is new before it is recorded; where it fails, nothing is.
        Returns:
            In order; as `predict.forecast_each`, and BadInput for a match that has kicked off meanwhile.
        Raises:
            TimedOut: nothing was recorded.
        """
        answers = self._found(asked, bundle, snapshot, now, cause)
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
                key = _key(one.forecast.fixture, bundle, snapshot, cause)
                new[number] = _New(key, shown, _field_of(asked[number]))
            else:
                answers[number] = one
        if new:
            recorded = self._record(_Wanted(list(new.values()), deadline))
            for number, one_recorded in zip(new, recorded, strict=True):
                answers[number] = one_recorded.shown
            self._share([(one.key, told) for one, told in zip(new.values(), recorded, strict=True)])
        for question, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Shown) and answer.forecast_id is not None:
                self._by_question.put(snapshot, (question, bundle.version, cause), answer)
        return [answer for answer in answers if answer is not None]

    def _found(
        self, asked: Sequence[Question], bundle: Bundle, snapshot: StateSnapshot, now: datetime, cause: Cause
    ) -> list[Shown | Supposed | MatchcastError | None]:
        """Forecasts that were shown before, or why there can be none; None where one is to be made."""
        answers: list[Shown | Supposed | MatchcastError | None] = []
        keys: dict[int, _Key] = {}
        for number, question in enumerate(asked):
            try:
                known = self.again(question, bundle=bundle, snapshot=snapshot, now=now, cause=cause)
                if known is None and not isinstance(question, Hypothetical):
                    fixture = fixture_asked_for(question, snapshot, max(now, snapshot.as_of))
                    keys[number] = _key(fixture, bundle, snapshot, cause)
                    known = self._by_key.get(keys[number])
                answers.append(known)
            except MatchcastError as error:
                answers.append(error)
        shared = self._shared({keys[number] for number in keys if answers[number] is None})
        for number, key in keys.items():
            answers[number] = answers[number] or shared.get(key)
        return answers

    def _shared(self, keys: Collection[_Key]) -> Mapping[_Key, Shown]:
        """What other instances showed and the ledger holds."""
        by_name = {key_of(*key): key for key in keys}
        told = {}
        for name, raw in (self._cache().get_many(list(by_name)) if by_name else {}).items():
            read = unpacked(raw, *by_name[name])
            if read is not None:
                told[by_name[name]] = read
        if not told:
            return {}
        try:
            hashes = self._ledger().hashes([row.forecast_id for row, _ in told.values()])
        except Unavailable as error:
            _LOG.warning("what instances share is left aside: %s", error)
            return {}
        found = {}
        for key, (row, coverage) in told.items():
            if hashes.get(row.forecast_id) == row.hash:
                found[key] = Shown(row.forecast, coverage, row.forecast_id)
                self._by_key.put(key, found[key])
        return found

    def _share(self, recorded: Sequence[tuple[_Key, _Recorded]]) -> None:
        """Tell other instances of rows that were not known here."""
        rows = {
            key_of(*key): packed(told.row, told.shown.coverage)
            for key, told in recorded
            if told.row is not None and isinstance(told.shown, Shown)
        }
        if rows:
            self._cache().put_many(rows, _REMEMBERED.total_seconds())

    def _recorded(self, batch: Sequence[_Wanted]) -> Sequence[list[_Recorded] | MatchcastError]:
        """Requests that wait together, in one transaction."""
        answers: list[list[_Recorded] | MatchcastError] = []
        known: dict[_Key, _Recorded] = {}
        fresh: dict[_Key, _New] = {}
        late: dict[int, MatchcastError] = {}
        for number, member in enumerate(batch):
            try:
                member.deadline.check()
            except MatchcastError as error:
                late[number] = error
                continue
            for one in member.new:
                before = self._by_key.get(one.key)  # another request may have been quicker
                if before is None:
                    fresh.setdefault(one.key, one)
                else:
                    known[one.key] = _Recorded(before)
        known |= zip(fresh, self._written(list(fresh.values())), strict=True)
        for number, member in enumerate(batch):
            answers.append(late.get(number) or [known[one.key] for one in member.new])
        return answers

    def _written(self, new: Sequence[_New]) -> Sequence[_Recorded]:
        if not new:
            return []
        try:
            rows = self._ledger().record([one.shown.forecast for one in new], self._clock)
        except Unavailable as error:
            _LOG.warning("the ledger is behind by %d: %s", len(new), error)
            now = self._clock()
            return [_Recorded(_refused(one) if _is_late(one, now) else one.shown) for one in new]
        return [
            _Recorded(_refused(one)) if row is None else _Recorded(self._standing(one, row), row)
            for one, row in zip(new, rows, strict=True)
        ]

    def _standing(self, new: _New, row: LedgerRow) -> Shown:
        new.shown.forecast, new.shown.forecast_id = row.forecast, row.forecast_id
        self._by_key.put(new.key, new.shown)
        return new.shown


def _is_late(new: _New, now: datetime) -> bool:
    fixture = new.key.fixture
    return now >= latest_instant(fixture.kickoff_at, fixture.kickoff_known)


def _refused(new: _New) -> BadInput:
    return kicked_off(new.key.fixture.kickoff_at, new.field)


def _field_of(asked: Question) -> str:
    return field_of(asked.asked if isinstance(asked, Hypothetical) else asked)


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
