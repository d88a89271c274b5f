"""Threads that want something at once have it done in one go."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.errors import MatchcastError, TaskEnded, Unavailable
from matchcast.usecases.together import Together


class Doing:
    """Answers "did X"; the first batch waits until it may go on, and so the others gather meanwhile."""

    def __init__(self, fails: Callable[[Sequence[str]], bool] = lambda _: False) -> None:
        self._fails = fails
        self.batches: list[list[str]] = []
        self.begun, self.may_go_on = Event(), Event()

    def __call__(self, batch: Sequence[str]) -> Sequence[str | MatchcastError]:
        self.batches.append(list(batch))
        self.begun.set()
        assert self.may_go_on.wait(20)
        if self._fails(batch):
            raise Unavailable("not now")
        return [TaskEnded(one) if one == "over" else f"did {one}" for one in batch]


def answers_of(doing: Doing, wanted: Sequence[str]) -> list[str | MatchcastError]:
    """What the first gets alone, then the others together."""
    together = Together[str, str](doing, lambda one: one)

    def ask(one: str) -> str | MatchcastError:
        try:
            return together(one)
        except MatchcastError as error:
            return error

    with ThreadPoolExecutor(len(wanted)) as pool:
        first = pool.submit(ask, wanted[0])
        assert doing.begun.wait(20)
        others = [pool.submit(ask, one) for one in wanted[1:]]
        while len(together._waiting) < len(others):
            time.sleep(0.001)
        doing.may_go_on.set()
        return [answer.result(20) for answer in (first, *others)]


def test_whoever_comes_while_a_batch_is_done_is_done_in_the_next() -> None:
    doing = Doing()
    assert answers_of(doing, ["a", "b", "c", "d"]) == ["did a", "did b", "did c", "did d"]
    assert [sorted(batch) for batch in doing.batches] == [["a"], ["b", "c", "d"]]


def test_the_same_thing_is_never_twice_in_a_batch() -> None:
    doing = Doing()
    assert answers_of(doing, ["a", "b", "c", "b"]) == ["did a", "did b", "did c", "did b"]
    assert [len(set(batch)) == len(batch) for batch in doing.batches] == [True] * 3


def test_an_error_of_one_is_its_own() -> None:
    a, over, b = answers_of(Doing(), ["a", "over", "b"])
    assert (a, b) == ("did a", "did b")
    assert isinstance(over, TaskEnded)


def test_a_batch_that_fails_is_done_one_by_one() -> None:
    doing = Doing(lambda batch: "bad" in batch)
    a, bad, b = answers_of(doing, ["a", "bad", "b"])
    assert (a, b) == ("did a", "did b")
    assert isinstance(bad, Unavailable)


def test_a_failure_alone_is_not_tried_again() -> None:
    doing = Doing(lambda _: True)
    doing.may_go_on.set()
    with pytest.raises(Unavailable):
        Together[str, str](doing, lambda one: one)("a")
    assert doing.batches == [["a"]]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=200))
def test_everyone_is_done_exactly_once(wanted: list[int]) -> None:
    done: list[tuple[int, int]] = []

    def do(batch: Sequence[tuple[int, int]]) -> Sequence[int]:
        done.extend(batch)
        return [turn for turn, _ in batch]

    together = Together[tuple[int, int], int](do, lambda one: one[1])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(together, enumerate(wanted))) == list(range(len(wanted)))
    assert sorted(done) == list(enumerate(wanted))
