"""What settling forecasts and watching for drift need from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import OddsMoment


class Price(NamedTuple):
    """One bookmaker's decimal prices of home, draw and away."""

    bookmaker: str
    home: float
    draw: float
    away: float


class LockedForecast(NamedTuple):
    """A finished match and the forecast that counts for it: the last one made and recorded before kick-off.

    Attributes:
        home_goals, away_goals: after 90 minutes.
    """

    match_id: int
    kickoff_at: datetime
    home_goals: int
    away_goals: int
    forecast_id: int
    probabilities: Probabilities


class MarketScores(NamedTuple):
    """How well a bookmaker's closing prices, without their margin, foretold a result."""

    bookmaker: str
    probabilities: Probabilities
    log_loss: float
    rps: float
    brier: float


class Settlement(NamedTuple):
    """A forecast beside its result. Never changed: what it was made of changing makes the next revision.

    Attributes:
        revision: counts from 1; the last one counts.
        market: None where there are no closing prices.
    """

    match_id: int
    revision: int
    forecast_id: int
    kickoff_at: datetime
    home_goals: int
    away_goals: int
    log_loss: float
    rps: float
    brier: float
    market: MarketScores | None
    settled_at: datetime


class Settlements(Protocol):
    """The settled forecasts. Writes join the transaction of `Inbox.once`."""

    def wait(self) -> None:
        """Wait until no other transaction settles, and keep others waiting until this one ends."""
        ...

    def locked(self, match_ids: Sequence[int], unsettled_after: datetime) -> Sequence[LockedForecast]:
        """The forecasts that count for these matches, and for all that kicked off later than this and were never
        settled; by match id.

        Only finished matches with a score and a forecast are in it.
        """
        ...

    def last(self, match_ids: Sequence[int]) -> Mapping[int, Settlement]:
        """The last revision of each of these matches that has one."""
        ...

    def add(self, settled: Sequence[Settlement]) -> None: ...

    def since(self, kickoff_after: datetime) -> Sequence[Settlement]:
        """The last revisions of finished matches that kicked off after an instant."""
        ...


class Prices(Protocol):
    """Stored odds."""

    def of(self, match_ids: Sequence[int], moment: OddsMoment, bookmakers: Sequence[str]) -> Mapping[int, Price]:
        """Prices of these matches, each by the first of the bookmakers that has some."""
        ...


class ColumnDrift(NamedTuple):
    """Whether recent values of a column are where its reference was.

    Attributes:
        method: how they were compared, or why they were not.
        statistic: what the method measured; None where they were not compared.
    """

    name: str
    drifted: bool
    method: str
    statistic: float | None


class Comparison(NamedTuple):
    """Recent values beside reference values.

    Attributes:
        details: all that the comparing library says, as JSON.
        html: a page that shows it, whole in itself.
    """

    columns: Sequence[ColumnDrift]
    details: Any
    html: str


class DriftReport(NamedTuple):
    """Recent matches beside the champion's reference.

    Attributes:
        score: share of the features that drifted; `threshold` is what it may be.
        prediction_score: share of the three probabilities that drifted.
        matches: recent ones that were compared.
        columns: features, then home, draw and away.
        report_key, html_key: where the whole report is in the object store.
    """

    report_id: str
    checked_at: datetime
    model_version: str
    score: float
    threshold: float
    prediction_score: float
    matches: int
    columns: Sequence[ColumnDrift]
    report_key: str
    html_key: str

    @property
    def detected(self) -> bool:
        return self.score > self.threshold


class DriftReports(Protocol):
    """The reports. Writes join the transaction of `Inbox.once`."""

    def add(self, report: DriftReport) -> None: ...

    def find(self, report_id: str) -> DriftReport | None: ...

    def latest(self) -> DriftReport | None: ...
