"""Forecasts asked for now and made later: the task, the event that asks, and what comes of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from matchcast.domain.event import Event
from matchcast.domain.forecast import Forecast, LedgerRow, Pairing
from matchcast.errors import BadInput, MatchcastError, TaskEnded, Unavailable
from matchcast.events import (
    AskedPairing,
    ForecastData,
    PredictionCompleted,
    PredictionFailed,
    PredictionRequested,
    Problem,
    first_event,
    next_event,
)
from matchcast.ports import Clock, LedgerEnd
from matchcast.ports.events import Deadline, Finished, Handled, Inbox, Sink, Task, Tasks, TaskState, Transaction
from matchcast.usecases.asking import asked_of, publish_asking
from matchcast.usecases.question import kicked_off
from matchcast.usecases.together import Together

KIND: Final = "prediction"


class Made(NamedTuple):
    """A forecast, and the answer that shows it, given the ledger's row that holds it."""

    forecast: Forecast
    shown: Callable[[LedgerRow], Mapping[str, Any]]


class Requests:
    """Accepts forecasts: from then on their tasks reach a final state.

    Args:
        service: on whose behalf.
        tasks, sink: open them.
        kept_for: how long a task's status can be asked for.
    """

    def __init__(self, service: str, tasks: Callable[[], Tasks], sink: Callable[[], Sink], kept_for: timedelta) -> None:
        self._service = service
        self._tasks = tasks
        self._sink = sink
        self._kept_for = kept_for
        self._added = Together[Task, None](self._add, lambda task: task.task_id)

    def accept(self, asked: int | Pairing, task_id: str, now: datetime) -> None:
        """
        Args:
            asked: the id of a known fixture, or a pairing; whether they exist is found out later.
        Raises:
            Unavailable: the broker or the database is away; nothing was accepted.
        """
        self._added(Task(task_id, KIND, TaskState.PENDING, now, now, now + self._kept_for))
        event = first_event(_requested(asked, task_id), id=task_id, service=self._service, now=now)
        publish_asking(event, task_id, self._tasks(), self._sink())

    def _add(self, tasks: Sequence[Task]) -> Sequence[None]:
        self._tasks().add(*tasks)
        return [None] * len(tasks)


def _requested(asked: int | Pairing, task_id: str) -> PredictionRequested:
    if isinstance(asked, int):
        return PredictionRequested(task_id=task_id, match_id=asked)
    fixture = AskedPairing(
        home_team=asked.home_team,
        away_team=asked.away_team,
        tournament=asked.tournament,
        kickoff_at=asked.kickoff_at,
        kickoff_known=asked.kickoff_known,
        season=asked.season,
    )
    return PredictionRequested(task_id=task_id, fixture=fixture)


class _Outcome(NamedTuple):
    """What became of a request, before anything is written."""

    event: Event
    task_id: str
    now: datetime
    deadline: Deadline
    made: Made | Problem


