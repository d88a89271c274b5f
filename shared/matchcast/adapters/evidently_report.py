"""Comparisons by Evidently, which is imported on first use: that takes seconds."""

import json
import os
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matchcast.ports.scores import ColumnDrift, Comparison

METHOD: Final = "wasserstein"
"""Wasserstein distance of recent values from the reference, in standard deviations of the reference."""
MOST: Final = 0.3
"""A column has drifted where the distance is at least this.

A test for equality is no help: a season's phases differ, and matches are not independent. On 60 checks of real matches
from 2022 to 2024 against references one day to 200 days old, Kolmogorov-Smirnov found more than 0.2 of the features
drifted (p < 0.05) in 55, this in 4; with 0.1, Evidently's own limit, it would be 47.
"""


def compare(
    features: Sequence[str],
    forecasts: Sequence[str],
    recent: NDArray[np.float64],
    reference: NDArray[np.float64],
    *,
    share: float,
) -> Comparison:
    """Look at each column for drift, as `usecases.drift.Compare` says.

    Args:
        share: of the features that may drift, for the page's verdict; ours is the caller's.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own, of numpy's and Litestar's old names
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report  # type: ignore[import-untyped]
        from evidently.metrics import DriftedColumnsCount, ValueDrift  # type: ignore[import-untyped]

    names = [*features, *forecasts]
    definition = DataDefinition(numerical_columns=names)
    now, before = (
        Dataset.from_pandas(pd.DataFrame(rows, columns=names), data_definition=definition)
        for rows in (recent, reference)
    )
    count = DriftedColumnsCount(columns=list(features), drift_share=share, method=METHOD, threshold=MOST)
    tests = [ValueDrift(column=name, method=METHOD, threshold=MOST) for name in names]
    with np.errstate(divide="ignore", invalid="ignore"):  # it also looks at correlations, which constant columns lack
        snapshot = Report([count, *tests] if features else tests).run(now, before)
    details: dict[str, Any] = json.loads(snapshot.json())
    distances = {
        metric["config"]["column"]: float(metric["value"])
        for metric in details["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    return Comparison(
        [ColumnDrift(name, distances[name] >= MOST, METHOD, distances[name]) for name in names],
        details,
        snapshot.get_html_str(as_iframe=False),
    )
