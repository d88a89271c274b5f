"""Metrics that outlive a process, and what is shown while something is away."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.domain.match import Outcome
from matchcast.errors import MatchcastError, Unavailable
from matchcast.ports.cache import LOOKED_FOR
from matchcast.ports.metrics import (
    Counted,
    Counts,
    Drifted,
    Figures,
    Forecasts,
    Model,
    Pointed,
    Settled,
    Snapshot,
    Stored,
    TriggerQueue,
)
from matchcast.telemetry import Telemetry
from matchcast.telemetry import lasting as lasting_module
from matchcast.telemetry.asking import KEPT_SECONDS, Question
from matchcast.telemetry.counts import LastingCounter, LastingCounts
from matchcast.telemetry.lasting import LastingMetrics

AT = datetime(2025, 3, 1, 9, tzinfo=UTC)
SYNC = Counted("prediction_requests_total", (("source", "sync"),))
SCORED = Settled(40, 0.98, 0.19, 0.57)


@dataclass
class Shared:
    """What all processes see, in memory.

    Attributes:
        away: raised by whatever is asked or told.
    """

    totals: dict[Counted, float] = field(default_factory=dict)
    away: MatchcastError | None = None
    objects_away: MatchcastError | None = None
    queues_away: MatchcastError | None = None
    tasks: Mapping[tuple[str, str], int] = field(default_factory=lambda: {("scrape", "success"): 7})
    asked: int = 0

    def add(self, counts: Counts) -> None:
        if self.away is not None:
            raise self.away
        for counted, by in counts.items():
            self.totals[counted] = self.totals.get(counted, 0) + by

    def stored(self) -> Stored:
        self.asked += 1
        if self.away is not None:
            raise self.away
        forecasts = Forecasts(5, AT, {("requested", Outcome.HOME): 3, ("new_model", Outcome.AWAY): 2})
        drift = Drifted(AT, 0.3, 0.2, 1 / 3)
        return Stored(
            dict(self.totals), forecasts, drift, SCORED, {("ingest", "odds-due"): 2}, self.tasks, AT,
            {"whoscored": AT}, {"whoscored": 3},
        )  # fmt: skip

    def pointed(self) -> Pointed:
        if self.objects_away is not None:
            raise self.objects_away
        return Pointed([Model("v1", "champion", AT), Model("v2", "challenger", AT)], Snapshot(AT, AT))

    def queues(self) -> Sequence[TriggerQueue]:
        if self.queues_away is not None:
            raise self.queues_away
        return [TriggerQueue("ingest", "odds-due", 3, 1, 4, 2)]

    def reach(self) -> None:
        if self.away is not None:
            raise self.away

    def telemetry(
        self, problem: Callable[[], str | None] = lambda: None, kept_seconds: float = KEPT_SECONDS
    ) -> Telemetry:
        reach = {"database": self.reach}
        figures = Figures(self.stored, self.pointed, self.add, self.queues, reach, {"cache": problem})
        return Telemetry(figures, kept_seconds)


def shown(telemetry: Telemetry) -> dict[str, float]:
    """Every sample by name and labels."""
    lines = telemetry.exposition().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        if "_created" not in name
    }


def test_a_process_that_has_just_started_shows_what_all_before_it_counted() -> None:
    shared = Shared()
    first = shared.telemetry()
    for _ in range(3):
        first.predictions.labels("sync").inc()
    first.timeouts.inc()
    first.close()
    samples = shown(shared.telemetry())
    assert samples['prediction_requests_total{source="sync"}'] == 3
    assert samples["prediction_timeouts_total"] == 1


def test_everything_is_told() -> None:
    samples = shown(Shared().telemetry())
    expected = {
        "prediction_timeouts_total": 0,
        'matchcast_forecasts_total{cause="requested",outcome="home"}': 3,
        'matchcast_forecasts_total{cause="new_model",outcome="away"}': 2,
        "matchcast_ledger_rows": 5,
        "matchcast_last_forecast_at_seconds": AT.timestamp(),
        "model_feature_drift_score": 0.3,
        "matchcast_drift_threshold": 0.2,
        "matchcast_prediction_drift_score": 1 / 3,
        "matchcast_drift_checked_at_seconds": AT.timestamp(),
        "matchcast_settled_matches": 40,
        "matchcast_settled_log_loss": 0.98,
        "matchcast_settled_rps": 0.19,
        "matchcast_settled_brier": 0.57,
        'matchcast_dead_letters_open{broker="ingest",trigger="odds-due"}': 2,
        'matchcast_tasks{kind="scrape",state="success"}': 7,
        "matchcast_last_scrape_at_seconds": AT.timestamp(),
        'model_info{model_name="matchcast",stage="champion",version="v1"}': 1,
        'model_info{model_name="matchcast",stage="challenger",version="v2"}': 1,
        "model_registered_at_seconds": AT.timestamp(),
        "matchcast_snapshot_as_of_seconds": AT.timestamp(),
        "matchcast_snapshot_published_at_seconds": AT.timestamp(),
        'matchcast_queue_messages{broker="ingest",trigger="odds-due"}': 4,
        'matchcast_queue_consumers{broker="ingest",trigger="odds-due"}': 4,
        'matchcast_queue_dying{broker="ingest",trigger="odds-due"}': 2,
        'matchcast_dependency_up{dependency="database"}': 1,
        'matchcast_dependency_up{dependency="objects"}': 1,
        'matchcast_dependency_up{dependency="queues"}': 1,
        'matchcast_dependency_up{dependency="cache"}': 1,
    }
    assert {name: samples.get(name) for name in expected} == pytest.approx(expected)


def test_a_database_that_is_away_is_told_and_nothing_is_made_up_for_it() -> None:
    shared = Shared(away=Unavailable("gone"))
    telemetry = shared.telemetry(lambda: "Redis is away")
    telemetry.predictions.labels("sync").inc()
    samples = shown(telemetry)
    assert samples['matchcast_dependency_up{dependency="database"}'] == 0
    assert samples['matchcast_dependency_up{dependency="cache"}'] == 0
    assert samples['matchcast_dependency_up{dependency="objects"}'] == 1
    of_the_database = ("matchcast_ledger", "matchcast_settled", "prediction_", "model_feature", "matchcast_dead")
    assert not [name for name in samples if name.startswith(of_the_database) and "prediction_duration" not in name]
    assert samples["model_registered_at_seconds"] == AT.timestamp()


def test_counts_wait_for_a_database_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    shared = Shared(away=Unavailable("gone"))
    telemetry = shared.telemetry()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            telemetry.predictions.labels("lookup").inc()
            telemetry.flush()
    assert [record.getMessage() for record in caplog.records] == ["counts wait for the database: gone"]
    shared.away = None
    telemetry.close()
    assert shared.totals == {Counted("prediction_requests_total", (("source", "lookup"),)): 2}


def test_the_model_that_the_process_uses_is_told_rather_than_the_pointers() -> None:
    shared = Shared()
    telemetry = shared.telemetry()
    telemetry.show_model("v0", "2024-01-01T00:00:00+00:00")
    samples = shown(telemetry)
    champions = [name for name in samples if name.startswith("model_info") and 'stage="champion"' in name]
    assert champions == ['model_info{model_name="matchcast",stage="champion",version="v0"}']
    assert samples["model_registered_at_seconds"] == datetime(2024, 1, 1, tzinfo=UTC).timestamp()


def test_without_anywhere_to_keep_them_counts_are_the_processs_own() -> None:
    telemetry = Telemetry()
    telemetry.predictions.labels("sync").inc()
    telemetry.predictions.labels("sync").inc()
    telemetry.flush()
    telemetry.close()
    assert shown(telemetry)['prediction_requests_total{source="sync"}'] == 2


def test_an_answer_counts_for_a_while() -> None:
    shared = Shared()
    telemetry = shared.telemetry()
    for number in range(1, 4):
        telemetry.predictions.labels("sync").inc()
        assert shown(telemetry)['prediction_requests_total{source="sync"}'] == number
    assert shared.asked == 1


def test_what_does_not_answer_in_time_is_left_out_and_not_asked_twice_at_once() -> None:
    may_go_on, asked = Event(), []

    def slow() -> int:
        asked.append(1)
        may_go_on.wait()
        return 7

    question = Question("the oracle", slow, kept_seconds=60)
    for _ in range(2):
        question.begin()
        answer = question.answer(time.monotonic() + 0.01)
        assert isinstance(answer, Unavailable)
        assert str(answer) == "the oracle does not answer"
    may_go_on.set()
    assert question.answer(time.monotonic() + 60) == 7
    assert asked == [1]


def test_a_fault_of_ours_is_logged_and_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    question = Question[int]("the oracle", lambda: 1 // 0)
    question.begin()
    answer = question.answer(time.monotonic() + 60)
    assert "ZeroDivisionError" in str(answer)
    assert "the oracle could not be asked" in caplog.text


@given(st.lists(st.tuples(st.sampled_from(["sync", "lookup"]), st.booleans(), st.booleans()), max_size=30))
def test_nothing_is_lost_or_counted_twice_whenever_the_database_goes(steps: list[tuple[str, bool, bool]]) -> None:
    """What is told is all that was counted, at every moment after the first reading."""
    shared = Shared()
    counts = LastingCounts(shared.add, flush_seconds=3600)
    counts.read(lambda: dict(shared.totals), lambda totals: totals)
    expected: dict[Counted, float] = {}
    for source, is_away, reads in steps:
        counted = Counted("prediction_requests_total", (("source", source),))
        counts.count(counted)
        expected[counted] = expected.get(counted, 0) + 1
        shared.away = Unavailable("gone") if is_away else None
        if reads:
            counts.read(lambda: dict(shared.totals), lambda totals: totals)
        else:
            counts.flush()
        assert counts.told() == expected
    shared.away = None
    counts.close()
    assert shared.totals == expected


@given(st.lists(st.sampled_from(["count", "add", "read", "away"]), max_size=40))
def test_what_is_told_never_falls_while_counts_are_on_their_way(steps: list[str]) -> None:
    """Whoever asks in the middle of a flush or of a reading is told no less than before."""
    shared, told = Shared(totals={SYNC: 7}), [0.0]

    def ask() -> None:
        told.append((counts.told() or {}).get(SYNC, 0))
        assert told[-1] >= told[-2]

    def add(counted: Counts) -> None:
        ask()
        shared.add(counted)
        ask()

    def read() -> dict[Counted, float]:
        ask()
        return dict(shared.totals)

    counts = LastingCounts(add, flush_seconds=3600)
    for step in steps:
        if step == "count":
            counts.count(SYNC)
        elif step == "add":
            shared.add({SYNC: 1})  # by another process
        elif step == "read":
            counts.read(read, lambda totals: totals)
        else:
            shared.away = Unavailable("gone")
            counts.flush()
            shared.away = None
        ask()
    counts.close()


def test_totals_never_fall_while_the_object_store_is_slow() -> None:
    """Readings of the database go on while a scrape waits for something else."""
    shared, asked, may_go_on = Shared(), Event(), Event()

    def slow() -> Pointed:
        asked.set()
        may_go_on.wait(30)
        return Pointed([], None)

    counts = LastingCounts(shared.add, flush_seconds=3600)
    counter = LastingCounter(SYNC.name, "shown", ("source",), counts)
    lasting = LastingMetrics(Figures(shared.stored, slow, shared.add), counts, [counter], lambda: None, kept_seconds=0)
    counter.labels("sync").inc()
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(lambda: list(lasting.collect()))
        assert asked.wait(30)
        for _ in range(3):
            counter.labels("sync").inc()
            counts.read(shared.stored, lambda stored: stored.totals)
        may_go_on.set()
        (family,) = (family for family in scrape.result() if family.name == "prediction_requests")
    assert [sample.value for sample in family.samples] == [4]


def test_while_the_database_is_away_the_last_totals_are_told_with_what_came_since() -> None:
    """Forecasts that are given up because the database is away are seen while it is."""
    shared = Shared(totals={Counted("prediction_timeouts_total"): 30})
    telemetry = shared.telemetry(kept_seconds=0)
    assert shown(telemetry)["prediction_timeouts_total"] == 30
    shared.away = Unavailable("gone")
    for _ in range(6):
        telemetry.timeouts.inc()
    assert shown(telemetry)["prediction_timeouts_total"] == 36
    shared.away = None
    assert shown(telemetry)["prediction_timeouts_total"] == 36
    telemetry.close()


def test_one_process_counts_in_one_place() -> None:
    shared = Shared()
    own, function = shared.telemetry(kept_seconds=0), shared.telemetry()
    function.count_into(own)
    function.predictions.labels("sync").inc(3)
    shared.away = Unavailable("gone")
    own.flush()
    shared.away = None
    assert shown(own)['prediction_requests_total{source="sync"}'] == 3
    function.close()
    own.close()
    assert shared.totals == {SYNC: 3}


@pytest.mark.parametrize("broken", ["database", "objects", "queues", "cache"])
def test_what_is_broken_is_told_alone(broken: str) -> None:
    gone = Unavailable("gone")
    shared = Shared(
        away=gone if broken == "database" else None,
        objects_away=gone if broken == "objects" else None,
        queues_away=gone if broken == "queues" else None,
    )
    samples = shown(shared.telemetry(lambda: "gone" if broken == "cache" else None))
    told = {name: value for name, value in samples.items() if name.startswith("matchcast_dependency_up")}
    assert told == {
        f'matchcast_dependency_up{{dependency="{name}"}}': float(name != broken)
        for name in ("database", "objects", "queues", "cache")
    }


def test_of_what_is_not_known_yet_nothing_is_told() -> None:
    telemetry = Shared().telemetry(lambda: LOOKED_FOR)
    assert 'matchcast_dependency_up{dependency="cache"}' not in shown(telemetry)


def test_readiness_asks_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes come every second: nothing is read for them that only a scrape shows."""
    monkeypatch.setattr(lasting_module, "_SETTLE_SECONDS", 0.0)
    shared = Shared(away=Unavailable("gone"))
    telemetry = shared.telemetry(lambda: "Redis is away")
    deadline = time.monotonic() + 30
    while "database" not in telemetry.away():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert telemetry.away() == {"database": "gone", "cache": "Redis is away"}
    assert shared.asked == 0


