"""The model as MLflow serves it: this script and the bundle's plain files, no pickle."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from matchcast.model.bundle import Bundle, load_bundle


class MatchcastModel(PythonModel):  # type: ignore[misc]
    """Feature rows in, probabilities home, draw, away out."""

    _bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle; its hashes and golden rows are checked."""
        folder = Path(context.artifacts["bundle"])
        self._bundle = load_bundle({file.name: file.read_bytes() for file in folder.iterdir()})

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of probabilities a row of features; columns may stand in any order."""
        rows = model_input[list(self._bundle.contract.names)].to_numpy(dtype=np.float32)
        return pd.DataFrame(self._bundle.predict(rows), columns=["home", "draw", "away"], index=model_input.index)


mlflow.models.set_model(MatchcastModel())
