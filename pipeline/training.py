"""Feature tables as training takes them."""

import numpy as np
import pyarrow as pa

from matchcast.features.contract import FeatureContract
from matchcast.model.fit import Training
from pipeline.match_table import feature_rows, floats


def training_of(table: pa.Table, contract: FeatureContract) -> Training:
    """A feature table of finished matches as training takes it."""
    return Training(
        feature_rows(table, contract),
        contract.names,
        np.asarray(table["outcome"].to_numpy(), dtype=np.int64),
        np.column_stack([floats(table["home_goals"]), floats(table["away_goals"])]),
        np.asarray(table["day"].to_numpy(), dtype=np.int64),
    )
