"""Forecasts scored on matches they were not made from, beside the base rate and the market on the same matches."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from matchcast.domain.match import Outcome
from matchcast.model.market import power_probabilities, shin_probabilities
from matchcast.model.metrics import Outcomes, Probs, log_loss_each, paired_difference, rps_each, score

OUTCOME_NAMES: Final = tuple(outcome.name.lower() for outcome in Outcome)
CURVE_BINS: Final = 20


def evaluate(probs: Probs, outcomes: Outcomes, base: Probs, odds: NDArray[np.float64]) -> dict[str, Any]:
    """Every score of `probs`, and paired comparisons.

    Args:
        probs: shape (n, 3); outcomes: shape (n,).
        base: shape (3,), how often each outcome happened in training.
        odds: decimal 1X2 prices, shape (n, 3), NaN where there are none.
    """
    rates = np.tile(base, (len(outcomes), 1))
    report: dict[str, Any] = {
        "model": scores(probs, outcomes),
        "base_rate": scores(rates, outcomes) | {"model_minus_this": differences(probs, rates, outcomes)},
    }
    for name, market, priced in markets(odds):
        report[name] = asdict(score(market, outcomes[priced])) | {
            "model_on_the_same": asdict(score(probs[priced], outcomes[priced])),
            "model_minus_this": differences(probs[priced], market, outcomes[priced]),
        }
    return report


def markets(odds: NDArray[np.float64]) -> list[tuple[str, Probs, NDArray[np.bool_]]]:
    """The benchmarks: name, probabilities of the matches that have prices, and which these are; none below 2 matches.

    `market` is freed of the margin by the power method, `market_shin` by Shin's.
    """
    market = power_probabilities(odds)
    priced = ~np.isnan(market[:, 0])
    if priced.sum() < 2:
        return []
    return [("market", market[priced], priced), ("market_shin", shin_probabilities(odds[priced]), priced)]


def scores(probs: Probs, outcomes: Outcomes) -> dict[str, Any]:
    """Log loss, RPS, Brier, ECE, accuracy, mean ROC-AUC of one against the rest, precision and recall by outcome."""
    precision, recall, _, support = precision_recall_fscore_support(
        outcomes, probs.argmax(axis=1), labels=[0, 1, 2], zero_division=0.0
    )
    by_outcome = {
        name: {"precision": float(precision[i]), "recall": float(recall[i]), "matches": int(support[i])}
        for i, name in enumerate(OUTCOME_NAMES)
    }
    report: dict[str, Any] = asdict(score(probs, outcomes)) | {"by_outcome": by_outcome}
    if len(np.unique(outcomes)) == len(OUTCOME_NAMES):
        aucs = [roc_auc_score(outcomes == i, probs[:, i]) for i in range(len(OUTCOME_NAMES))]
        report["roc_auc_ovr"] = float(np.mean(aucs))
    return report


def differences(ours: Probs, theirs: Probs, outcomes: Outcomes) -> dict[str, Any]:
    """Paired differences of log loss and RPS; negative means `ours` is better."""
    return {
        "log_loss": asdict(paired_difference(log_loss_each(ours, outcomes), log_loss_each(theirs, outcomes))),
        "rps": asdict(paired_difference(rps_each(ours, outcomes), rps_each(theirs, outcomes))),
    }


def flat(report: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested numbers by dotted name."""
    found: dict[str, float] = {}
    for name, value in report.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def calibration_rows(probs: Probs, outcomes: Outcomes) -> list[tuple[str, float, float, int]]:
    """Outcome, mean forecast, how often it happened, matches; a row a bin of forecasts that is not empty."""
    rows = []
    for i, name in enumerate(OUTCOME_NAMES):
        bin_of = np.minimum((probs[:, i] * CURVE_BINS).astype(np.int64), CURVE_BINS - 1)
        for b in range(CURVE_BINS):
            chosen = bin_of == b
            if chosen.any():
                happened = float((outcomes[chosen] == i).mean())
                rows.append((name, float(probs[chosen, i].mean()), happened, int(chosen.sum())))
    return rows


def confusion_rows(probs: Probs, outcomes: Outcomes) -> list[tuple[str, str]]:
    """What happened and what was likeliest, a row a match, as DVC's confusion template reads it."""
    likeliest = probs.argmax(axis=1)
    return [(OUTCOME_NAMES[a], OUTCOME_NAMES[b]) for a, b in zip(outcomes, likeliest, strict=True)]


def confusion_counts(pairs: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
    """Matches by what happened (rows) and what was likeliest (columns), shape (3, 3)."""
    happened, likeliest = zip(*pairs, strict=True)
    return np.asarray(confusion_matrix(happened, likeliest, labels=list(OUTCOME_NAMES)), dtype=np.int64)
