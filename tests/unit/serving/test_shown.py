"""Forecasts shown on request, and shown again."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.adapters.cache_memory import MemoryCache
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.domain.assumption import Assumption, Hypothetical, Supposed
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Pairing, chained
from matchcast.errors import BadInput, MatchcastError, NotFound, Unavailable, UnknownTeam
from matchcast.model.bundle import load_bundle
from matchcast.ports.cache import Cache
from matchcast.usecases.predict import Answer, forecast_each
from matchcast.usecases.question import Question
from matchcast.usecases.recorded import key_of, packed, unpacked
from matchcast.usecases.shown import Shown, ShownForecasts
from tests.entrypoints import house
from tests.entrypoints.house import NOW

BUNDLE, OTHER = load_bundle(house.bundle_files(1)), load_bundle(house.bundle_files(3))
LATER = NOW + timedelta(minutes=5)
KNOWN = next(f for f in house.fixtures() if f.kickoff_at > NOW and f.kickoff_known)
PAIRING = Pairing("Gate", "Westfield", "Premier League", NOW + timedelta(days=3, hours=1))


@dataclass
class NotedLedger:
    """A ledger in memory that notes what was appended together."""

    rows: list[LedgerRow] = field(default_factory=list)
    appends: list[int] = field(default_factory=list)
    away: bool = False
    lock: Any = field(default_factory=Lock)
    before: Callable[[], object] = int

    def append(self, forecasts: Sequence[Forecast], recorded_at: datetime) -> Sequence[LedgerRow]:
        self.before()
        if self.away:
            raise Unavailable("the database is away")
        with self.lock:
            last = self.rows[-1] if self.rows else None
            end = (0, GENESIS_HASH) if last is None else (last.forecast_id, last.hash)
            added = chained(forecasts, recorded_at, *end)
            self.rows += added
            self.appends.append(len(added))
        return added


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="module")
def snapshot(folder: Path) -> SnapshotFile:
    return open_snapshot(house.snapshot_file(folder / "s.sqlite", seed=1))


@pytest.fixture
def ledger() -> NotedLedger:
    return NotedLedger()


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


def process(ledger: NotedLedger, cache: Cache, kept: int = 4096) -> ShownForecasts:
    return ShownForecasts(lambda: ledger, lambda: cache, lambda: "c1", kept)


def ask(
    shown: ShownForecasts,
    snapshot: SnapshotFile,
    *asked: Question,
    now: datetime = NOW,
    bundle: Any = BUNDLE,
    cause: Cause = Cause.REQUESTED,
) -> list[Shown | Supposed | MatchcastError]:
    return shown.each(asked, bundle=bundle, snapshot=snapshot, now=now, cause=cause)


def one(*args: Any, **options: Any) -> Shown:
    (answer,) = ask(*args, **options)
    assert isinstance(answer, Shown)
    return answer


def again(shown: ShownForecasts, snapshot: SnapshotFile, asked: Question, **options: Any) -> Shown | None:
    about: dict[str, Any] = {"bundle": BUNDLE, "now": LATER, "cause": Cause.REQUESTED} | options
    return shown.again(asked, snapshot=snapshot, **about)


def test_a_forecast_asked_for_again_is_the_row_that_the_ledger_holds(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    shown = process(ledger, cache)
    first = one(shown, snapshot, PAIRING)
    assert one(shown, snapshot, PAIRING, now=LATER) is first
    assert again(shown, snapshot, PAIRING) is first
    assert (first.forecast_id, first.forecast.as_of) == (1, NOW)
    assert [row.forecast for row in ledger.rows] == [first.forecast]


def test_one_match_is_one_forecast_whatever_it_is_asked_for_by(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    by_names = Pairing(KNOWN.home_team, KNOWN.away_team, KNOWN.tournament, KNOWN.kickoff_at)
    assert KNOWN.match_id is not None
    answers = ask(process(ledger, cache), snapshot, KNOWN.match_id, by_names, KNOWN.match_id)
    assert answers[0] is answers[1] is answers[2]
    assert len(ledger.rows) == 1


def test_another_process_shows_the_same_row(snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache) -> None:
    first = one(process(ledger, cache), snapshot, PAIRING)
    other = process(ledger, cache)
    assert again(other, snapshot, PAIRING) is None
    second = one(other, snapshot, PAIRING, now=LATER)
    assert (second.forecast, second.coverage, second.forecast_id) == (first.forecast, first.coverage, 1)
    assert len(ledger.rows) == 1
    assert again(other, snapshot, PAIRING) is second


def test_processes_that_share_nothing_each_record_a_true_row(snapshot: SnapshotFile, ledger: NotedLedger) -> None:
    first, second = (one(process(ledger, MemoryCache()), snapshot, PAIRING) for _ in range(2))
    assert (first.forecast, first.forecast_id, second.forecast_id) == (second.forecast, 1, 2)


def test_another_model_or_another_reason_or_another_state_is_another_forecast(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    class Later:
        """The snapshot with another name."""

        state_hash = "another"

        def __getattr__(self, name: str) -> Any:
            return getattr(snapshot, name)

    shown = process(ledger, cache)
    later: Any = Later()
    for bundle, cause, state in product((BUNDLE, OTHER), (Cause.REQUESTED, Cause.COMPARED), (snapshot, later)):
        told = one(shown, state, PAIRING, bundle=bundle, cause=cause).forecast
        assert (told.model_version, told.cause, told.snapshot_hash) == (bundle.version, cause, state.state_hash)
    assert len(ledger.rows) == 8


def test_a_new_snapshot_of_the_same_state_shows_the_same_row(
    folder: Path, ledger: NotedLedger, cache: MemoryCache, snapshot: SnapshotFile
) -> None:
    shown = process(ledger, cache)
    first = one(shown, snapshot, PAIRING)
    reopened = open_snapshot(folder / "s.sqlite")
    assert again(shown, reopened, PAIRING) is None
    assert one(shown, reopened, PAIRING, now=LATER) is first


def test_a_forecast_that_is_known_is_not_shown_once_the_match_has_begun(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    shown = process(ledger, cache)
    assert KNOWN.match_id is not None
    one(shown, snapshot, KNOWN.match_id)
    begun = KNOWN.kickoff_at + timedelta(seconds=1)
    with pytest.raises(BadInput, match=r"^match_id: the kick-off .* is before"):
        again(shown, snapshot, KNOWN.match_id, now=begun)
    (answer,) = ask(shown, snapshot, KNOWN.match_id, now=begun)
    assert isinstance(answer, BadInput)


def test_a_forecast_that_could_not_be_recorded_is_shown_so_and_tried_again(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    shown = process(ledger, cache)
    ledger.away = True
    behind = ask(shown, snapshot, PAIRING, KNOWN.match_id or 0)
    assert [answer.forecast_id for answer in behind if isinstance(answer, Shown)] == [None, None]
    assert again(shown, snapshot, PAIRING) is None
    ledger.away = False
    assert one(shown, snapshot, PAIRING).forecast_id == 1
    assert again(shown, snapshot, PAIRING) is not None


def test_one_bad_question_leaves_the_others_alone_and_all_rows_are_added_at_once(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    nobody = Pairing("Nobody", "Westfield", "Premier League", PAIRING.kickoff_at)
    supposed = Hypothetical(PAIRING, Assumption(neutral_venue=True))
    answers = ask(process(ledger, cache), snapshot, 1, PAIRING, nobody, supposed, KNOWN.match_id or 0)
    assert [type(answer) for answer in answers] == [NotFound, Shown, UnknownTeam, Supposed, Shown]
    assert [answer.forecast_id for answer in answers if isinstance(answer, Shown)] == [1, 2]
    assert ledger.appends == [2]


def test_what_is_supposed_is_neither_recorded_nor_kept(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    shown = process(ledger, cache)
    supposed = Hypothetical(PAIRING, Assumption(neutral_venue=True))
    (answer,) = ask(shown, snapshot, supposed)
    assert isinstance(answer, Supposed)
    assert again(shown, snapshot, supposed) is None
    assert ledger.rows == []


def test_requests_that_wait_are_recorded_together_and_equal_ones_once(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    """The first append lasts until all others wait: they share the second one."""
    shown = process(ledger, cache)
    waiting = Barrier(9)
    begun: list[int] = []

    def before() -> None:
        begun.append(1)
        if len(begun) == 1:
            while len(shown._record._waiting) < 8:
                pass

    ledger.before = before
    fixtures = [f for f in house.fixtures() if f.kickoff_at > NOW and f.match_id][:4]

    def request(number: int) -> Shown:
        waiting.wait(20)
        return one(shown, snapshot, fixtures[number % 4].match_id or 0)

    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(request, range(9)))
    assert len(ledger.rows) == 4
    assert len(ledger.appends) == 2
    assert [a.forecast_id for a in answers] == [answers[number % 4].forecast_id for number in range(9)]


def test_memory_holds_no_more_than_it_may(snapshot: SnapshotFile, ledger: NotedLedger) -> None:
    shown = process(ledger, MemoryCache(), kept=2)
    fixtures = [f.match_id or 0 for f in house.fixtures() if f.kickoff_at > NOW][:3]
    ask(shown, snapshot, *fixtures)
    assert [again(shown, snapshot, asked) is None for asked in fixtures] == [True, False, False]


def test_explanation_and_interval_are_computed_once_and_the_same_in_every_process(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    first, second = (one(process(ledger, cache), snapshot, PAIRING) for _ in range(2))
    assert first.explanation(BUNDLE, snapshot) is first.explanation(BUNDLE, snapshot)
    assert BUNDLE.interval is not None
    assert first.bounds(BUNDLE.interval, BUNDLE, snapshot) is first.bounds(BUNDLE.interval, BUNDLE, snapshot)
    assert first.bounds(BUNDLE.interval, BUNDLE, snapshot) == second.bounds(BUNDLE.interval, BUNDLE, snapshot)
    ours, theirs = first.explanation(BUNDLE, snapshot), second.explanation(BUNDLE, snapshot)
    assert np.array_equal(ours.effects, theirs.effects)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-9],
        lambda raw: b"[]",
        lambda raw: b"\xff",
        lambda raw: raw.replace(b'"probabilities": [0.', b'"probabilities": [0.0'),
        lambda raw: raw.replace(b'"code_revision": "c1"', b'"code_revision": "c2"'),
        lambda raw: raw.replace(b"2025-03-01", b"2025-03-02"),
    ],
)
def test_what_the_cache_holds_is_believed_only_as_the_ledger_hashed_it(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache, damage: Callable[[bytes], bytes]
) -> None:
    first = one(process(ledger, cache), snapshot, PAIRING)
    what = (first.forecast.fixture, BUNDLE.version, snapshot.state_hash, Cause.REQUESTED)
    raw = packed(ledger.rows[0], first.coverage)
    assert unpacked(raw, *what) == (ledger.rows[0], first.coverage)
    assert damage(raw) != raw
    assert unpacked(damage(raw), *what) is None
    cache.put(key_of(*what), damage(raw), 60)
    assert one(process(ledger, cache), snapshot, PAIRING).forecast_id == 2


questions = st.one_of(
    st.sampled_from([f.match_id or 0 for f in house.fixtures()] + [1]),
    st.builds(
        Pairing,
        st.sampled_from(["Gate", "Westfield", "Almouth", "Newtown", "Nobody"]),
        st.sampled_from(["Kingsport Town", "Westfield", "East Ham Rovers"]),
        st.just("Premier League"),
        st.integers(-1, 30).map(lambda days: NOW + timedelta(days=days)),
    ),
)
assumed = st.builds(Assumption, st.booleans(), st.none() | st.integers(1, 21), st.none() | st.integers(1, 21))


@settings(max_examples=60)
@given(st.lists(questions | st.builds(Hypothetical, questions, assumed), min_size=1, max_size=12))
def test_many_questions_at_once_are_answered_to_the_bit_as_one_by_one(
    snapshot: SnapshotFile, asked: list[Question]
) -> None:
    def forecast(some: list[Question]) -> list[Answer | Supposed | MatchcastError]:
        return forecast_each(some, bundle=BUNDLE, snapshot=snapshot, code_revision="c1", now=NOW)

    for together, question in zip(forecast(asked), asked, strict=True):
        (alone,) = forecast([question])
        assert type(together) is type(alone)
        if isinstance(together, Answer) and isinstance(alone, Answer):
            assert (together.forecast, together.coverage) == (alone.forecast, alone.coverage)
            assert np.array_equal(together.row, alone.row, equal_nan=True)
        else:
            assert str(together) == str(alone)
