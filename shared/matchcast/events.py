"""What each type of event carries. `python -m knative.schemas` publishes these as JSON Schemas.

Lists of the types and who makes and takes them are the manifests under `knative/base`.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from matchcast.domain.event import PREFIX, Event, derived_id, source_of
from matchcast.errors import BadInput

Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Without control characters: PostgreSQL's texts hold no NUL."""
Text = Annotated[str, Field(min_length=1, max_length=2000)]
MatchId = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]

LARGEST_DATA: Final = 256 * 1024
"""Bytes of JSON that an event may carry; more goes to the object store."""


class Part(BaseModel):
    """A JSON object inside an event."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Payload(Part):
    """The data of one type of event."""

    NAME: ClassVar[str]

    @classmethod
    def type(cls) -> str:
        """The CloudEvents type."""
        return PREFIX + cls.NAME

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Problem(Part):
    """What went wrong, as RFC 9457 has it."""

    type: Text
    title: Text
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Text
    field: str | None = None


class ScrapeRequested(Payload):
    """Read a source for the matches that kick off from one day to another, both included (UTC)."""

    NAME = "scrape.requested"

    task_id: Id
    source: Id
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    tournaments: Annotated[tuple[Id, ...], Field(description="ids; none means all")] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError(f"to: {self.last_day} is before from, {self.first_day}; give a later day")
        return self


class IngestCounts(Part):
    """Matches by what became of them; `rejected` counts rows of the source."""

    inserted: Annotated[int, Field(ge=0)]
    updated: Annotated[int, Field(ge=0)]
    unchanged: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]


class MatchesIngested(Payload):
    """A source was read; `finished` and `upcoming` are the matches it told of."""

    NAME = "matches.ingested"

    task_id: Id
    source: Id
    counts: IngestCounts
    finished: tuple[MatchId, ...]
    upcoming: tuple[MatchId, ...]
    captures: Annotated[tuple[str, ...], Field(description="object keys of the raw responses")] = ()


class ScrapeFailed(Payload):
    """A source could not be read; nothing was stored."""

    NAME = "scrape.failed"

    task_id: Id
    source: Id
    problem: Problem


class AskedPairing(Part):
    """Two clubs to forecast, by any name they go by."""

    home_team: Text
    away_team: Text
    tournament: Text
    kickoff_at: AwareDatetime
    kickoff_known: bool = True
    season: int | None = None


class PredictionRequested(Payload):
    """Forecast a known fixture or a pairing."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [given], "properties": {given: {"not": {"type": "null"}}, other: {"type": "null"}}}
                for given, other in (("match_id", "fixture"), ("fixture", "match_id"))
            ]
        }
    )

    NAME = "prediction.requested"

    task_id: Id
    match_id: MatchId | None = None
    fixture: AskedPairing | None = None
    model: Annotated[str, Field(pattern="^champion$")] = "champion"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.match_id is None) == (self.fixture is None):
            raise ValueError("match_id: give it or fixture, one of the two")
        return self


class ForecastData(Part):
    """A forecast as it stands in the ledger; the probabilities sum to 1."""

    forecast_id: Annotated[int, Field(ge=1)]
    match_id: Annotated[MatchId | None, Field(description="none for a pairing that is in no fixture list")] = None
    tournament: Id
    home_team: Id
    away_team: Id
    kickoff_at: AwareDatetime
    home: Share
    draw: Share
    away: Share
    model_version: Id
    snapshot_hash: Id
    as_of: AwareDatetime


class PredictionCompleted(Payload):
    """The forecast of a task."""

    NAME = "prediction.completed"

    task_id: Id
    forecast: ForecastData


class PredictionFailed(Payload):
    """A task that cannot have a forecast, and why."""

    NAME = "prediction.failed"

    task_id: Id
    problem: Problem


class ForecastsUpdated(Payload):
    """The forecasts of all matches to come were made anew; `count` of them are in the snapshot `key`."""

    NAME = "forecasts.updated"

    snapshot_hash: Id
    model_version: Id
    count: Annotated[int, Field(ge=0)]
    recorded: Annotated[int, Field(ge=0, description="forecasts that differ from those shown before")]
    key: Id


