"""Forecasters side by side on identical matches: figures for a table, and a plot over the seasons."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matchcast.model.metrics import PairedDifference, Scores, log_loss_each, paired_difference, rps_each, score

Probs = NDArray[np.float64]
Outcomes = NDArray[np.int64]


class Difference(NamedTuple):
    """A forecaster's scores minus another's on the same matches; negative is better."""

    rps: PairedDifference
    log_loss: PairedDifference


class Standing(NamedTuple):
    """How a forecaster did on the matches that it and all it is compared with have forecast.

    Attributes:
        left_out: matches it could not forecast, or that have no price.
        to: differences to the forecasters it is compared with, by name; not to itself.
    """

    name: str
    scores: Scores
    left_out: int
    to: Mapping[str, Difference]


def standings(forecasts: Mapping[str, Probs], outcomes: Outcomes, against: Sequence[str]) -> list[Standing]:
    """One standing a forecaster, in the order given; who has fewer than two matches to compare has none.

    Args:
        forecasts: shape (n, 3) each, NaN where there is none.
        outcomes: shape (n,), 0 home, 1 draw, 2 away.
        against: with whom all are compared, names in `forecasts`.
    """
    found = []
    for name, probs in forecasts.items():
        common = _told(probs) & np.all([_told(forecasts[other]) for other in against], axis=0)
        if common.sum() < 2:
            continue
        happened = outcomes[common]
        to = {
            other: difference(probs[common], forecasts[other][common], happened) for other in against if other != name
        }
        found.append(Standing(name, score(probs[common], happened), int((~common).sum()), to))
    return found


def difference(probs: Probs, theirs: Probs, outcomes: Outcomes) -> Difference:
    """Paired differences of two forecasts of the same matches."""
    return Difference(
        paired_difference(rps_each(probs, outcomes), rps_each(theirs, outcomes)),
        paired_difference(log_loss_each(probs, outcomes), log_loss_each(theirs, outcomes)),
    )


class SeasonGap(NamedTuple):
    """A forecaster's mean RPS minus the reference's in one season, on the matches both have forecast."""

    name: str
    season: int
    matches: int
    rps: PairedDifference


def season_gaps(
    forecasts: Mapping[str, Probs], outcomes: Outcomes, seasons: NDArray[np.int32], reference: str
) -> list[SeasonGap]:
    """One row a forecaster and season with at least two matches; none for the reference itself."""
    gaps = []
    for name, probs in forecasts.items():
        for season in np.unique(seasons).tolist() if name != reference else ():
            here = (seasons == season) & _told(probs) & _told(forecasts[reference])
            if here.sum() >= 2:
                happened = outcomes[here]
                gap = paired_difference(rps_each(probs[here], happened), rps_each(forecasts[reference][here], happened))
                gaps.append(SeasonGap(name, season, int(here.sum()), gap))
    return gaps


def season_plot(gaps: Sequence[SeasonGap], reference: str) -> Figure:
    """A line a forecaster, with a standard error either way."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(gap.name for gap in gaps):
        own = [gap for gap in gaps if gap.name == name]
        axes.errorbar(
            [gap.season for gap in own], [gap.rps.mean for gap in own], [gap.rps.standard_error for gap in own],
            marker="o", markersize=3, linewidth=2.5 if name == "ours" else 1, capsize=2, label=name,
        )  # fmt: skip
    axes.axhline(0.0, color="0.5", linewidth=1)
    seasons = sorted({gap.season for gap in gaps})
    axes.set_xticks(seasons, [f"{season}/{(season + 1) % 100:02d}" for season in seasons])
    axes.set_ylabel(f"RPS − {reference}; lower is better")
    axes.legend(fontsize="small")
    return figure


def _told(probs: Probs) -> NDArray[np.bool_]:
    return ~np.isnan(probs[:, 0])
