"""The baseline that every model has to beat: a multinomial logistic regression on the ratings alone."""

from typing import Final

import numpy as np
import pyarrow as pa
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matchcast.features.contract import FeatureContract
from matchcast.model.metrics import Probs, base_rates
from pipeline.match_table import feature_rows

FAMILIES: Final = ("elo", "pi")


def baseline_forecasts(train: pa.Table, test: pa.Table, contract: FeatureContract) -> Probs:
    """Train on feature rows with outcomes, forecast others; base rates where the contract holds no ratings.

    Returns:
        Shape (len(test), 3), columns home, draw, away.
    """
    outcomes = np.asarray(train["outcome"].to_numpy(), dtype=np.int64)
    chosen = [i for i, feature in enumerate(contract.features) if feature.family in FAMILIES]
    if not chosen:
        return np.tile(base_rates(outcomes), (len(test), 1))
    model = make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=1.0, max_iter=1000)
    )
    model.fit(feature_rows(train, contract)[:, chosen].astype(np.float64), outcomes)
    return np.asarray(model.predict_proba(feature_rows(test, contract)[:, chosen].astype(np.float64)))
