"""A house whose champion has few features and a reference, and matches enough to be watched."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.history import SqlHistory
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.objects_folder import FolderStore
from matchcast.features.columns import DAY_SECONDS
from matchcast.features.compiled import run_pass
from matchcast.features.contract import FeatureContract, choose, with_market
from matchcast.model.bundle import pack_bundle
from matchcast.model.forecaster import Forecaster
from matchcast.model.goals import Goals
from matchcast.model.linear import Linear
from matchcast.model.scaling import Scaling
from matchcast.model.trees import Trees
from matchcast.usecases.champion import reference_key, set_champion
from tests.pipeline import league

NOW: Final = datetime(2025, 2, 7, 6, tzinfo=UTC)
"""The last matches of the league were played two days before."""
DAYS: Final = 28


@cache
def contract(market: bool = False) -> FeatureContract:
    """A dozen features."""
    few = choose(("elo", "history"), ("home", "away"), (), (), ())
    return with_market(few, ("Avg",)) if market else few


def bundle_of(rows: NDArray[np.float32], market: bool = False) -> dict[str, bytes]:
    """A bundle of three stumps and random coefficients that reads `contract`."""
    rng = np.random.default_rng(3)
    features = len(contract(market).features)
    nodes = np.arange(9, dtype=np.int32)
    left, right = nodes.copy(), nodes.copy()
    left[::3], right[::3] = nodes[1::3], nodes[2::3]
    value = rng.normal(0, 0.2, 9).astype(np.float32)
    value[::3] = 0
    trees = Trees(
        np.zeros(9, dtype=np.int32), np.full(9, 1500, dtype=np.float32), left, right, np.zeros(9, dtype=np.bool_), value,
        np.tile(np.array([2, 1, 1], dtype=np.float32), 3), nodes[::3].copy(),
        np.array([0.4, 0.1, 0.2], dtype=np.float32), 1,
    )  # fmt: skip
    scaling = Scaling.of(rows, 4.0)
    forecaster = Forecaster(
        trees,
        Linear(scaling, rng.normal(0, 0.2, (3, features)), np.array([0.3, 0.0, 0.1])),
        Goals(scaling, rng.normal(0, 0.05, (2, features)), np.log([1.6, 1.2]), -0.08),
        np.array([0.2, 0.4, 0.4]),
        1.1,
    )
    return pack_bundle(
        forecaster, b"not served", contract(market), {}, rows[:3], forecaster.predict(rows[:3]), run_id="run",
        trained_from="2017-08-10", trained_until="2025-01-01", data_version="d1", code_revision="c1", params_hash="p1",
        created_at="2025-01-02T00:00:00+00:00",
    )  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """What is watched; `environment` is drift's."""

    environment: dict[str, str]
    database: Database
    objects: FolderStore

    def fill(self) -> None:
        """Store the matches of the made-up leagues."""
        SqlMatchStore(self.database).load(league.rows(), league.teams(), (), NOW)

    def key(self, *scopes: str) -> str:
        return SqlApiKeys(self.database).create("tests", frozenset(scopes), NOW).text

    def recent_rows(self) -> NDArray[np.float32]:
        """Features of the matches of the last days, as the pipeline reads them."""
        matches = SqlHistory(self.database).history(NOW, ()).matches
        today = int(NOW.replace(hour=0).timestamp())
        chosen = (matches.day > today - DAYS * DAY_SECONDS) & (matches.day <= today)
        return run_pass(matches, contract()).rows[chosen]

    def promote(self, rows: NDArray[np.float32], reference: NDArray[np.float32] | None, market: bool = False) -> str:
        """Make a model the champion, with this reference beside it; its version."""
        files = bundle_of(rows, market)
        pointer = set_champion(self.objects, files, NOW.isoformat(), (NOW - timedelta(days=9)).isoformat())
        if reference is not None:
            self.objects.put(reference_key(pointer.version), parquet(reference, contract(market).names))
        return pointer.version


def parquet(rows: NDArray[np.float32], names: tuple[str, ...]) -> bytes:
    """A reference file as `register_model` writes it."""
    columns = {"match_id": pa.array(range(len(rows)))} | {name: pa.array(rows[:, i]) for i, name in enumerate(names)}
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer)
    return bytes(buffer.getvalue())