def test_counts_reach_the_database_by_themselves() -> None:
    shared, added = Shared(), Event()

    def add(counts: Counts) -> None:
        shared.add(counts)
        added.set()

    counts = LastingCounts(add, flush_seconds=0.01)
    counts.count(SYNC)
    assert added.wait(30)
    assert shared.totals == {SYNC: 1}
    counts.close()


def test_no_thread_is_started_before_something_is_counted() -> None:
    before = threading.active_count()
    Shared().telemetry()
    assert threading.active_count() == before


def test_names_and_labels_are_those_of_the_reference() -> None:
    telemetry = Shared().telemetry()
    telemetry.requests.labels("GET", "/x", 200).inc()
    telemetry.request_seconds.labels("GET", "/x").observe(1)
    telemetry.confidence.labels("home").observe(0.5)
    telemetry.predictions.labels("sync").inc()
    text = telemetry.exposition().decode()
    for name, labels in {
        "http_requests_total": {"method", "path", "status"},
        "http_request_duration_seconds_count": {"method", "path"},
        "prediction_requests_total": {"source"},
        "prediction_timeouts_total": set(),
        "prediction_duration_seconds_count": set(),
        "inference_duration_seconds_count": set(),
        "prediction_confidence_count": {"outcome"},
        "model_info": {"model_name", "version", "stage"},
        "model_registered_at_seconds": set(),
        "model_feature_drift_score": set(),
    }.items():
        found = re.search(rf"^{name}(?:\{{(.*)\}})? ", text, re.M)
        assert found, name
        assert set(re.findall(r"(\w+)=", found[1] or "")) == labels, name
