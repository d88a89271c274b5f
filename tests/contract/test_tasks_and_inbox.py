"""Tasks, handled events and dead letters on SQLite and PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.dead_letters import SqlDeadLetters
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.leftovers import SqlLeftovers
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.domain.event import Event
from matchcast.errors import TaskEnded, TaskExpired, TimedOut, Unavailable
from matchcast.events import PredictionRequested, first_event
from matchcast.ports.events import DeadLetter, Finished, Task, TaskState
from matchcast.usecases.lookup import task_status
from matchcast.usecases.sweep import sweep

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
EVENT = Event("e1", "/matchcast/tests", "asked", NOW, {"n": [1, None, "ü"]}, None, {"a": "b"})
REPLY = Event("r1", "/matchcast/tests", "answered", NOW, {"x": 1.5}, "s")


def task(task_id: str = "t1") -> Task:
    return Task(task_id, "prediction", TaskState.PENDING, NOW, NOW, NOW + timedelta(hours=1))


def count(database: Database, task_id: str) -> Callable[[], Event]:
    """An effect that adds a task, as any effect writes something."""

    def effect() -> Event:
        SqlTasks(database).add(task(task_id))
        return REPLY

    return effect


def test_an_event_handled_before_has_the_reply_it_had_and_no_effect(database: Database) -> None:
    inbox = SqlInbox(database)
    assert inbox.handled("predict-async", EVENT) is None
    assert inbox.once("predict-async", EVENT, NOW, count(database, "t1")) == REPLY
    assert inbox.once("predict-async", EVENT, NOW, count(database, "t2")) == REPLY
    assert inbox.handled("predict-async", EVENT) == (REPLY,)
    assert SqlTasks(database).find("t2") is None


def test_events_are_told_apart_by_consumer_source_and_id(database: Database) -> None:
    inbox = SqlInbox(database)
    others = [
        ("drift", EVENT),
        ("predict-async", Event("e2", EVENT.source, "asked", NOW)),
        ("predict-async", Event("e1", "/elsewhere", "asked", NOW)),
    ]
    inbox.once("predict-async", EVENT, NOW, lambda: None)
    for consumer, event in others:
        assert inbox.handled(consumer, event) is None
        assert inbox.once(consumer, event, NOW, lambda: REPLY) == REPLY
    assert inbox.handled("predict-async", EVENT) == (None,)


def test_an_effect_that_fails_leaves_nothing_and_may_be_tried_again(database: Database) -> None:
    inbox, tasks = SqlInbox(database), SqlTasks(database)

    def fail() -> Event:
        tasks.add(task())
        assert tasks.find("t1") is not None
        raise TaskEnded("t1")

    with pytest.raises(TaskEnded):
        inbox.once("predict-async", EVENT, NOW, fail)
    assert tasks.find("t1") is None
    assert inbox.handled("predict-async", EVENT) is None
    assert inbox.once("predict-async", EVENT, NOW, count(database, "t1")) == REPLY
    assert tasks.find("t1") == task()


def test_of_many_deliveries_at_once_one_has_an_effect_and_all_get_its_reply(database: Database) -> None:
    inbox, tasks = SqlInbox(database), SqlTasks(database)
    together, ran = threading.Barrier(8), []

    def deliver(turn: int) -> Event | None:
        def effect() -> Event:
            ran.append(turn)
            tasks.add(task(f"t{turn}"))
            return Event(f"r{turn}", "/matchcast/tests", "answered", NOW)

        together.wait(20)
        return inbox.once("predict-async", EVENT, NOW, effect)

    with ThreadPoolExecutor(8) as pool:
        replies = Counter(reply.id for reply in pool.map(deliver, range(8)) if reply)
    assert replies == {f"r{ran[0]}": 8}
    assert [turn for turn in range(8) if tasks.find(f"t{turn}")] == ran
    assert len(ran) == 1


def test_what_one_thread_writes_in_its_transaction_another_does_not_see(database: Database) -> None:
    tasks = SqlTasks(database)
    with database.writing():
        tasks.add(task())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(tasks.find, "t1").result(20) is None
    assert tasks.find("t1") is not None


def test_a_fault_inside_a_transaction_ends_it_whole(database: Database) -> None:
    tasks = SqlTasks(database)
    with pytest.raises((DBAPIError, Unavailable)), database.writing():
        tasks.add(task())
        with database.writing() as connection:
            connection.exec_driver_sql("SELECT nothing FROM nowhere")
    assert tasks.find("t1") is None
    tasks.add(task())
    assert tasks.find("t1") == task()


def test_a_task_reaches_one_final_state(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    tasks.add(task()._replace(kind="scrape"))
    assert tasks.find("t1") == task()
    later = NOW + timedelta(seconds=1)
    assert tasks.start("t1", later)
    assert tasks.find("t1") == task()._replace(state=TaskState.RUNNING, updated_at=later)
    assert tasks.finish("t1", later, result={"p": 0.1})
    assert not tasks.finish("t1", NOW, problem={"detail": "too late"})
    assert not tasks.start("t1", NOW)
    assert not tasks.reopen("t1", NOW)
    found = tasks.find("t1")
    assert found is not None
    assert (found.state, found.result, found.problem) == (TaskState.SUCCESS, {"p": 0.1}, None)


def test_why_a_try_did_not_succeed_is_kept_until_the_task_ends(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    later = NOW + timedelta(seconds=1)
    assert tasks.note("t1", later, {"detail": "away"})
    assert tasks.find("t1") == task()._replace(updated_at=later, problem={"detail": "away"})
    assert tasks.finish("t1", later, result={"p": 0.1})
    assert not tasks.note("t1", later, {"detail": "away"})
    found = tasks.find("t1")
    assert found is not None
    assert (found.result, found.problem) == ({"p": 0.1}, None)


def test_a_failed_task_can_be_opened_again(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    assert tasks.finish("t1", NOW, problem={"detail": "no"})
    assert tasks.reopen("t1", NOW)
    assert tasks.find("t1") == task()


def test_a_task_opened_again_late_is_kept_as_long_as_it_was_at_first(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    tasks.finish("t1", NOW, problem={"detail": "no"})
    late = NOW + timedelta(days=40)
    assert tasks.reopen("t1", late)
    found = tasks.find("t1")
    assert found == task()._replace(updated_at=late, expires_at=late + timedelta(hours=1))
    assert task_status("t1", tasks, late) == found
    with pytest.raises(TaskExpired):
        task_status("t1", tasks, late + timedelta(hours=1))


def test_several_tasks_are_held_and_finished_in_one_transaction(database: Database) -> None:
    tasks = SqlTasks(database)
    for name in ("t1", "t2", "over"):
        tasks.add(task(name))
    tasks.finish("over", NOW, result={})
    later = NOW + timedelta(seconds=1)
    with ThreadPoolExecutor(1) as pool:
        with database.writing():
            assert tasks.hold(["t2", "over", "unknown", "t1"]) == {"t1", "t2"}
            other = pool.submit(tasks.finish, "t1", NOW, result={"p": 0.2})
            with pytest.raises(TimeoutError):
                other.result(0.3)
            tasks.finish_all([Finished("t1", result={"p": 0.1}), Finished("t2", problem={"detail": "no"})], later)
        assert other.result(20) is False
    first, second = tasks.find("t1"), tasks.find("t2")
    assert first == task("t1")._replace(state=TaskState.SUCCESS, updated_at=later, result={"p": 0.1})
    assert second == task("t2")._replace(state=TaskState.FAILURE, updated_at=later, problem={"detail": "no"})


def test_several_events_are_recorded_with_their_replies_all_or_none(database: Database) -> None:
    inbox = SqlInbox(database)
    other = Event("e2", EVENT.source, "asked", NOW)
    inbox.keep("predict-async", [(EVENT, REPLY)], NOW)
    assert inbox.once("predict-async", EVENT, NOW, count(database, "t1")) == REPLY
    with pytest.raises(Unavailable):
        inbox.keep("predict-async", [(other, None), (EVENT, None)], NOW)
    assert inbox.replies("predict-async", [EVENT, other]) == {(EVENT.source, "e1"): (REPLY,)}
    inbox.keep("predict-async", [(other, None)], NOW)
    assert inbox.replies("predict-async", [EVENT, other]) == {
        (EVENT.source, "e1"): (REPLY,),
        (EVENT.source, "e2"): (None,),
    }
    assert inbox.replies("drift", [EVENT, other]) == {}


def test_whoever_finishes_a_task_waits_for_it_to_be_opened_again(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    tasks.finish("t1", NOW, problem={"detail": "no"})
    with ThreadPoolExecutor(1) as pool:
        with database.writing():
            assert tasks.reopen("t1", NOW)
            finished = pool.submit(tasks.finish, "t1", NOW, result={"p": 0.1})
            with pytest.raises(TimeoutError):
                finished.result(0.3)
        assert finished.result(20)
    found = tasks.find("t1")
    assert found is not None
    assert (found.state, found.result, found.problem) == (TaskState.SUCCESS, {"p": 0.1}, None)


def test_an_unknown_or_removed_task_changes_nothing(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task())
    assert tasks.remove("t1")
    assert not tasks.remove("t1")
    assert tasks.find("t1") is None
    assert not any((tasks.start("t1", NOW), tasks.finish("t1", NOW), tasks.reopen("t1", NOW)))


def test_a_task_whose_work_has_begun_is_not_removed(database: Database) -> None:
    tasks = SqlTasks(database)
    tasks.add(task("begun"), task("ended"))
    tasks.start("begun", NOW)
    tasks.finish("ended", NOW, result={})
    before = [tasks.find("begun"), tasks.find("ended")]
    assert not any((tasks.remove("begun"), tasks.remove("ended")))
    assert [tasks.find("begun"), tasks.find("ended")] == before


def letter(name: str, minutes: int = 0) -> DeadLetter:
    at = NOW + timedelta(minutes=minutes)
    return DeadLetter(name, "inference", EVENT, "http://predict-async", 503, "away", at, 1, None)


def listed(letter: DeadLetter) -> DeadLetter:
    return letter._replace(event=Event(EVENT.id, EVENT.source, EVENT.type, EVENT.time))


def test_a_letter_that_dies_again_counts_and_is_open_again(database: Database) -> None:
    letters = SqlDeadLetters(database)
    assert letters.add(letter("a"))
    assert letters.find("a") == letter("a")
    assert not letters.add(letter("a", 1))  # the same death told again
    assert letters.find("a") == letter("a")
    assert letters.mark_replayed("a", NOW)
    assert not letters.mark_replayed("a", NOW)
    assert not letters.mark_replayed("b", NOW)
    assert letters.page(None, 10, open_only=True) == []
    assert not letters.add(letter("a", 2))
    again = letter("a", 5)._replace(code=None, reason="", deaths=2)
    assert letters.add(again)
    assert letters.find("a") == again
    assert letters.page(None, 10, open_only=True) == [listed(again)]
    assert not letters.add(letter("a", 9))
    assert letters.find("b") is None


def test_letters_are_paged_in_the_order_of_their_death(database: Database) -> None:
    letters = SqlDeadLetters(database)
    for name, minutes in (("c", 1), ("a", 2), ("b", 1), ("d", 0)):
        letters.add(letter(name, minutes))
    first = letters.page(None, 2, open_only=False)
    assert [found.letter_id for found in first] == ["d", "b"]
    rest = letters.page((first[-1].died_at, first[-1].letter_id), 9, open_only=False)
    assert [found.letter_id for found in rest] == ["c", "a"]


def test_what_ended_long_ago_is_removed_and_nothing_else(database: Database) -> None:
    tasks, inbox, letters = SqlTasks(database), SqlInbox(database), SqlDeadLetters(database)
    ago = timedelta(days=30)
    tasks.add(task("old")._replace(expires_at=NOW - ago), task("expired")._replace(expires_at=NOW), task("new"))
    later = Event("e2", EVENT.source, "asked", NOW)
    inbox.once("drift", EVENT, NOW - ago, lambda: REPLY)
    inbox.once("drift", later, NOW, lambda: REPLY)
    for name in ("old", "replayed", "open"):
        letters.add(letter(name)._replace(died_at=NOW - 2 * ago))
    letters.mark_replayed("old", NOW - ago)
    letters.mark_replayed("replayed", NOW)

    leftovers = SqlLeftovers(database)
    assert leftovers.remove_some(NOW - ago, NOW, ()) == 0
    assert leftovers.remove_some(NOW - ago + timedelta(seconds=1), NOW, ()) == 3
    assert leftovers.remove_some(NOW - ago + timedelta(seconds=1), NOW, ()) == 0
    assert [bool(tasks.find(name)) for name in ("old", "expired", "new")] == [False, True, True]
    assert [bool(inbox.handled("drift", event)) for event in (EVENT, later)] == [False, True]
    assert [bool(letters.find(name)) for name in ("old", "replayed", "open")] == [False, True, True]


def test_leftovers_are_removed_some_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matchcast.adapters.database.leftovers._AT_ONCE", 4)
    tasks = SqlTasks(database)
    tasks.add(*(task(f"t{number}") for number in range(10)))
    counts = [SqlLeftovers(database).remove_some(NOW + timedelta(days=1), NOW, ()) for _ in range(4)]
    assert counts == [4, 4, 2, 0]


def asking(task_id: str, *, open_: bool, letters: SqlDeadLetters) -> None:
    """A letter whose event asks for a task's work."""
    event = first_event(PredictionRequested(task_id=task_id, match_id=7), id=task_id, service="predict-async", now=NOW)
    letters.add(letter(task_id)._replace(event=event))
    if not open_:
        letters.mark_replayed(task_id, NOW)


def test_tasks_that_open_letters_ask_for_outlive_the_sweep(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would come of replaying them."""
    monkeypatch.setattr("matchcast.adapters.database.leftovers._AT_ONCE", 2)
    tasks, letters = SqlTasks(database), SqlDeadLetters(database)
    tasks.add(*(task(f"t{number}") for number in range(10)))
    letters.add(letter("about nothing")._replace(event=replace(EVENT, data={"note": "\0 \ud800"})))
    for number in range(4):
        asking(f"t{number}", open_=True, letters=letters)
    asking("t4", open_=False, letters=letters)
    later = NOW + timedelta(days=40)
    sweep(SqlLeftovers(database), later, timedelta(days=30), Timer(30))
    assert [bool(tasks.find(f"t{number}")) for number in range(10)] == [True] * 4 + [False] * 6


def test_a_sweep_out_of_time_says_that_there_is_more(database: Database) -> None:
    SqlTasks(database).add(task())
    with pytest.raises(TimedOut):
        sweep(SqlLeftovers(database), NOW + timedelta(days=40), timedelta(days=30), Timer(0))
    assert SqlTasks(database).find("t1") is None
