"""What predict-sync tells of several matches, and of its model."""

from http import HTTPStatus
from typing import Any

from matchcast.domain.forecast import Reference
from matchcast.fields import Share
from matchcast.usecases.champion import Champion
from matchcast.web.replies import PredictionReply, Reply, RunId


class BatchItem(Reply, frozen=True, kw_only=True):
    """One match of several: its forecast, or what is wrong with it (RFC 9457)."""

    forecast: PredictionReply | None
    problem: dict[str, Any] | None


class BatchReply(Reply, frozen=True, kw_only=True):
    """Several matches, in the order in which they were asked for."""

    items: list[BatchItem]


def is_passing(reply: PredictionReply | BatchReply) -> bool:
    """Whether the same request may be told more later: the ledger was behind, or something was away for one of the matches."""
    if isinstance(reply, PredictionReply):
        return reply.ledger == "behind"
    return any(
        item.problem["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR
        if item.problem is not None
        else item.forecast is not None and is_passing(item.forecast)
        for item in reply.items
    )


class IntervalInfo(Reply, frozen=True, kw_only=True):
    """How the model's intervals were calibrated, and how often they held on `measured_on` other matches."""

    level: Share
    reference: Reference
    matches: int
    coverage: Share
    measured_on: int


class ModelReply(Reply, frozen=True, kw_only=True):
    """The model in use. Instants are ISO 8601 in UTC."""

    name: str
    version: str
    run_id: RunId
    aliases: list[str]
    trained_from: str
    trained_until: str
    registered_at: str
    promoted_at: str
    data_version: str
    code_revision: str
    features: int
    metrics: dict[str, float]
    interval: IntervalInfo | None
    loaded: bool


def model_reply(champion: Champion) -> ModelReply:
    """What is known of the champion."""
    bundle, pointer = champion
    return ModelReply(
        name="matchcast",
        version=bundle.version,
        run_id=bundle.run_id,
        aliases=["champion"],
        trained_from=bundle.manifest.trained_from,
        trained_until=bundle.manifest.trained_until,
        registered_at=pointer.registered_at,
        promoted_at=pointer.promoted_at,
        data_version=bundle.manifest.data_version,
        code_revision=bundle.manifest.code_revision,
        features=len(bundle.contract.features),
        metrics=dict(bundle.metrics),
        interval=None
        if bundle.interval is None
        else IntervalInfo(**{name: getattr(bundle.interval, name) for name in IntervalInfo.__struct_fields__}),
        loaded=True,
    )
