"""A small forecaster trained on invented matches."""

from functools import cache

import numpy as np

from matchcast.features.contract import FeatureContract, catalogue
from matchcast.model.fit import FitParams, Fitted, GoalsParams, LinearParams, Training, TreeParams, fit_forecaster

CONTRACT = FeatureContract(catalogue()[:60:10])
DAY = 86_400
PARAMS = FitParams(
    seed=5,
    trees=TreeParams(3, 0.1, 0.8, 0.8, 5, 1.0, 40, 10),
    linear=LinearParams(0.1, 8, 5.0),
    goals=GoalsParams(10, 8, 5.0, 8),
    validation_days=200,
    prior_matches=50,
    threads=1,
)


@cache
def training_table(n: int = 1500) -> Training:
    """Matches of which the first column decides much; some values are unknown."""
    generator = np.random.default_rng(11)
    rows = generator.normal(size=(n, 6)).astype(np.float32)
    goals = generator.poisson(np.exp(np.stack([0.4 + 0.4 * rows[:, 0], 0.1 - 0.4 * rows[:, 0]], axis=1)))
    outcomes = 1 - np.sign(goals[:, 0] - goals[:, 1])
    rows[generator.random((n, 6)) < 0.1] = np.nan
    return Training(rows, CONTRACT.names, outcomes, goals.astype(np.float64), np.arange(n, dtype=np.int64) * DAY)


@cache
def trained() -> Fitted:
    """Trained on them."""
    return fit_forecaster(training_table(), PARAMS)
