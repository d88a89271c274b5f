"""What each type of event carries. `python -m knative.schemas` publishes these as JSON Schemas.

Lists of the types and who makes and takes them are the manifests under `knative/base`.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from matchcast.domain.event import PREFIX, Event, derived_id, source_of
from matchcast.errors import BadInput
from matchcast.fields import BadFields, Id, Instant, MatchId, Share, convert, read_fields

Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[^\x00]*(?![\s\S])")]
_Count = Annotated[int, Meta(ge=0)]

LARGEST_DATA: Final = 256 * 1024
"""Bytes of JSON that an event may carry; more goes to the object store."""


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object inside an event."""

    def to_json(self) -> dict[str, Any]:
        """As it travels; fields that are None are left out.

        Raises:
            ValueError: it is not as its schema says.
        """
        written: dict[str, Any] = _without_none(msgspec.json.decode(msgspec.json.encode(self)))
        convert(written, type(self))
        return written


class Payload(Part, frozen=True, kw_only=True):
    """The data of one type of event.

    Attributes:
        ALSO: what its schema says beyond its fields.
    """

    NAME: ClassVar[str]
    ALSO: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def type(cls) -> str:
        """The CloudEvents type."""
        return PREFIX + cls.NAME


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list) else value


class Problem(Part, frozen=True, kw_only=True):
    """What went wrong, as RFC 9457 has it."""

    type: Text
    title: Text
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Text
    field: str | None = None


class ScrapeRequested(Payload, frozen=True, kw_only=True):
    """Read a source for the matches that kick off from one day to another, both included (UTC)."""

    NAME = "scrape.requested"

    task_id: Id
    source: Id
    first_day: date = msgspec.field(name="from")
    last_day: date = msgspec.field(name="to")
    tournaments: Annotated[tuple[Id, ...], Meta(description="ids; none means all")] = ()

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise BadInput(f"to: {self.last_day} is before from, {self.first_day}; give a later day", "to")


class IngestCounts(Part, frozen=True, kw_only=True):
    """Matches by what became of them; `rejected` counts rows of the source."""

    inserted: _Count
    updated: _Count
    unchanged: _Count
    rejected: _Count


class MatchesIngested(Payload, frozen=True, kw_only=True):
    """A source was read; `finished` and `upcoming` are the matches it told of."""

    NAME = "matches.ingested"

    task_id: Id
    source: Id
    counts: IngestCounts
    finished: tuple[MatchId, ...]
    upcoming: tuple[MatchId, ...]
    captures: Annotated[tuple[str, ...], Meta(description="object keys of the raw responses")] = ()


class ScrapeFailed(Payload, frozen=True, kw_only=True):
    """A source could not be read; nothing was stored."""

    NAME = "scrape.failed"

    task_id: Id
    source: Id
    problem: Problem


class AskedPairing(Part, frozen=True, kw_only=True):
    """Two clubs to forecast, by any name they go by."""

    home_team: Text
    away_team: Text
    tournament: Text
    kickoff_at: Instant
    kickoff_known: bool = True
    season: int | None = None


class PredictionRequested(Payload, frozen=True, kw_only=True):
    """Forecast a known fixture or a pairing."""

    NAME = "prediction.requested"
    ALSO = {
        "oneOf": [
            {"required": [given], "properties": {given: {"not": {"type": "null"}}, other: {"type": "null"}}}
            for given, other in (("match_id", "fixture"), ("fixture", "match_id"))
        ]
    }

    task_id: Id
    match_id: MatchId | None = None
    fixture: AskedPairing | None = None
    model: Literal["champion"] = "champion"

    def __post_init__(self) -> None:
        if (self.match_id is None) == (self.fixture is None):
            raise BadInput("match_id: give it or fixture, one of the two", "match_id")


class ForecastData(Part, frozen=True, kw_only=True):
    """A forecast as it stands in the ledger; the probabilities sum to 1."""

    forecast_id: Annotated[int, Meta(ge=1)]
    match_id: Annotated[MatchId | None, Meta(description="none for a pairing that is in no fixture list")] = None
    tournament: Id
    home_team: Id
    away_team: Id
    kickoff_at: Instant
    home: Share
    draw: Share
    away: Share
    model_version: Id
    snapshot_hash: Id
    as_of: Instant


class PredictionCompleted(Payload, frozen=True, kw_only=True):
    """The forecast of a task."""

    NAME = "prediction.completed"

    task_id: Id
    forecast: ForecastData


