"""What settling forecasts and watching for drift need from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import MatchStatus, OddsMoment
from matchcast.domain.settlement import Settlement, SettlementRow


class Price(NamedTuple):
    """One bookmaker's decimal prices of home, draw and away."""

    bookmaker: str
    home: float
    draw: float
    away: float


class LockedForecast(NamedTuple):
    """A finished match and the forecast that counts for it: the last one made and recorded before kick-off.

    Attributes:
        tournament, model_version, probabilities: of the forecast.
        kickoff_at, kickoff_known: of the match, as they are known now.
        home_goals, away_goals: after 90 minutes.
    """

    match_id: int
    forecast_id: int
    tournament: str
    model_version: str
    probabilities: Probabilities
    kickoff_at: datetime
    kickoff_known: bool
    home_goals: int
    away_goals: int


class Standing(NamedTuple):
    """What a match counts as, and when it kicks off, as far as is known now."""

    status: MatchStatus
    kickoff_at: datetime
    kickoff_known: bool


class Heads(NamedTuple):
    """Hashes of the last rows of the two chains; 64 zeros for a chain without rows."""

    forecasts: str
    settlements: str


class Settlements(Protocol):
    """The settled forecasts, a chain. Writes join the transaction of `Inbox.once`."""

    def wait(self) -> None:
        """Wait until no other transaction settles, and keep others waiting until this one ends."""
        ...

    def due(self, since: datetime, bookmakers: Sequence[str]) -> Sequence[int]:
        """Matches that their settlements may not agree with.

        These are the finished ones that kicked off later than this, by the match or by its last revision, and are not
        settled, have another score or kick-off in that revision, or closing prices of one of these bookmakers where it
        has no market; and, whenever they kicked off, those that are not finished any more though that revision has a
        result.
        """
        ...

    def locked(self, match_ids: Sequence[int]) -> Sequence[LockedForecast]:
        """The forecasts that count for these matches, by match id.

        Only finished matches with a score and a forecast that counts are in it.
        """
        ...

    def standings(self, match_ids: Sequence[int]) -> Mapping[int, Standing]:
        """Of those of these matches that are stored."""
        ...

    def last(self, match_ids: Sequence[int]) -> Mapping[int, Settlement]:
        """The last revision of each of these matches that has one."""
        ...

    def add(self, settled: Sequence[Settlement]) -> None:
        """Add rows at the end of the chain; call `wait` before in the same transaction."""
        ...

    def since(self, kickoff_after: datetime) -> Sequence[Settlement]:
        """The last revisions, where they have a result, of matches that kicked off after an instant."""
        ...

    def heads(self) -> Heads: ...


class SettledMatches(Protocol):
    """Settlements by match."""

    def of(self, match_id: int) -> Sequence[SettlementRow]:
        """Every revision, oldest first."""
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
