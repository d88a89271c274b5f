"""Stage: what each family of features is worth: one member, walked forward without the family and with it alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matchcast.model.fit import FitParams, fit_goals, fit_linear
from matchcast.model.forecaster import softmax
from matchcast.model.metrics import Probs, base_rates, log_loss_each, paired_difference, rps_each
from pipeline.files import write_csv, write_json
from pipeline.params import read_params
from pipeline.paths import ABLATION_METRICS, FAMILIES_ALONE, FAMILIES_LEFT_OUT
from pipeline.stage import run_stage, say
from pipeline.training import FitTime, tuned_params
from pipeline.walk_forward import Fold, Walk, read_walk, trees_forecasts

ALL: Final = "all"


def main() -> None:
    """Read data/splits, write data/metrics/ablation.json and plots."""
    params = read_params()
    fit_params, fit_time = tuned_params(params), FitTime()
    report = study(read_walk().last(params.ablation.folds), params.ablation.member, fit_params, fit_time)
    write_json(ABLATION_METRICS, report)
    for way, file in (("left_out", FAMILIES_LEFT_OUT), ("alone", FAMILIES_ALONE)):
        rows = [
            (family, *each["log_loss"].values(), *each["rps"].values(), each["features"])
            for family, each in report[way].items()
        ]
        header = ["family", "log_loss", "log_loss_error", "rps", "rps_error", "features"]
        write_csv(file, header, sorted(rows, key=lambda row: (-row[1], row[0])))
    worth = max(report["left_out"], key=lambda family: report["left_out"][family]["log_loss"]["mean"])
    say(f"{params.ablation.member} misses {worth} most: {report['left_out'][worth]['log_loss']}; {fit_time}")


def study(walk: Walk, member: str, params: FitParams, fit_time: FitTime) -> dict[str, Any]:
    """Paired changes of log loss and RPS against all features together; above 0 means worse than with all.

    Args:
        member: `trees`, `linear` or `goals`.
    Returns:
        `all` (scores and matches), and `left_out` and `alone`: by family, its `features` and both changes.
    """
    family_of = np.array([feature.family for feature in walk.contract.features])
    families = list(dict.fromkeys(family_of.tolist()))
    columns = {ALL: np.ones(len(family_of), dtype=np.bool_)}
    columns |= {f"left_out {family}": family_of != family for family in families}
    columns |= {f"alone {family}": family_of == family for family in families}
    log_losses: dict[str, list[NDArray[np.float64]]] = {choice: [] for choice in columns}
    rps: dict[str, list[NDArray[np.float64]]] = {choice: [] for choice in columns}
    for fold in walk.folds(params):
        for choice, chosen in columns.items():
            probs = member_forecasts(narrowed(fold, chosen), member, params, [fit_time])
            log_losses[choice].append(log_loss_each(probs, fold.asked.outcomes))
            rps[choice].append(rps_each(probs, fold.asked.outcomes))
    losses = {
        score: {choice: np.concatenate(each) for choice, each in by_choice.items()}
        for score, by_choice in (("log_loss", log_losses), ("rps", rps))
    }
    report: dict[str, Any] = {
        ALL: {score: float(each[ALL].mean()) for score, each in losses.items()} | {"matches": len(losses["rps"][ALL])}
    }
    for way in ("left_out", "alone"):
        report[way] = {
            family: {"features": int((family_of == family).sum())}
            | {score: _difference(each[f"{way} {family}"], each[ALL]) for score, each in losses.items()}
            for family in families
        }
    return report


def narrowed(fold: Fold, columns: NDArray[np.bool_]) -> Fold:
    """The fold with these features only."""
    names = tuple(name for name, kept in zip(fold.training.names, columns, strict=True) if kept)
    training, asked = (replace(part, rows=part.rows[:, columns], names=names) for part in (fold.training, fold.asked))
    return replace(fold, training=training, asked=asked)


def member_forecasts(fold: Fold, member: str, params: FitParams, callbacks: Sequence[FitTime]) -> Probs:
    """A fold forecast by one member, base rates where it has no feature; shape (len(asked), 3)."""
    if not fold.training.names:
        return np.tile(base_rates(fold.training.outcomes), (len(fold.asked), 1))
    match member:
        case "trees":
            return trees_forecasts(fold, params, callbacks)
        case "linear":
            return softmax(fit_linear(fold.training, params.linear).margins(fold.asked.rows))
        case _:
            return fit_goals(fold.training, params.goals).probabilities(fold.asked.rows)


def _difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, float]:
    found = paired_difference(ours, theirs)
    return {"mean": found.mean, "standard_error": found.standard_error}


if __name__ == "__main__":
    run_stage(main)
