"""What the metrics read from the database, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchcast.adapters.database.captures import SqlCaptures
from matchcast.adapters.database.cool_downs import SqlCoolDowns
from matchcast.adapters.database.dead_letters import SqlDeadLetters
from matchcast.adapters.database.drift_reports import SqlDriftReports
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.leftovers import SqlLeftovers
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.metric_totals import LightMetricStore
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.domain.event import Event
from matchcast.domain.forecast import Cause, Probabilities
from matchcast.domain.match import Outcome
from matchcast.errors import Unavailable
from matchcast.ports.events import DeadLetter, Task, TaskState
from matchcast.ports.feeds import TURNED_AWAY, Capture
from matchcast.ports.metrics import Counted, Forecasts, Settled, Stored
from matchcast.ports.scores import DriftReport
from tests.contract.matches import KICKOFF, NOW, told
from tests.contract.settling import Place
from tests.contract.test_ledger import forecast

WINDOW = timedelta(days=30)
SYNC = Counted("prediction_requests_total", (("source", "sync"),))
TIMEOUTS = Counted("prediction_timeouts_total")
HOME, DRAW, AWAY = (Probabilities(*p) for p in ((0.5, 0.3, 0.2), (0.3, 0.4, 0.3), (0.2, 0.3, 0.5)))


@pytest.fixture
def light(database_url: str) -> Iterator[LightDatabase]:
    opened = LightDatabase(database_url)
    yield opened
    opened.close()


@pytest.fixture
def store(light: LightDatabase) -> LightMetricStore:
    return LightMetricStore(light)


def make(database: Database, *probabilities: Probabilities, cause: Cause = Cause.REQUESTED) -> None:
    new = [replace(forecast(), probabilities=p, cause=cause) for p in probabilities]
    SqlLedger(database).append(new, lambda: NOW)


def test_an_empty_database_has_nothing_to_tell(store: LightMetricStore) -> None:
    nothing = Stored({}, Forecasts(0, None, {}), None, Settled(0, None, None, None), {}, {}, None)
    assert store.read(NOW, WINDOW) == nothing


def test_sources_that_are_left_alone_and_answers_that_were_not_read_are_told(
    store: LightMetricStore, database: Database
) -> None:
    until = NOW + timedelta(hours=1)
    SqlCoolDowns(database).start("blocked", until, "403")
    captures = SqlCaptures(database)
    problems = (None, "no columns", "no rows", f"{TURNED_AWAY}403", f"{TURNED_AWAY}a block page", "too old")
    for number, problem in enumerate(problems):
        taken_at = NOW - timedelta(hours=25 if problem == "too old" else 23)
        capture = Capture(
            "blocked", "1", f"https://{number}", taken_at, "text/csv", 200, None, None, "aa", "captures/aa"
        )
        captures.add(capture)
        if problem is not None:
            captures.refuse(capture, problem)
    told = store.read(NOW, WINDOW)
    assert (told.left_alone, told.not_read) == ({"blocked": until}, {"blocked": 2})
    for capture in captures.of_source("blocked"):
        captures.accept(capture)
    assert store.read(NOW, WINDOW).not_read == {}


def test_counts_add_up_over_processes(light: LightDatabase, database_url: str) -> None:
    other = LightDatabase(database_url)
    with ThreadPoolExecutor(2) as pool:
        for one in pool.map(lambda d: LightMetricStore(d).add({SYNC: 2, TIMEOUTS: 1}), [light, other] * 5):
            assert one is None
    other.close()
    assert LightMetricStore(light).read(NOW, WINDOW).totals == {SYNC: 20, TIMEOUTS: 10}


def test_the_ledger_is_told_by_cause_and_likeliest_outcome(database: Database, store: LightMetricStore) -> None:
    make(database, HOME, HOME, AWAY)
    make(database, DRAW, cause=Cause.NEW_RESULTS)
    told_of = store.read(NOW, WINDOW).forecasts
    assert (told_of.rows, told_of.last_recorded_at) == (4, NOW)
    assert told_of.by_cause == {
        ("requested", Outcome.HOME): 2,
        ("requested", Outcome.AWAY): 1,
        ("new_results", Outcome.DRAW): 1,
    }


def test_of_equal_chances_the_earlier_outcome_is_the_likeliest(database: Database, store: LightMetricStore) -> None:
    ties = [Probabilities(0.4, 0.4, 0.2), Probabilities(0.4, 0.2, 0.4), Probabilities(0.2, 0.4, 0.4)]
    make(database, *ties)
    found = store.read(NOW, WINDOW).forecasts.by_cause
    expected: dict[tuple[str, Outcome], int] = {}
    for tie in ties:
        expected["requested", tie.likeliest] = expected.get(("requested", tie.likeliest), 0) + 1
    assert found == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(new=st.lists(st.tuples(st.sampled_from([HOME, DRAW, AWAY]), st.sampled_from(list(Cause))), max_size=12))
def test_rows_are_counted_once_however_the_readings_fall(
    new: list[tuple[Probabilities, Cause]], database: Database, light: LightDatabase
) -> None:
    """Numbers that are kept and rows counted anew are all rows."""
    readers = [LightMetricStore(light, rows_at_once=1000, counted_after=after) for after in (1, 3)]
    for number, (probabilities, cause) in enumerate(new):
        make(database, probabilities, cause=cause)
        told_of = readers[number % 2].read(NOW, WINDOW).forecasts
        rows = list(SqlLedger(database).rows())
        expected: dict[tuple[str, Outcome], int] = {}
        for row in rows:
            of = (row.forecast.cause.value, row.forecast.probabilities.likeliest)
            expected[of] = expected.get(of, 0) + 1
        assert told_of.rows == len(rows)
        assert told_of.by_cause == expected


def test_a_long_ledger_is_counted_bit_by_bit_and_told_when_it_is_done(database: Database, light: LightDatabase) -> None:
    make(database, *[HOME] * 10)
    store = LightMetricStore(light, rows_at_once=3, counted_after=2)
    told_of = [store.read(NOW, WINDOW).forecasts.by_cause for _ in range(4)]
    assert told_of[0] is None
    assert told_of[-1] == {("requested", Outcome.HOME): 10}


def test_readers_at_once_count_no_row_twice(database: Database, database_url: str) -> None:
    make(database, *[HOME] * 40)
    opened = [LightDatabase(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        stores = [LightMetricStore(one, counted_after=1) for one in opened]
        found = list(pool.map(lambda s: s.read(NOW, WINDOW).forecasts.by_cause, stores * 3))
    for one in opened:
        one.close()
    assert found == [{("requested", Outcome.HOME): 40}] * 12


def test_the_last_report_on_drift_counts(database: Database, store: LightMetricStore) -> None:
    reports = SqlDriftReports(database)
    for day, score in ((0, 0.1), (2, 0.3), (1, 0.2)):
        at = NOW + timedelta(days=day)
        reports.add(DriftReport(f"r{day}", at, "v1", score, 0.25, 1 / 3, 90, (), "a.json", "a.html"))
    assert store.read(NOW, WINDOW).drift == (NOW + timedelta(days=2), 0.3, 0.25, 1 / 3)


def test_scores_are_of_last_revisions_of_recent_matches(database: Database, store: LightMetricStore) -> None:
    place = Place(database)
    place.load(told())
    place.forecast()
    place.settle(place.match_id())
    (settlement,) = place.all()
    assert settlement.result is not None
    after = KICKOFF + timedelta(days=29)
    scores = (1, settlement.result.log_loss, settlement.result.rps, settlement.result.brier)
    assert store.read(after, WINDOW).settled == pytest.approx(scores)
    assert store.read(KICKOFF + timedelta(days=31), WINDOW).settled.matches == 0
    place.load(told(home_goals=0))
    place.settle(place.match_id(), id="e2")
    revised = place.all()[-1]
    assert revised.revision == 2
    assert revised.result is not None
    assert store.read(after, WINDOW).settled == pytest.approx(
        (1, revised.result.log_loss, revised.result.rps, revised.result.brier)
    )


def test_open_letters_are_told_by_trigger(database: Database, store: LightMetricStore) -> None:
    event = Event("e1", "/matchcast/tests", "asked", NOW)
    letters = SqlDeadLetters(database)
    for name, broker, trigger in (("a", "ingest", "odds-due"), ("b", "ingest", "odds-due"), ("c", "inference", None)):
        letters.add(DeadLetter(name, broker, event, "http://x", 503, "", NOW, 1, None, trigger))
    letters.add(DeadLetter("d", "inference", event, "http://x", 503, "", NOW, 1, None, "drift-due"))
    letters.mark_replayed("d", NOW)
    assert store.read(NOW, WINDOW).dead_letters == {("ingest", "odds-due"): 2, ("inference", ""): 1}
    found = letters.find("a")
    assert found is not None
    assert found.trigger == "odds-due"


def test_tasks_are_told_by_kind_and_state_and_the_last_scrape_by_its_task(
    database: Database, store: LightMetricStore
) -> None:
    tasks = SqlTasks(database)
    for number, kind in enumerate(("prediction", "scrape", "scrape", "scrape")):
        tasks.add(Task(f"t{number}", kind, TaskState.PENDING, NOW, NOW, NOW + WINDOW))
    tasks.finish("t0", NOW + timedelta(hours=9), result={})
    tasks.finish("t1", NOW + timedelta(hours=1), result={})
    tasks.finish("t2", NOW + timedelta(hours=5), problem={})
    stored = store.read(NOW, WINDOW)
    assert stored.tasks == {
        ("prediction", "success"): 1,
        ("scrape", "success"): 1,
        ("scrape", "failure"): 1,
        ("scrape", "pending"): 1,
    }
    assert stored.scraped_at == NOW + timedelta(hours=1)


def test_the_last_scrape_is_told_when_its_task_is_gone(database: Database, store: LightMetricStore) -> None:
    """Else the alert that nothing is ingested would end by itself, for want of a figure."""
    tasks = SqlTasks(database)
    for number, hours in enumerate((5, 3)):
        tasks.add(Task(f"t{number}", "scrape", TaskState.PENDING, NOW, NOW, NOW + WINDOW))
        tasks.finish(f"t{number}", NOW + timedelta(hours=hours), result={})
        assert store.read(NOW, WINDOW).scraped_at == NOW + timedelta(hours=5)
    assert SqlLeftovers(database).remove_some(NOW + 2 * WINDOW, NOW, ()) == 2
    stored = store.read(NOW, WINDOW)
    assert (stored.tasks, stored.totals, stored.scraped_at) == ({}, {}, NOW + timedelta(hours=5))


def test_a_database_that_is_there_is_reached(database: Database, store: LightMetricStore) -> None:
    store.reach()


def test_a_database_that_is_away_is_told(tmp_path: object) -> None:
    store = LightMetricStore(LightDatabase(f"sqlite:///{tmp_path}/none.db"))
    with pytest.raises(Unavailable, match="run `matchcast migrate`"):
        store.read(NOW, WINDOW)
    with pytest.raises(Unavailable, match="run `matchcast migrate`"):
        store.reach()
    with pytest.raises(Unavailable):
        store.add({SYNC: 1})