class RollingScores(Part):
    """Mean scores of the settled forecasts of the last `days` days."""

    days: Annotated[int, Field(ge=1)]
    matches: Annotated[int, Field(ge=1)]
    log_loss: Annotated[float, Field(ge=0)]
    rps: Share
    brier: Annotated[float, Field(ge=0, le=2)]


class ForecastsSettled(Payload):
    """Forecasts met their results."""

    NAME = "forecasts.settled"

    matches: tuple[MatchId, ...]
    corrected: Annotated[tuple[MatchId, ...], Field(description="of these: settled before with another result")] = ()
    scores: tuple[RollingScores, ...]


class ModelPromoted(Payload):
    """A champion passed its checks and may be served."""

    NAME = "model.promoted"

    version: Id
    run_id: Id
    promoted_at: AwareDatetime
    reason: Text


class ModelRejected(Payload):
    """A champion did not pass its checks; the one before goes on."""

    NAME = "model.rejected"

    version: Annotated[str | None, Field(description="none where the pointer could not be read")] = None
    reason: Text


class DriftChecked(Payload):
    """Recent matches beside the champion's reference."""

    NAME = "drift.checked"

    model_version: Id
    score: Annotated[Share, Field(description="share of the features that drifted")]
    threshold: Share
    columns: Annotated[tuple[str, ...], Field(description="features that drifted")]
    prediction_score: Annotated[Share, Field(description="share of the three probabilities that drifted")]
    matches: Annotated[int, Field(ge=1)]
    report_key: Id
    html_key: Id


class DriftDetected(DriftChecked):
    """As drift.checked, and the score is above the threshold."""

    NAME = "drift.detected"


class EventRejected(Payload):
    """An event that can never be handled; it has no parent where it was no CloudEvent at all."""

    NAME = "event.rejected"

    parent_id: str | None = None
    parent_source: str | None = None
    parent_type: str | None = None
    problem: Problem


PAYLOADS: Final[Mapping[str, type[Payload]]] = {
    payload.type(): payload
    for payload in (
        ScrapeRequested, MatchesIngested, ScrapeFailed, PredictionRequested, PredictionCompleted, PredictionFailed,
        ForecastsUpdated, ForecastsSettled, ModelPromoted, ModelRejected, DriftChecked, DriftDetected, EventRejected,
    )
}  # fmt: skip
"""By CloudEvents type."""

PING: Final = "dev.knative.sources.ping"
"""Type of what a PingSource sends."""

P = TypeVar("P", bound=Payload)
D = TypeVar("D", bound=Part)


def payload_of(event: Event, kind: type[P]) -> P:
    """What an event of this kind carries.

    Raises:
        BadInput: it is of another type, or its data is not as its schema says; names the field.
    """
    if event.type != kind.type():
        raise BadInput(f"type: {event.type} is not {kind.type()}; send it to who takes it", "type")
    return data_of(event, kind)


def data_of(event: Event, kind: type[D]) -> D:
    """The event's data as this.

    Raises:
        BadInput: it is not; names the field.
    """
    try:
        return kind.model_validate_json(json.dumps(event.data), strict=True)  # strict takes dates from JSON alone
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(["data", *(str(part) for part in fault["loc"])])
        reason = fault["msg"].removeprefix("Value error, ")
        raise BadInput(f"{field}: {reason}; the schema of {event.type} says what is right", field) from error


def first_event(payload: Payload, *, id: str, service: str, now: datetime, subject: str | None = None) -> Event:
    """An event that follows from none."""
    return Event(id, source_of(service), payload.type(), now, payload.to_json(), subject)


def next_event(parent: Event, payload: Payload, *, service: str, now: datetime, subject: str | None = None) -> Event:
    """The event that follows from `parent`; made again it has the same id."""
    id_ = derived_id(parent, payload.type())
    return Event(id_, source_of(service), payload.type(), now, payload.to_json(), subject, {"parentid": parent.id})