class PredictionFailed(Payload, frozen=True, kw_only=True):
    """A task that cannot have a forecast, and why."""

    NAME = "prediction.failed"

    task_id: Id
    problem: Problem


class ForecastsUpdated(Payload, frozen=True, kw_only=True):
    """The forecasts of all matches to come were made anew; `count` of them are in the snapshot `key`."""

    NAME = "forecasts.updated"

    snapshot_hash: Id
    model_version: Id
    count: _Count
    recorded: Annotated[int, Meta(ge=0, description="forecasts that differ from those shown before")]
    key: Id


class RollingScores(Part, frozen=True, kw_only=True):
    """Mean scores of the settled forecasts of the last `days` days."""

    days: Annotated[int, Meta(ge=1)]
    matches: Annotated[int, Meta(ge=1)]
    log_loss: Annotated[float, Meta(ge=0)]
    rps: Share
    brier: Annotated[float, Meta(ge=0, le=2)]


class ForecastsSettled(Payload, frozen=True, kw_only=True):
    """Forecasts met their results."""

    NAME = "forecasts.settled"

    matches: tuple[MatchId, ...]
    corrected: Annotated[tuple[MatchId, ...], Meta(description="of these: settled before with another result")] = ()
    scores: tuple[RollingScores, ...]


class ModelPromoted(Payload, frozen=True, kw_only=True):
    """A champion passed its checks and may be served."""

    NAME = "model.promoted"

    version: Id
    run_id: Id
    promoted_at: Instant
    reason: Text


class ModelRejected(Payload, frozen=True, kw_only=True):
    """A champion did not pass its checks; the one before goes on."""

    NAME = "model.rejected"

    version: Annotated[str | None, Meta(description="none where the pointer could not be read")] = None
    reason: Text


class DriftChecked(Payload, frozen=True, kw_only=True):
    """Recent matches beside the champion's reference."""

    NAME = "drift.checked"

    model_version: Id
    score: Annotated[Share, Meta(description="share of the features that drifted")]
    threshold: Share
    columns: Annotated[tuple[str, ...], Meta(description="features that drifted")]
    prediction_score: Annotated[Share, Meta(description="share of the three probabilities that drifted")]
    matches: Annotated[int, Meta(ge=1)]
    report_key: Id
    html_key: Id


class DriftDetected(DriftChecked, frozen=True, kw_only=True):
    """As drift.checked, and the score is above the threshold."""

    NAME = "drift.detected"


class EventRejected(Payload, frozen=True, kw_only=True):
    """An event that can never be handled; it has no parent where it was no CloudEvent at all."""

    NAME = "event.rejected"

    parent_id: str | None = None
    parent_source: str | None = None
    parent_type: str | None = None
    problem: Problem


class WorkflowFailed(Payload, frozen=True, kw_only=True):
    """A task of a scheduled workflow failed for good, and with it the run."""

    NAME = "workflow.failed"

    dag: Text
    run: Text
    task: Text
    problem: Problem


PAYLOADS: Final[Mapping[str, type[Payload]]] = {
    payload.type(): payload
    for payload in (
        ScrapeRequested, MatchesIngested, ScrapeFailed, PredictionRequested, PredictionCompleted, PredictionFailed,
        ForecastsUpdated, ForecastsSettled, ModelPromoted, ModelRejected, DriftChecked, DriftDetected, EventRejected,
        WorkflowFailed,
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
    schema = f"the schema of {event.type} says what is right"
    if not isinstance(event.data, dict):
        raise BadInput(f"data: is no JSON object; {schema}", "data")
    try:
        json.dumps(event.data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"data: holds half a character (a lone surrogate); {schema}", "data") from error
    try:
        return read_fields(kind, event.data)
    except BadFields as error:
        told = "; ".join(f"data.{fault.field}: {fault.detail}" for fault in error.faults)
        raise BadInput(f"{told}; {schema}", f"data.{error.faults[0].field}") from error


def first_event(payload: Payload, *, id: str, service: str, now: datetime, subject: str | None = None) -> Event:
    """An event that follows from none."""
    return Event(id, source_of(service), payload.type(), now, payload.to_json(), subject)


def next_event(parent: Event, payload: Payload, *, service: str, now: datetime, subject: str | None = None) -> Event:
    """The event that follows from `parent`; made again it has the same id."""
    id_ = derived_id(parent, payload.type())
    return Event(id_, source_of(service), payload.type(), now, payload.to_json(), subject, {"parentid": parent.id})
