"""Forecasts asked for now and made later: the task, the event that asks, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from matchcast.domain.event import Event
from matchcast.domain.forecast import Forecast, Pairing
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
    payload_of,
)
from matchcast.ports import Ledger
from matchcast.ports.events import Deadline, Inbox, Sink, Task, Tasks, TaskState

KIND: Final = "prediction"


class Made(NamedTuple):
    """A forecast, and the answer that shows it, given its id in the ledger."""

    forecast: Forecast
    shown: Callable[[int], Mapping[str, Any]]


def request_prediction(
    asked: int | Pairing, *, task_id: str, service: str, tasks: Tasks, sink: Sink, now: datetime, kept_for: timedelta
) -> None:
    """Accept a forecast: from then on its task reaches a final state.

    Args:
        asked: the id of a known fixture, or a pairing; whether they exist is found out later.
        kept_for: how long the task's status can be asked for.
    Raises:
        Unavailable: the broker or the database is away; nothing was accepted.
    """
    if isinstance(asked, int):
        payload = PredictionRequested(task_id=task_id, match_id=asked)
    else:
        payload = PredictionRequested(
            task_id=task_id,
            fixture=AskedPairing(
                home_team=asked.home_team,
                away_team=asked.away_team,
                tournament=asked.tournament,
                kickoff_at=asked.kickoff_at,
                kickoff_known=asked.kickoff_known,
                season=asked.season,
            ),
        )
    tasks.add(Task(task_id, KIND, TaskState.PENDING, now, now, now + kept_for))
    try:
        sink.publish(first_event(payload, id=task_id, service=service, now=now))
    except Unavailable:
        tasks.remove(task_id)
        raise


@dataclass(frozen=True)
class Forecasting:
    """Makes the forecasts that events ask for.

    The forecast is made first; ledger row, task and record of the event are then written in one transaction, which
    waits for other appenders of the ledger and for nothing else. A task is never seen running.

    Attributes:
        service: on whose behalf; also the consumer in the inbox.
        forecast: makes one at an instant, of the id of a known fixture or of a pairing.
        problem_of: an error as events and tasks tell it.
    """

    service: str
    forecast: Callable[[int | Pairing, datetime], Made]
    ledger: Ledger
    tasks: Tasks
    inbox: Inbox
    problem_of: Callable[[MatchcastError], Problem]

    def carry_out(self, event: Event, now: datetime, deadline: Deadline) -> Event | None:
        """Do what a prediction.requested asks for.

        Returns:
            prediction.completed, or prediction.failed where there can be no such forecast.
        Raises:
            BadInput: the event is not as its schema says.
            TaskEnded: its task is unknown or has its final state; nothing was written.
            Unavailable: champion, snapshot or database is away; the task stays open.
        """
        asked = payload_of(event, PredictionRequested)
        try:
            made = self.forecast(_asked(asked), now)
        except Unavailable:
            raise
        except MatchcastError as error:
            problem = self.problem_of(error)
            return self.inbox.once(self.service, event, now, lambda: self._failed(event, asked, problem, now, deadline))
        deadline.check()
        return self.inbox.once(self.service, event, now, lambda: self._completed(event, asked, made, now, deadline))

    def _completed(
        self, event: Event, asked: PredictionRequested, made: Made, now: datetime, deadline: Deadline
    ) -> Event:
        (row,) = self.ledger.append([made.forecast], recorded_at=now)
        self._finish(asked.task_id, now, result=made.shown(row.forecast_id))
        deadline.check()
        told = PredictionCompleted(task_id=asked.task_id, forecast=_data(made.forecast, row.forecast_id))
        return next_event(event, told, service=self.service, now=now)

    def _failed(
        self, event: Event, asked: PredictionRequested, problem: Problem, now: datetime, deadline: Deadline
    ) -> Event:
        self._finish(asked.task_id, now, problem=problem.model_dump(mode="json", exclude_none=True))
        deadline.check()
        told = PredictionFailed(task_id=asked.task_id, problem=problem)
        return next_event(event, told, service=self.service, now=now)

    def _finish(self, task_id: str, now: datetime, **outcome: Mapping[str, Any]) -> None:
        if not self.tasks.finish(task_id, now, **outcome):
            raise TaskEnded(f"task {task_id} is unknown or has its final state")


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


def _data(forecast: Forecast, forecast_id: int) -> ForecastData:
    fixture = forecast.fixture
    return ForecastData(
        forecast_id=forecast_id,
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
