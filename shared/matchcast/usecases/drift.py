"""Watch whether recent matches still look like those the champion was trained on.

Recent matches are those that kicked off in the last days, and those of today. Their features are read as of their day, by
the champion's contract and the one feature path, as the reference's were; their forecasts and the reference's are the
champion's on these rows. A feature that is known on one side only has drifted; one that is known on none is left out.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.event import Event, derived_id
from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import OddsMoment
from matchcast.errors import BadInput, NotFound
from matchcast.events import PING, DriftChecked, DriftDetected, next_event
from matchcast.features.columns import DAY_SECONDS, MatchColumns
from matchcast.features.compiled import run_pass
from matchcast.model.bundle import Bundle
from matchcast.model.market import market_log_odds
from matchcast.ports import ObjectStore
from matchcast.ports.events import Deadline, Inbox
from matchcast.ports.scores import ColumnDrift, Comparison, DriftReport, DriftReports, Prices
from matchcast.usecases.champion import CHAMPION_KEY, Champion, load_champion, reference_key

LEAST_MATCHES: Final = 50
"""Fewer recent ones are not compared: between seasons a few odd matches would say something about chance alone."""
LEAST_VALUES: Final = 5
"""A feature with fewer known values on one side counts as unknown there."""
PROBABILITIES: Final = Probabilities._fields
NO_VALUES: Final = "no values"
_LOG: Final = logging.getLogger("matchcast.drift")

Rows = NDArray[np.float64]


class Compare(Protocol):
    """Compares columns of numbers."""

    def __call__(self, features: Sequence[str], forecasts: Sequence[str], recent: Rows, reference: Rows) -> Comparison:
        """Compare each column, and describe them all.

        Args:
            features, forecasts: names of the columns, in their order.
            recent, reference: shape (n, features and forecasts), NaN where unknown; every column has values in both.
        Returns:
            A verdict on each column, in their order.
        """
        ...


@dataclass(frozen=True)
class DriftWatch:
    """Compares recent matches with the champion's reference.

    Attributes:
        service: on whose behalf; also the consumer in the inbox.
        history: all matches as they were known at an instant; without prices.
        read_reference: feature rows (n, features), in the order of these names, from a reference file.
        threshold: share of the features that may drift.
        days: how far back the recent matches reach.
    """

    service: str
    objects: ObjectStore
    history: Callable[[datetime], MatchColumns]
    prices: Prices
    read_reference: Callable[[bytes, Sequence[str]], Rows]
    compare: Compare
    reports: DriftReports
    inbox: Inbox
    threshold: float
    days: int

    def check(self, event: Event, now: datetime, deadline: Deadline) -> Event | None:
        """Make a report, unless this event did so before.

        Returns:
            drift.detected if more of the features drifted than may, else drift.checked; None where there are too few
            recent matches to tell.
        Raises:
            BadInput: the event is no ping.
            NotFound: there is no champion, or no reference beside it, or a small one: that lasts until a promotion.
            Unavailable: something is away.
        """
        if event.type != PING:
            raise BadInput(f"type: {event.type} asks for no check; send it to who takes it", "type")
        before = self.inbox.handled(self.service, event)
        if before is not None:
            return before.reply
        bundle, _ = champion = self._champion()
        reference = self._reference(champion)
        deadline.check()
        recent = self._recent(bundle, now)
        deadline.check()
        if len(recent) < LEAST_MATCHES:
            _LOG.info(
                "%d matches in the last %d days are too few to compare, %d are needed",
                len(recent), self.days, LEAST_MATCHES,
            )  # fmt: skip
            return self.inbox.once(self.service, event, now, lambda: None)
        columns, details, html = self._compared(bundle, recent, reference)
        deadline.check()
        report = self._report(event, bundle.version, columns, len(recent), now)
        whole = summary(report) | {"reference_matches": len(reference), "days": self.days, "evidently": details}
        reply = next_event(event, _payload(report), service=self.service, now=now)

        def effect() -> Event:
            self.reports.add(report)
            self.objects.put(report.report_key, _json(whole))
            self.objects.put(report.html_key, html.encode())
            deadline.check()
            return reply

        return self.inbox.once(self.service, event, now, effect)

    def _champion(self) -> Champion:
        if self.objects.etag(CHAMPION_KEY) is None:
            raise NotFound("there is no champion to compare with yet: run `make demo` or `matchcast promote VERSION`")
        return load_champion(self.objects)

    def _reference(self, champion: Champion) -> Rows:
        version = champion.pointer.version
        try:
            content = self.objects.get(reference_key(version))
        except NotFound as error:
            raise NotFound(
                f"the champion {version} has no reference features in the object store ({reference_key(version)}): run "
                f"`matchcast promote {version}` again, or train a new model"
            ) from error
        rows = self.read_reference(content, champion.bundle.contract.names)
        rows = rows[champion.bundle.contract.readable(rows.astype(np.float32))]
        if len(rows) < LEAST_MATCHES:
            raise NotFound(
                f"the champion {version} has {len(rows)} reference matches, {LEAST_MATCHES} are needed: train a model "
                "with more registry.reference_rows"
            )
        return rows

    def _recent(self, bundle: Bundle, now: datetime) -> Rows:
        """Feature rows of recent matches that the model reads, shape (n, features), in order of kick-off."""
        as_of = now.astimezone(UTC).replace(microsecond=0)
        matches = self.history(as_of)
        today = int(as_of.timestamp()) // DAY_SECONDS * DAY_SECONDS
        recent = np.flatnonzero((matches.day > today - self.days * DAY_SECONDS) & (matches.day <= today))
        recent = recent[np.lexsort((matches.match_id[recent], matches.kickoff[recent]))]
        if bundle.contract.market_from:
            self._price(matches, recent, bundle)
        rows = run_pass(matches, bundle.contract, end=int(as_of.timestamp())).rows[recent]
        return rows[bundle.contract.readable(rows)].astype(np.float64)

    def _price(self, matches: MatchColumns, rows: NDArray[np.intp], bundle: Bundle) -> None:
        """Give these matches the prices that the model reads."""
        ids = matches.match_id[rows].tolist()
        told = self.prices.of(ids, OddsMoment.OPENING, bundle.contract.market_from)
        odds = np.array([told[i][1:] if i in told else (np.nan,) * 3 for i in ids], dtype=np.float64).reshape(-1, 3)
        matches.market[rows] = market_log_odds(odds)

    def _compared(self, bundle: Bundle, recent: Rows, reference: Rows) -> Comparison:
        """Of all features known on one side at least, and the probabilities; in that order."""
        known, known_before = ((~np.isnan(rows)).sum(axis=0) >= LEAST_VALUES for rows in (recent, reference))
        both = known & known_before
        names = np.array(bundle.contract.names)
        tested = self.compare(
            names[both].tolist(),
            PROBABILITIES,
            *(np.hstack([rows[:, both], bundle.predict(rows.astype(np.float32))]) for rows in (recent, reference)),
        )
        lost = [ColumnDrift(str(name), True, NO_VALUES, None) for name in names[known != known_before]]
        features, forecasts = tested.columns[: both.sum()], tested.columns[both.sum() :]
        return tested._replace(columns=(*features, *lost, *forecasts))

    def _report(
        self, event: Event, model_version: str, columns: Sequence[ColumnDrift], matches: int, now: datetime
    ) -> DriftReport:
        """The same event has the same id and keys, so that a check made twice leaves nothing behind."""
        id_ = derived_id(event, "drift report")
        folder = f"drift/{event.time.astimezone(UTC).date()}-{id_}"
        features, forecasts = columns[: -len(PROBABILITIES)], columns[-len(PROBABILITIES) :]
        return DriftReport(
            report_id=id_,
            checked_at=now,
            model_version=model_version,
            score=_share(features),
            threshold=self.threshold,
            prediction_score=_share(forecasts),
            matches=matches,
            columns=tuple(columns),
            report_key=f"{folder}/report.json",
            html_key=f"{folder}/report.html",
        )


def summary(report: DriftReport) -> dict[str, Any]:
    """The report's head, as JSON."""
    return {
        "report_id": report.report_id,
        "checked_at": report.checked_at.isoformat(),
        "model_version": report.model_version,
        "score": report.score,
        "threshold": report.threshold,
        "detected": report.detected,
        "prediction_score": report.prediction_score,
        "matches": report.matches,
        "columns": [column._asdict() for column in report.columns],
    }


def _payload(report: DriftReport) -> DriftChecked:
    kind = DriftDetected if report.detected else DriftChecked
    features = report.columns[: -len(PROBABILITIES)]
    return kind(
        model_version=report.model_version,
        score=report.score,
        threshold=report.threshold,
        columns=tuple(column.name for column in features if column.drifted),
        prediction_score=report.prediction_score,
        matches=report.matches,
        report_key=report.report_key,
        html_key=report.html_key,
    )


def _share(columns: Sequence[ColumnDrift]) -> float:
    return sum(column.drifted for column in columns) / len(columns) if columns else 0.0


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
