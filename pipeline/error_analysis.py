"""Stage: where the forecasts err, out of fold and on the hold-out, beside the market on the same matches."""

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from matchcast.model.market import power_probabilities
from matchcast.model.metrics import Outcomes, Probs, log_loss_each, score
from pipeline.evaluation import differences
from pipeline.files import read_parquet, write_csv, write_json
from pipeline.match_table import FORECAST_COLUMNS, ODDS_COLUMNS, floats, matrix
from pipeline.params import ErrorAnalysis, read_params
from pipeline.paths import (
    ERROR_METRICS,
    ERRORS,
    ERRORS_BY,
    HOLDOUT,
    HOLDOUT_FORECASTS,
    HOLDOUT_ODDS,
    SEASONS,
    SELECTED_OUT_OF_FOLD,
    TRAIN,
    TRAIN_ODDS,
)
from pipeline.stage import run_stage, say

GROUPINGS: Final = ("league", "season", "month", "rating_gap", "promoted")
HEADER: Final = (
    "group", "matches", "log_loss", "rps", "ece", "accuracy",
    "market_matches", "market_log_loss", "log_loss_minus_market", "standard_error",
)  # fmt: skip
UNKNOWN: Final = "unknown"

Labels = NDArray[np.str_]


class Judged(NamedTuple):
    """Forecasts (n, 3) with what happened, the market's probabilities (NaN where there are none), and groups by grouping."""

    probs: Probs
    outcomes: Outcomes
    market: Probs
    labels: dict[str, Labels]

    def of(self, chosen: NDArray[np.bool_]) -> "Judged":
        """The chosen matches."""
        labels = {grouping: label[chosen] for grouping, label in self.labels.items()}
        return Judged(self.probs[chosen], self.outcomes[chosen], self.market[chosen], labels)


def main() -> None:
    """Read forecasts and what is known of their matches; write data/evaluation/errors.json, metrics and plots."""
    params = read_params().error_analysis
    train = read_parquet(TRAIN)
    gaps = bin_edges(train, params)
    parts = {
        "walk_forward": judged(SELECTED_OUT_OF_FOLD, train, TRAIN_ODDS, params, gaps),
        "holdout": judged(HOLDOUT_FORECASTS, read_parquet(HOLDOUT), HOLDOUT_ODDS, params, gaps),
    }
    reports = {
        part: {grouping: by_group(matches, grouping) for grouping in GROUPINGS} for part, matches in parts.items()
    }
    write_json(ERRORS, reports)
    write_json(ERROR_METRICS, {part: scores(matches) for part, matches in parts.items()})
    for grouping, groups in reports["walk_forward"].items():
        write_csv(ERRORS_BY / f"{grouping}.csv", HEADER, [_row(group, each) for group, each in groups.items()])
    write_csv(SEASONS, ["season", "matches", "model", "market"], season_rows(list(parts.values())))
    worst = max(reports["walk_forward"]["league"].items(), key=lambda item: item[1]["log_loss"])
    say(f"out of fold, {worst[0]} is hardest: log loss {worst[1]['log_loss']:.4f} on {worst[1]['matches']} matches")


def judged(forecasts: Path, matches: pa.Table, odds: Path, params: ErrorAnalysis, gaps: NDArray[np.float64]) -> Judged:
    """Forecasts, matches and odds brought together by match."""
    table = read_parquet(forecasts)
    ids = matches["match_id"].to_numpy()
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids[order], table["match_id"].to_numpy())]
    found = matches.take(rows)
    return Judged(
        matrix(table, FORECAST_COLUMNS),
        np.asarray(table["outcome"].to_numpy(), dtype=np.int64),
        power_probabilities(matrix(read_parquet(odds), ODDS_COLUMNS)[rows]),
        {
            "league": np.asarray(found["tournament"].to_pylist()),
            "season": np.asarray(found["season"].cast(pa.string()).to_pylist()),
            "month": np.asarray(pc.strftime(found["kickoff_at"], format="%m").to_pylist()),
            "rating_gap": gap_labels(found, gaps),
            "promoted": promoted_labels(found, params.promoted_matches),
        },
    )


