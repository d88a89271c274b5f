"""Comparisons by Evidently, which is imported on first use: that takes seconds."""

import json
import os
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matchcast.ports.scores import ColumnDrift, Comparison

METHOD: Final = "ks"
"""Two-sample Kolmogorov-Smirnov: of continuous columns, without assumptions about their shape."""
LEAST_P_VALUE: Final = 0.05
"""A column has drifted where the test gives less."""


def compare(
    features: Sequence[str],
    forecasts: Sequence[str],
    recent: NDArray[np.float64],
    reference: NDArray[np.float64],
    *,
    share: float,
) -> Comparison:
    """Test each column for drift, as `usecases.drift.Compare` says.

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
    count = DriftedColumnsCount(columns=list(features), drift_share=share, method=METHOD, threshold=LEAST_P_VALUE)
    tests = [ValueDrift(column=name, method=METHOD, threshold=LEAST_P_VALUE) for name in names]
    snapshot = Report([count, *tests] if features else tests).run(now, before)
    details: dict[str, Any] = json.loads(snapshot.json())
    p_values = {
        metric["config"]["column"]: float(metric["value"])
        for metric in details["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    return Comparison(
        [ColumnDrift(name, p_values[name] < LEAST_P_VALUE, METHOD, p_values[name]) for name in names],
        details,
        snapshot.get_html_str(as_iframe=False),
    )
