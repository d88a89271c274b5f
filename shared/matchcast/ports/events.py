"""What the handling of events and tasks needs from outside."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from matchcast.domain.event import Event

Effect = Callable[[], Event | None]
"""Does what an event asks for; the event that follows, if any."""

Transaction = Callable[[], AbstractContextManager[object]]
"""Begins a transaction that every store of the same database joins; rolled back if anything is raised inside."""


class Deadline(Protocol):
    """How long a handler may go on."""

    def check(self) -> None:
        """Go on, or stop here.

        Raises:
            TimedOut: the time is over.
        """
        ...

    def left(self) -> float:
        """Seconds until then; negative when it is over."""
        ...


class Sink(Protocol):
    """Where events are published: a broker."""

    def publish(self, event: Event) -> None:
        """Hand an event over; it is the broker's when this returns.

        Raises:
            Unavailable: the broker did not take it.
        """
        ...


class Handled(NamedTuple):
    """An event handled before, and the event that followed then."""

    reply: Event | None


class Inbox(Protocol):
    """Which events a consumer has handled; a consumer is a function, or one of its several ways to take a type."""

    def handled(self, consumer: str, event: Event) -> Handled | None:
        """What became of the event; None if it was not handled yet. Meant to spare work, `once` decides."""
        ...

    def once(self, consumer: str, event: Event, now: datetime, effect: Effect) -> Event | None:
        """Run the effect unless the event was handled before, in one transaction with the record of it.

        Whatever the effect writes through stores of the same database is in that transaction. Of several deliveries at
        once one runs the effect and the others wait for it.

        Returns:
            The event that follows, this time or the first time.
        Raises:
            Unavailable: the database is away; neither effect nor record happened. The same holds for whatever the
                effect raises.
        """
        ...

    def replies(self, consumer: str, events: Sequence[Event]) -> Mapping[tuple[str, str], Handled]:
        """What became of those of these events that were handled before, by source and id.

        For several in one transaction: whoever holds what only one delivery of an event can hold, such as its task, may
        rely on it.
        """
        ...

    def keep(self, consumer: str, handled: Sequence[tuple[Event, Event | None]], now: datetime) -> None:
        """Record events and their replies, in the transaction of what was done for them.

        Raises:
            Unavailable: one of them was handled meanwhile, or the database is away.
        """
        ...


class TaskState(StrEnum):
    """Where a task is; the last two are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"


class Task(NamedTuple):
    """Work that was accepted and is done later.

    Attributes:
        kind: `prediction` or `scrape`.
        event: what asks for the work; published when the task is accepted.
        result: what came of it, as its HTTP answer shows it.
        problem: why it failed (RFC 9457); of an open one, why the last try of its work did not succeed.
        expires_at: from then on its status is gone.
    """

    task_id: str
    kind: str
    state: TaskState
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    result: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None


class Finished(NamedTuple):
    """The end of a task: a result, or a problem."""

    task_id: str
    result: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None


class Tasks(Protocol):
    """The tasks. Writes join the transaction of `Inbox.once`."""

    def add(self, *new: Task) -> None:
        """Add tasks, all or none; one whose id is there stays as it is."""
        ...

    def remove(self, task_id: str) -> bool:
        """Forget a task that could not be accepted. False if its work has begun, or it is unknown."""
        ...

    def find(self, task_id: str) -> Task | None: ...

    def start(self, task_id: str, now: datetime) -> bool:
        """Say that a task runs. False if it is in a final state, or unknown: then its work must not be done."""
        ...

    def note(self, task_id: str, now: datetime, problem: Mapping[str, Any]) -> bool:
        """Keep why a try of an open task's work did not succeed, until the task ends. False if it has its final state."""
        ...

    def finish(
        self,
        task_id: str,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> bool:
        """Bring a task into its final state: success with a result, failure with a problem. False if it has one."""
        ...

    def hold(self, task_ids: Sequence[str]) -> Set[str]:
        """Those of these tasks that are open; until the transaction ends nobody else changes any of them."""
        ...

    def finish_all(self, finished: Sequence[Finished], now: datetime) -> None:
        """Bring tasks that are held into their final states."""
        ...

    def reopen(self, task_id: str, now: datetime) -> bool:
        """Make a failed task pending again, its status to be asked for as long as at first. False if it did not fail."""
        ...


class DeadLetter(NamedTuple):
    """An event that no try could deliver.

    Attributes:
        letter_id: UUIDv5 of broker, source, id and destination: the same whenever it dies again.
        broker: where it died, and is replayed.
        destination: the subscriber's address, as the broker told it.
        code: the last HTTP status, -1 where there was no answer; None where the broker did not say.
        reason: the last answer, shortened.
        deaths: how often; it was replayed at least once before each but the first.
        trigger: whose delivery failed; None for letters from before that was told.
    """

    letter_id: str
    broker: str
    event: Event
    destination: str
    code: int | None
    reason: str
    died_at: datetime
    deaths: int
    replayed_at: datetime | None
    trigger: str | None = None


class DeadLetters(Protocol):
    """The events that could not be delivered. Writes join the transaction of `Inbox.once`."""

    def add(self, letter: DeadLetter) -> bool:
        """Keep a letter. One that died more often than before is open again; False for a death that is known already,
        which changes nothing."""
        ...

    def find(self, letter_id: str) -> DeadLetter | None: ...

    def page(self, after: tuple[datetime, str] | None, limit: int, *, open_only: bool) -> Sequence[DeadLetter]:
        """Up to `limit` letters in order of (died_at, letter_id), those after `after` only.

        Of their events they hold neither data nor extensions.

        Args:
            open_only: leave out letters that were replayed and did not die again.
        """
        ...

    def open_by_trigger(self) -> Mapping[tuple[str, str | None], int]:
        """How many letters are open, by broker and Trigger."""
        ...

    def mark_replayed(self, letter_id: str, now: datetime) -> bool:
        """Say that an open letter is replayed. False if it is not open, or unknown."""
        ...


class Leftovers(Protocol):
    """Tasks and answers that expired, records of events that were handled, and letters that were replayed."""

    def replayable(self) -> Iterator[Event]:
        """The events of open letters."""
        ...

    def remove_some(self, before: datetime, now: datetime, kept: Collection[str]) -> int:
        """Remove some of those from before an instant, so few that it is done soon. 0 if there were none.

        Args:
            now: answers from before this are removed.
            kept: tasks that stay.
        """
        ...