def bin_edges(train: pa.Table, params: ErrorAnalysis) -> NDArray[np.float64]:
    """Quantiles of `elo_expected`, the share of the points that Elo expects of the home side; shape (bins + 1,).

    Empty where the features hold no Elo.
    """
    if "elo_expected" not in train.column_names:
        return np.empty(0)
    return np.quantile(floats(train["elo_expected"]), np.linspace(0.0, 1.0, params.rating_bins + 1))


def gap_labels(matches: pa.Table, edges: NDArray[np.float64]) -> Labels:
    """The bin that each match falls into, named by its ends; the outer bins are open."""
    if len(edges) == 0:
        return np.full(len(matches), UNKNOWN)
    bins = np.searchsorted(edges[1:-1], floats(matches["elo_expected"]), side="right")
    names = np.array([f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges.tolist())])
    return np.asarray(names[bins], dtype=np.str_)


def promoted_labels(matches: pa.Table, most: int) -> Labels:
    """Which side came up into its division no more than `most` of its matches ago."""
    columns = [f"{side}_{what}" for side in ("home", "away") for what in ("since_entry", "came_down")]
    if not set(columns) <= set(matches.column_names):
        return np.full(len(matches), UNKNOWN)
    home_since, home_down, away_since, away_down = (floats(matches[name]) for name in columns)
    home, away = (home_since < most) & (home_down == 0.0), (away_since < most) & (away_down == 0.0)
    names = np.array(["neither", "home", "away", "both"])
    return np.asarray(names[home.astype(np.int64) + 2 * away.astype(np.int64)], dtype=np.str_)


def by_group(matches: Judged, grouping: str) -> dict[str, dict[str, Any]]:
    """Scores of each group, in the order of their names."""
    label = matches.labels[grouping]
    return {str(group): scores(matches.of(label == group)) for group in np.unique(label)}


def scores(matches: Judged) -> dict[str, Any]:
    """Of the forecasts; with at least two priced matches, of the market and the forecasts on those."""
    report: dict[str, Any] = asdict(score(matches.probs, matches.outcomes))
    priced = ~np.isnan(matches.market[:, 0])
    if priced.sum() >= 2:
        probs, outcomes, market = matches.probs[priced], matches.outcomes[priced], matches.market[priced]
        report["market"] = asdict(score(market, outcomes)) | {"model_minus_this": differences(probs, market, outcomes)}
    return report


def season_rows(parts: list[Judged]) -> list[tuple[str, int, float, float]]:
    """Season, priced matches, log loss of the forecasts and of the market on these; walk-forward and hold-out together."""
    season, priced, model, market = (
        np.concatenate(each)
        for each in zip(*((p.labels["season"], ~np.isnan(p.market[:, 0]), *_losses(p)) for p in parts), strict=True)
    )
    return [
        (str(name), int(here.sum()), float(model[here].mean()), float(market[here].mean()))
        for name in np.unique(season[priced])
        for here in [(season == name) & priced]
    ]


def _losses(matches: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log loss of each match: the forecasts' and the market's, 0 where it gives none."""
    market = np.where(np.isnan(matches.market), 1.0 / 3.0, matches.market)
    return log_loss_each(matches.probs, matches.outcomes), log_loss_each(market, matches.outcomes)


def _row(group: str, report: dict[str, Any]) -> tuple[Any, ...]:
    ours = (group, *(report[name] for name in ("matches", "log_loss", "rps", "ece", "accuracy")))
    if "market" not in report:
        return (*ours, 0, None, None, None)
    market = report["market"]
    return (*ours, market["matches"], market["log_loss"], *market["model_minus_this"]["log_loss"].values())


if __name__ == "__main__":
    run_stage(main)
