"""Figures that outlive every process: what the metrics read, and the counts that are kept for them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from matchcast.domain.match import Outcome


class Counted(NamedTuple):
    """Something that is counted.

    Attributes:
        labels: pairs of name and value, in order of their names.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()


Counts = Mapping[Counted, float]


class Forecasts(NamedTuple):
    """The ledger in numbers.

    Attributes:
        rows: all of them.
        last_recorded_at: None while there are none.
        by_cause: rows by cause and by the likeliest outcome; None until all rows have been counted once.
    """

    rows: int
    last_recorded_at: datetime | None
    by_cause: Mapping[tuple[str, Outcome], int] | None


class Drifted(NamedTuple):
    """The head of the last report on drift."""

    checked_at: datetime
    score: float
    threshold: float
    prediction_score: float


class Settled(NamedTuple):
    """Mean scores of the last revisions of settlements; None where there are none."""

    matches: int
    log_loss: float | None
    rps: float | None
    brier: float | None


class Stored(NamedTuple):
    """What the database says.

    Attributes:
        totals: what was counted by all processes together.
        drift: None before the first report.
        settled: matches that kicked off within the window asked for.
        dead_letters: open ones, by broker and Trigger.
        tasks: those not yet removed, by kind and state.
        scraped_at: when the last scrape succeeded; None if none has.
        left_alone: until when, by source; of those that turned us away.
        not_read: answers that could not be read, by source; of the last day, without refusals.
    """

    totals: Counts
    forecasts: Forecasts
    drift: Drifted | None
    settled: Settled
    dead_letters: Mapping[tuple[str, str], int]
    tasks: Mapping[tuple[str, str], int]
    scraped_at: datetime | None
    left_alone: Mapping[str, datetime] = {}
    not_read: Mapping[str, int] = {}


class MetricStore(Protocol):
    """The database, as the metrics see it."""

    def add(self, counts: Counts) -> None:
        """Add to the totals, all or none.

        Raises:
            Unavailable: nothing was added.
        """
        ...

    def reach(self) -> None:
        """
        Raises:
            Unavailable: the database is away.
        """
        ...

    def read(self, now: datetime, window: timedelta) -> Stored:
        """
        Args:
            window: how far back from `now` the kick-offs of settled matches reach.
        Raises:
            Unavailable: the database is away.
        """
        ...


class Model(NamedTuple):
    """A model that a pointer names.

    Attributes:
        stage: `champion` or `challenger`.
    """

    version: str
    stage: str
    registered_at: datetime


class Snapshot(NamedTuple):
    """The snapshot that is served."""

    as_of: datetime
    published_at: datetime


class Pointed(NamedTuple):
    """What the pointers in the object store say; None or empty where there is none yet."""

    models: Sequence[Model]
    snapshot: Snapshot | None


class TriggerQueue(NamedTuple):
    """The queues of a Trigger.

    Attributes:
        waiting: events that nobody has fetched.
        in_delivery: events that are being delivered, or wait for another try.
        consumers: how many take from it; 0 means that nothing is delivered.
        dying: events on their way to the dead-letter sink.
    """

    broker: str
    trigger: str
    waiting: int
    in_delivery: int
    consumers: int
    dying: int


class Queues(Protocol):
    """The queues of all Triggers."""

    def read(self) -> Sequence[TriggerQueue]:
        """In order of broker and Trigger.

        Raises:
            Unavailable: the broker is away.
        """
        ...


class Figures(NamedTuple):
    """Where the metrics of a function get what does not live in its process; each raises Unavailable where it is away.

    Attributes:
        add: adds to the totals; if it raises, nothing was added.
        queues: None where they are not shown.
        reach: whether each answers at all, for little.
        problems: of further things a function depends on: what is wrong with each, or None; `ports.cache.LOOKED_FOR`
            while that is not known.
    """

    stored: Callable[[], Stored]
    pointed: Callable[[], Pointed]
    add: Callable[[Counts], None]
    queues: Callable[[], Sequence[TriggerQueue]] | None = None
    reach: Mapping[str, Callable[[], object]] = {}
    problems: Mapping[str, Callable[[], str | None]] = {}
