"""What a report on drift looks like in answers."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from matchcast.ports.scores import DriftReport
from matchcast.web.replies import Reply, Share

REPORTS: Final = "/monitoring/drift/reports/"


class ColumnReply(Reply):
    """Whether a feature, or the probability of an outcome, drifted.

    `statistic` is what `method` measured; none where that is `no values`: the feature is known on one side only.
    """

    name: str
    drifted: bool
    method: str
    statistic: float | None


class DriftReply(Reply):
    """Recent matches beside those that the model was trained on.

    `score` is the share of the features that drifted, `prediction_score` that of the three probabilities; drift is
    detected where the score is above the threshold. `json` and `html` are paths of the whole report.
    """

    report_id: str
    checked_at: datetime
    model_version: str
    score: Share
    threshold: Share
    detected: bool
    prediction_score: Share
    matches: Annotated[int, Field(ge=1)]
    columns: list[ColumnReply]
    json_: Annotated[str, Field(serialization_alias="json")]
    html: str


def drift_reply(report: DriftReport) -> DriftReply:
    """The answer that shows a report."""
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
        json_=f"{REPORTS}{report.report_id}.json",
        html=f"{REPORTS}{report.report_id}.html",
    )
