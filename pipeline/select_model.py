"""Stage: which members are pooled, chosen on their forecasts out of fold; the least log loss wins."""

from dataclasses import asdict
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.model.fit import fit_pool
from matchcast.model.forecaster import MEMBERS, log_pool
from matchcast.model.metrics import Outcomes, Probs, log_loss_each, score
from pipeline.evaluation import differences
from pipeline.files import read_parquet, write_csv, write_json, write_parquet
from pipeline.match_table import FORECAST_COLUMNS, matrix
from pipeline.params import read_params
from pipeline.paths import CANDIDATES, MEMBERS_OUT_OF_FOLD, SELECTED_OUT_OF_FOLD, SELECTION
from pipeline.stage import run_stage, say
from pipeline.walk_forward import MEMBER_COLUMNS

POOLS: Final = tuple(pool for size in range(1, len(MEMBERS) + 1) for pool in combinations(MEMBERS, size))

SCORES: Final = ("log_loss", "rps", "ece", "accuracy")


class MembersInFold(NamedTuple):
    """What the members said, shape (3, matches, 3), and what happened: of a fold's matches, and of the year before it."""

    asked: NDArray[np.float64]
    outcomes: Outcomes
    validation: NDArray[np.float64]
    validation_outcomes: Outcomes


def main() -> None:
    """Read data/walk_forward, write data/selection."""
    prior_matches = read_params().model.prior_matches
    table = read_parquet(MEMBERS_OUT_OF_FOLD)
    folds = folds_of(table)
    outcomes = np.concatenate([fold.outcomes for fold in folds])
    forecasts = {pool: forecast(folds, pool, prior_matches) for pool in POOLS}
    best = min(POOLS, key=lambda pool: float(log_loss_each(forecasts[pool], outcomes).mean()))
    scores: dict[str, Any] = {
        "+".join(pool): asdict(score(probs, outcomes))
        | ({} if pool == best else {"minus_best": differences(probs, forecasts[best], outcomes)})
        for pool, probs in forecasts.items()
    }
    write_json(SELECTION, {"members": list(best), "candidates": scores})
    write_csv(
        CANDIDATES,
        ["members", "log_loss_minus_best", *SCORES],
        [
            (name, each["log_loss"] - scores["+".join(best)]["log_loss"], *(each[column] for column in SCORES))
            for name, each in scores.items()
        ],
    )
    kept = table.filter(pa.array(~table["validation"].to_numpy())).select(["match_id", "outcome", "fold"])
    for outcome, name in enumerate(FORECAST_COLUMNS):
        kept = kept.append_column(name, pa.array(forecasts[best][:, outcome]))
    write_parquet(SELECTED_OUT_OF_FOLD, kept)
    say(f"{' + '.join(best)}: log loss {scores['+'.join(best)]['log_loss']:.4f} on {len(outcomes)} matches")


def folds_of(table: pa.Table) -> list[MembersInFold]:
    """The folds of data/walk_forward/members.parquet, in its order."""
    probs = np.moveaxis(matrix(table, MEMBER_COLUMNS).reshape(len(table), len(MEMBERS), 3), 1, 0)
    outcomes = np.asarray(table["outcome"].to_numpy(), dtype=np.int64)
    fold, validation = np.asarray(table["fold"].to_pylist()), table["validation"].to_numpy()
    found = []
    for name in dict.fromkeys(fold.tolist()):
        asked, before = (fold == name) & ~validation, (fold == name) & validation
        found.append(MembersInFold(probs[:, asked], outcomes[asked], probs[:, before], outcomes[before]))
    return found


def forecast(folds: list[MembersInFold], pool: tuple[str, ...], prior_matches: float) -> Probs:
    """Every fold forecast by a pool of members as `fit_forecaster` makes it: fitted on the year before the fold."""
    probs = []
    for fold in folds:
        weights, temperature = fit_pool(fold.validation, fold.validation_outcomes, prior_matches, pool)
        probs.append(log_pool(fold.asked, weights, temperature))
    return np.concatenate(probs)


if __name__ == "__main__":
    run_stage(main)
