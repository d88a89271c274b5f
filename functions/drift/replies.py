"""What a report on drift looks like in answers."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from matchcast.fields import Instant, Share
from matchcast.ports.scores import DriftReport
from matchcast.web.replies import Reply

REPORTS: Final = "/monitoring/drift/reports/"


class AskedReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One report."""

    report_id: UUID


class ColumnReply(Reply, frozen=True, kw_only=True):
    """Whether a feature, or the probability of an outcome, drifted.

    `statistic` is what `method` measured; none where that is `no values`: the feature is known on one side only.
    """

    name: str
    drifted: bool
    method: str
    statistic: float | None


class DriftReply(Reply, frozen=True, kw_only=True):
    """Recent matches beside those that the model was trained on.

    `score` is the share of the features that drifted, `prediction_score` that of the three probabilities; drift is
    detected where the score is above the threshold. `json` and `html` are paths of the whole report.
    """

    report_id: str
    checked_at: Instant
    model_version: str
    score: Share
    threshold: Share
    detected: bool
    prediction_score: Share
    matches: Annotated[int, Meta(ge=1)]
    columns: list[ColumnReply]
    json: str
    html: str


def drift_reply(report: DriftReport, link: Callable[[str], str]) -> DriftReply:
    """The answer that shows a report.

    Args:
        link: makes a path one that the client may follow.
    """
    return DriftReply(
        report_id=report.report_id,
        checked_at=report.checked_at,
        model_version=report.model_version,
        score=report.score,
        threshold=report.threshold,
        detected=report.detected,
        prediction_score=report.prediction_score,
        matches=report.matches,
        columns=[ColumnReply(**column._asdict()) for column in report.columns],
        json=link(f"{REPORTS}{report.report_id}.json"),
        html=link(f"{REPORTS}{report.report_id}.html"),
    )