class Forecasting:
    """Makes the forecasts that events ask for.

    The forecast is made first; ledger row, task and record of the event are then written in one transaction, together
    with those of other forecasts that wait at the moment: the ledger's end is taken, and the transaction made to last,
    once for all of them. A task is never seen running. What the ledger holds already is answered as it stands there.

    Args:
        service: on whose behalf; also the consumer in the inbox.
        forecast: makes one at an instant, of the id of a known fixture or of a pairing.
        transaction: of the database that ledger, tasks and inbox share.
        problem_of: an error as events and tasks tell it.
        clock: tells when a forecast is recorded.
    """

    def __init__(
        self,
        service: str,
        forecast: Callable[[int | Pairing, datetime], Made],
        ledger: LedgerEnd,
        tasks: Tasks,
        inbox: Inbox,
        transaction: Transaction,
        problem_of: Callable[[MatchcastError], Problem],
        clock: Clock,
    ) -> None:
        self._service = service
        self._forecast = forecast
        self._ledger = ledger
        self._tasks = tasks
        self._inbox = inbox
        self._transaction = transaction
        self._problem_of = problem_of
        self._clock = clock
        self._written = Together[_Outcome, Event | None](self._write, lambda one: one.task_id)

    def carry_out(self, event: Event, now: datetime, deadline: Deadline) -> Event | None:
        """Do what a prediction.requested asks for.

        Returns:
            prediction.completed, or prediction.failed where there can be no such forecast.
        Raises:
            BadInput: the event is not as its schema says; the task it names has failed.
            TaskEnded: its task is unknown or has its final state; nothing was written.
            Unavailable: champion, snapshot or database is away; the task stays open.
        """
        asked = asked_of(event, PredictionRequested, self._tasks, now, self._problem_of)
        made: Made | Problem
        try:
            made = self._forecast(_asked(asked), now)
        except Unavailable:
            raise
        except MatchcastError as error:
            made = self._problem_of(error)
        return self._written(_Outcome(event, asked.task_id, now, deadline, made))

    def _write(self, batch: Sequence[_Outcome]) -> Sequence[Event | MatchcastError | None]:
        """All of these, or nothing."""
        now = max(one.now for one in batch)
        _check_deadlines(batch)
        with self._transaction():
            open_tasks = self._tasks.hold([one.task_id for one in batch])
            before = self._inbox.replies(self._service, [one.event for one in batch])
            new = [one for one in batch if one.task_id in open_tasks and _key(one.event) not in before]
            made = [one.made.forecast for one in new if isinstance(one.made, Made)]
            rows = iter(self._ledger.record(made, self._clock))
            ended = [self._ended(one, rows, now) for one in new]
            self._tasks.finish_all([finished for finished, _ in ended], now)
            told = {_key(one.event): Handled(reply) for one, (_, reply) in zip(new, ended, strict=True)}
            self._inbox.keep(self._service, [(one.event, told[_key(one.event)].reply) for one in new], now)
            _check_deadlines(batch)
        known = {**before, **told}
        return [
            known[_key(one.event)].reply
            if _key(one.event) in known
            else TaskEnded(f"task {one.task_id} is unknown or has its final state")
            for one in batch
        ]

    def _ended(self, one: _Outcome, rows: Iterator[LedgerRow | None], now: datetime) -> tuple[Finished, Event]:
        """The end of its task, and what follows."""
        told: PredictionCompleted | PredictionFailed
        row = next(rows) if isinstance(one.made, Made) else None
        if isinstance(one.made, Made) and row is not None:
            finished = Finished(one.task_id, result=one.made.shown(row))
            told = PredictionCompleted(task_id=one.task_id, forecast=_data(row))
        else:
            problem = self._late(one.made.forecast) if isinstance(one.made, Made) else one.made
            finished = Finished(one.task_id, problem=problem.to_json())
            told = PredictionFailed(task_id=one.task_id, problem=problem)
        return finished, next_event(one.event, told, service=self._service, now=now)

    def _late(self, forecast: Forecast) -> Problem:
        return self._problem_of(kicked_off(forecast.fixture.kickoff_at, "kickoff_at"))


def _check_deadlines(batch: Sequence[_Outcome]) -> None:
    for one in batch:
        one.deadline.check()


def _key(event: Event) -> tuple[str, str]:
    return event.source, event.id


def _asked(payload: PredictionRequested) -> int | Pairing:
    fixture = payload.fixture
    if fixture is None:
        if payload.match_id is None:
            raise BadInput("data.match_id: give it or fixture, one of the two", "data.match_id")
        return payload.match_id
    return Pairing(
        fixture.home_team, fixture.away_team, fixture.tournament, fixture.kickoff_at, fixture.season,
        fixture.kickoff_known,
    )  # fmt: skip


def _data(row: LedgerRow) -> ForecastData:
    forecast, fixture = row.forecast, row.forecast.fixture
    return ForecastData(
        forecast_id=row.forecast_id,
        match_id=fixture.match_id,
        tournament=fixture.tournament,
        home_team=fixture.home_team,
        away_team=fixture.away_team,
        kickoff_at=fixture.kickoff_at,
        **forecast.probabilities._asdict(),
        model_version=forecast.model_version,
        snapshot_hash=forecast.snapshot_hash,
        as_of=forecast.as_of,
    )
