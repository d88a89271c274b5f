"""Forecasts shown on request, and shown again."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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
from matchcast.adapters.database.recording import recorded
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.domain.assumption import Assumption, Hypothetical, Supposed
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Pairing
from matchcast.errors import BadInput, MatchcastError, NotFound, TimedOut, Unavailable, UnknownTeam
from matchcast.model.bundle import load_bundle
from matchcast.ports import Clock
from matchcast.ports.cache import Cache
from matchcast.ports.events import Deadline
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

    def record(self, asked: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow | None]:
        self.before()
        self._check()
        with self.lock:
            last = self.rows[-1] if self.rows else None
            end = (0, GENESIS_HASH) if last is None else (last.forecast_id, last.hash)
            rows, added = recorded(asked, self.rows, clock(), *end)
            self.rows += added
            self.appends.append(len(added))
        return rows

    def hashes(self, forecast_ids: Sequence[int]) -> Mapping[int, str]:
        self._check()
        return {row.forecast_id: row.hash for row in self.rows if row.forecast_id in forecast_ids}

    def _check(self) -> None:
        if self.away:
            raise Unavailable("the database is away")


class Forever:
    """A deadline that never comes."""

    def check(self) -> None:
        pass

    def left(self) -> float:
        return 60.0


class Over:
    """A deadline that is over."""

    def check(self) -> None:
        raise TimedOut("too late")

    def left(self) -> float:
        return -1.0


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


def process(ledger: NotedLedger, cache: Cache, kept: int = 4096, clock: Clock = lambda: NOW) -> ShownForecasts:
    return ShownForecasts(lambda: ledger, lambda: cache, lambda: "c1", clock, kept)


def ask(
    shown: ShownForecasts,
    snapshot: SnapshotFile,
    *asked: Question,
    now: datetime = NOW,
    bundle: Any = BUNDLE,
    cause: Cause = Cause.REQUESTED,
    deadline: Deadline | None = None,
) -> list[Shown | Supposed | MatchcastError]:
    return shown.each(asked, bundle=bundle, snapshot=snapshot, now=now, cause=cause, deadline=deadline or Forever())


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


def test_processes_that_share_nothing_but_the_ledger_show_the_same_row(
    snapshot: SnapshotFile, ledger: NotedLedger
) -> None:
    first, second = (one(process(ledger, MemoryCache()), snapshot, PAIRING, now=at) for at in (NOW, LATER))
    assert (first.forecast, first.forecast_id, second.forecast_id) == (second.forecast, 1, 1)
    assert len(ledger.rows) == 1


def test_what_the_batch_recorded_is_what_is_shown(snapshot: SnapshotFile, ledger: NotedLedger) -> None:
    made = forecast_each(
        [PAIRING], bundle=BUNDLE, snapshot=snapshot, code_revision="c1", now=NOW, cause=Cause.NEW_MODEL
    )
    ledger.record([each.forecast for each in made if isinstance(each, Answer)], lambda: NOW)
    shown = one(process(ledger, MemoryCache()), snapshot, PAIRING, now=LATER)
    assert (shown.forecast_id, shown.forecast.as_of, shown.forecast.cause) == (1, NOW, Cause.NEW_MODEL)


def test_the_cache_is_believed_only_of_rows_that_this_ledger_holds(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    """Another ledger's process filled the cache, and somebody else made up an id."""
    other = NotedLedger()
    known = [f.match_id or 0 for f in house.fixtures() if f.kickoff_at > NOW][:3]
    ask(process(other, cache), snapshot, *known)
    assert one(process(ledger, cache), snapshot, known[2]).forecast_id == 1
    assert len(ledger.rows) == 1
    row = replace(ledger.rows[0], forecast_id=99)
    coverage = one(process(ledger, cache), snapshot, known[2]).coverage
    what = (row.forecast.fixture, BUNDLE.version, snapshot.state_hash, Cause.REQUESTED)
    assert unpacked(packed(row, coverage), *what) is not None
    cache.put(key_of(*what), packed(row, coverage), 60)
    assert one(process(ledger, cache), snapshot, known[2]).forecast_id == 1
    assert len(ledger.rows) == 1


def test_while_the_ledger_is_away_nothing_is_said_to_be_in_it(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    one(process(ledger, cache), snapshot, PAIRING)
    ledger.away = True
    assert one(process(ledger, cache), snapshot, PAIRING).forecast_id is None


@pytest.mark.parametrize("away", [False, True])
def test_a_match_that_kicks_off_while_the_ledger_is_waited_for_is_refused(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache, away: bool
) -> None:
    ledger.away = away
    shown = process(ledger, cache, clock=lambda: PAIRING.kickoff_at)
    late, known = ask(shown, snapshot, PAIRING, next(f.match_id or 0 for f in house.fixtures()[::-1]))
    assert isinstance(late, BadInput)
    assert str(late).startswith("kickoff_at: the kick-off")
    assert isinstance(known, Shown)
    assert [row.forecast.fixture.match_id for row in ledger.rows] == ([] if away else [known.forecast.fixture.match_id])


def test_a_row_is_recorded_when_it_is_written(snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache) -> None:
    one(process(ledger, cache, clock=lambda: LATER), snapshot, PAIRING)
    assert (ledger.rows[0].forecast.as_of, ledger.rows[0].recorded_at) == (NOW, LATER)


def test_nothing_is_recorded_for_a_request_that_was_given_up(
    snapshot: SnapshotFile, ledger: NotedLedger, cache: MemoryCache
) -> None:
    shown = process(ledger, cache)
    with pytest.raises(TimedOut):
        ask(shown, snapshot, PAIRING, deadline=Over())
    assert ledger.rows == []
    assert one(shown, snapshot, PAIRING).forecast_id == 1


def test_what_is_shared_is_asked_once_for_many(snapshot: SnapshotFile, ledger: NotedLedger) -> None:
    @dataclass
    class Asked(MemoryCache):
        """Notes how it is asked."""

        def __post_init__(self) -> None:
            super().__init__()
            self.asked: list[str] = []

        def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
            self.asked.append(f"get {len(keys)}")
            return super().get_many(keys)

        def put_many(self, values: Mapping[str, bytes], seconds: float) -> None:
            self.asked.append(f"put {len(values)}")
            super().put_many(values, seconds)

    cache = Asked()
    known = [f.match_id or 0 for f in house.fixtures() if f.kickoff_at > NOW][:3]
    for _ in range(2):
        ask(process(ledger, cache), snapshot, *known)
    assert cache.asked == ["get 3", "put 3", "get 3"]


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
    assert one(process(NotedLedger(), cache), snapshot, PAIRING).forecast_id == 1
    assert one(process(ledger, cache), snapshot, PAIRING).forecast == first.forecast


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
