"""Whatever brokers do, each event has its effect once: any order, one to five times, at once, answers lost."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from knative.local.services.postgres import fresh_database
from tests.contract.deliveries import LATE, OPEN, DatabaseHouse, World, furnish, shelf, world
from tests.entrypoints.served import served

pytestmark = pytest.mark.slow

MOST: Final = 5
"""Deliveries of one event."""
FEW: Final = settings(max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck))
Enter = Callable[[ExitStack], World]


@pytest.fixture
def fresh_world(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Enter]:
    """Opens worlds that begin alike, each with its own database and objects."""
    first = DatabaseHouse(tmp_path / "first", database_url)
    first.folder.mkdir()
    furnish(first)
    server, _, template = database_url.rpartition("/")

    def another(number: int, stack: ExitStack) -> DatabaseHouse:
        folder = tmp_path / str(number)
        shutil.copytree(first.folder, folder)
        if database_url.startswith("sqlite"):
            shutil.copy(tmp_path / template, folder / template)
            return DatabaseHouse(folder, f"sqlite:///{folder / template}")
        return DatabaseHouse(folder, stack.enter_context(fresh_database(server, template)))

    with served(shelf()) as source:
        numbers = iter(range(10_000))
        yield lambda stack: stack.enter_context(world(another(next(numbers), stack), str(source.base_url)))


def deliver_the_rest(there: World) -> None:
    """One after the other, what was not delivered yet and what follows from it."""
    while waiting := there.waiting():
        there.deliver(waiting[:1])


def assert_right(there: World) -> None:
    """What a world in which everything was delivered has come to."""
    found = there.contents()
    ends = {task_id: state for task_id, (_, state, _, _) in found["tasks"].items()}
    success = {"known", "pairing", "first", "second", "ended", *(ends.keys() - set(OPEN))}
    assert ends == {i: "success" if i in success else "failure" for i in (*OPEN, *success) if i != LATE}
    assert len(ends) == len(OPEN) + 1, "the ping has a task of its own, the ended one is there, the late one apart"
    assert found["tasks"]["ended"][2] == '{"of": "an earlier event"}'
    assert found["of no match"].total() == 1
    assert [deaths for *_, deaths, _ in found["dead"]] == [1, 1, 1]
    assert [revision for _, revision, *_ in found["settlements"]] == [1, 1]
    assert Counter(type_.removeprefix("org.matchcast.") for type_, _, _ in there.events()) == {
        "prediction.completed": 2, "prediction.failed": 1, "event.rejected": 3, "matches.ingested": 3,
        "scrape.failed": 1, "model.promoted": 1, "forecasts.updated": 4, "forecasts.settled": 3,
    }  # fmt: skip
    replies = there.replies()[f"prediction {LATE}"]
    state, row = there.late()
    assert (state, row is None, replies == {"[204, null]"}) in (("success", False, False), ("failure", True, True))


def assert_same(found: World, expected: World) -> None:
    """Both worlds came to the same, up to what order decides."""
    assert {status for _, status, _ in found.answers} == {200, 204}
    assert {name: told for name, told in found.replies().items() if len(told) > 1} == {}, "answered differently"
    assert sorted(found.known) == sorted(expected.known)
    assert found.events() == expected.events()
    ours, theirs = found.contents(), expected.contents()
    for part, content in theirs.items():
        assert ours[part] == content, part
    for match_id, stations in found.stations().items():
        assert len(stations) == len(set(stations)), f"forecasts of match {match_id} were recorded twice"
    found.assert_chained()
    assert_right(found)


def some_of_the_known(most: int) -> st.SearchStrategy[list[str]]:
    """Names of deliveries that can be made in a machine's world."""
    return st.runner().flatmap(lambda machine: st.lists(st.sampled_from(machine.known()), min_size=1, max_size=most))


def test_each_event_has_its_effect_once_however_it_is_delivered(fresh_world: Enter) -> None:
    """Compared with a world in which each was delivered once, one after the other."""
    with ExitStack() as kept:
        expected = fresh_world(kept)
        deliver_the_rest(expected)
        assert_same(expected, expected)

        class Deliveries(RuleBasedStateMachine):
            def __init__(self) -> None:
                super().__init__()
                self._open = ExitStack()
                self.there = fresh_world(self._open)

            def known(self) -> list[str]:
                return sorted(self.there.known)

            @rule(names=some_of_the_known(4))
            def come_at_once(self, names: list[str]) -> None:
                self._deliver(names)

            @rule(names=some_of_the_known(1), times=st.integers(2, MOST))
            def comes_again_and_again_at_once(self, names: list[str], times: int) -> None:
                self._deliver(names * times)

            @rule()
            def all_come_twice_at_once(self) -> None:
                self._deliver(self.known() * 2)

            def _deliver(self, names: list[str]) -> None:
                before = self.there.delivered
                self.there.deliver([n for i, n in enumerate(names) if before[n] + names[:i].count(n) < MOST])

            def teardown(self) -> None:
                with self._open:
                    deliver_the_rest(self.there)
                    assert_same(self.there, expected)

        run_state_machine_as_test(Deliveries, settings=FEW)
