"""Answers kept for requests sent again, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.idempotent import KeptAnswers
from matchcast.adapters.database.leftovers import SqlLeftovers
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.tables import idempotent_answers
from matchcast.ports.idempotency import Answered, Begun, InFlight, Mismatch
from matchcast.usecases.sweep import sweep
from tests.contract.matches import NOW

ONE = ("key-1", "POST /predict/", "order-7")
HEADERS = {"content-type": "application/json", "location": "/predict/7"}
BODY = b'{"h\xc3\xb6me":0.5}\x00'


@pytest.fixture
def light(database_url: str) -> Iterator[LightDatabase]:
    """A fresh database by its driver, once on each kind."""
    opened = LightDatabase(database_url)
    yield opened
    opened.close()


@pytest.fixture
def answers(light: LightDatabase) -> KeptAnswers:
    return KeptAnswers(light)


def begin(answers: KeptAnswers, now: datetime = NOW, which: tuple[str, str, str] = ONE, sha256: str = "a") -> Any:
    return answers.begin(*which, sha256, now, 60.0, 3600.0)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_the_first_begins_and_the_same_again_waits_for_its_answer(answers: KeptAnswers) -> None:
    assert isinstance(begin(answers), Begun)
    assert isinstance(begin(answers, after(59)), InFlight)


def test_an_answer_is_given_again_byte_for_byte(answers: KeptAnswers) -> None:
    begin(answers)
    answers.finish(*ONE, Begun(NOW), 201, HEADERS, BODY)
    again = begin(answers, after(3599))
    assert isinstance(again, Answered)
    assert again == Answered(201, HEADERS, BODY)


@pytest.mark.parametrize("answered", [True, False])
def test_another_body_is_a_mismatch(answers: KeptAnswers, answered: bool) -> None:
    begin(answers)
    if answered:
        answers.finish(*ONE, Begun(NOW), 200, HEADERS, BODY)
    assert isinstance(begin(answers, after(61), sha256="b"), Mismatch)


@pytest.mark.parametrize("other", [("key-2", *ONE[1:]), (ONE[0], "POST /scrape", ONE[2]), (*ONE[:2], "order-8")])
def test_keys_routes_and_clients_do_not_meet(answers: KeptAnswers, other: tuple[str, str, str]) -> None:
    begin(answers)
    assert isinstance(begin(answers, which=other, sha256="b"), Begun)


def test_one_that_was_given_up_begins_again_and_is_its_own_to_end(answers: KeptAnswers) -> None:
    """Whoever began it first, and was slow, neither answers for the second nor lets a third begin beside it."""
    slow = begin(answers)
    again = begin(answers, after(60))
    assert isinstance(again, Begun)
    assert slow != again
    answers.finish(*ONE, slow, 200, HEADERS, b"slow")
    answers.abandon(*ONE, slow)
    assert isinstance(begin(answers, after(61)), InFlight)
    answers.finish(*ONE, again, 200, HEADERS, b"first")
    answers.finish(*ONE, again, 200, HEADERS, b"second")
    answers.abandon(*ONE, again)
    assert begin(answers, after(62)) == Answered(200, HEADERS, b"first")


def test_an_abandoned_one_may_begin_again_with_any_body(answers: KeptAnswers) -> None:
    begin(answers)
    answers.abandon(*ONE, Begun(NOW))
    assert isinstance(begin(answers, sha256="b"), Begun)


@pytest.mark.parametrize("answered", [True, False])
def test_after_its_time_it_is_as_if_it_had_never_been(answers: KeptAnswers, answered: bool) -> None:
    begin(answers)
    if answered:
        answers.finish(*ONE, Begun(NOW), 200, HEADERS, BODY)
    assert isinstance(begin(answers, after(3600), sha256="b"), Begun)
    assert isinstance(begin(answers, after(3601), sha256="b"), InFlight)


def test_of_many_at_once_one_begins(light: LightDatabase) -> None:
    """Eight threads claim twenty keys together, each key ten of them for the second time after a death."""
    for number in range(10):
        begin(KeptAnswers(light), which=(*ONE[:2], f"order-{number}"))
    together = Barrier(8)

    def claim(_: int) -> list[Any]:
        found = []
        for number in range(20):
            together.wait()
            found.append(begin(KeptAnswers(light), after(120), (*ONE[:2], f"order-{number}")))
        return found

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claim, range(8)))
    for of_one_key in zip(*claims, strict=True):
        assert sorted(type(claim).__name__ for claim in of_one_key) == ["Begun", *["InFlight"] * 7]


def test_expired_ones_are_removed_by_the_next_sweep(database: Database, light: LightDatabase) -> None:
    """Bodies and all, and not only after the days for which a task is kept."""
    for number in range(3):
        begin(KeptAnswers(light), after(10 * number), (*ONE[:2], f"order-{number}"))
    sweep(SqlLeftovers(database), after(3611), timedelta(days=30), Timer(30))
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(idempotent_answers)).scalar_one() == 1
