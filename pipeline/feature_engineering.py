"""Stage: one forward pass over all matches, a feature row each."""

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.errors import BadInput
from matchcast.features.compiled import run_pass
from matchcast.features.contract import FeatureContract
from matchcast.features.history import read_as_of
from pipeline.files import read_json, read_parquet, write_bytes, write_parquet
from pipeline.market import market_columns
from pipeline.match_table import as_of_of, floats, match_columns
from pipeline.params import read_params
from pipeline.paths import CONTRACT, FEATURES_FINISHED, FEATURES_FUTURE, FINISHED, FUTURE, RAW_MANIFEST
from pipeline.stage import run_stage, say


def main() -> None:
    """Read data/interim, write data/features."""
    contract = read_params().features.contract()
    finished, future = read_parquet(FINISHED), read_parquet(FUTURE)
    of_finished, of_future = feature_tables(finished, future, contract, as_of_of(read_json(RAW_MANIFEST)))
    write_parquet(FEATURES_FINISHED, of_finished)
    write_parquet(FEATURES_FUTURE, of_future)
    write_bytes(CONTRACT, contract.to_json().encode())
    say(f"{len(contract.features)} features of {len(of_finished)} finished and {len(of_future)} future matches")


def feature_tables(
    finished: pa.Table, future: pa.Table, contract: FeatureContract, as_of: datetime
) -> tuple[pa.Table, pa.Table]:
    """Feature rows of finished and of future matches, in their tables' order.

    Columns: match_id, day (seconds since 1970), outcome, home_goals, away_goals, tournament, season, kickoff_at, known_at
    (seconds since 1970 when the result counts as known), coverage (share of features that are known), then the contract's
    as float32.

    Raises:
        BadInput: the contract has the market's features, and no finished match has a price.
    """
    matches = match_columns(finished, future, market_columns(finished, future, contract.market_from))
    rows = run_pass(matches, contract, read_as_of(matches, as_of), end=int(as_of.timestamp())).rows
    n = len(finished)
    if n and not contract.readable(rows[:n]).any():
        raise BadInput(
            f"features.market_from: no finished match has opening prices of {contract.market_from}; "
            "load files that have them, or leave the list empty in pipeline/conf",
            "features.market_from",
        )
    return (
        _table(finished, matches.day[:n], matches.known_at[:n], rows[:n], finished["outcome"], contract),
        _table(future, matches.day[n:], matches.known_at[n:], rows[n:], pa.nulls(len(future), pa.int8()), contract),
    )


def _table(
    matches: pa.Table, day: NDArray[np.int64], known_at: NDArray[np.int64], rows: NDArray[np.float32], outcome: Any,
    contract: FeatureContract,
) -> pa.Table:  # fmt: skip
    known = np.isfinite(rows).mean(axis=1, dtype=np.float64).astype(np.float32)
    columns = {
        "match_id": matches["match_id"],
        "day": pa.array(day),
        "outcome": outcome,
        "home_goals": pa.array(floats(matches["home_goals"])),
        "away_goals": pa.array(floats(matches["away_goals"])),
        "tournament": matches["tournament_id"],
        "season": matches["season"],
        "kickoff_at": matches["kickoff_at"],
        "known_at": pa.array(known_at),
        "coverage": pa.array(known),
    }
    columns |= {name: pa.array(rows[:, i]) for i, name in enumerate(contract.names)}
    return pa.table(columns)


if __name__ == "__main__":
    run_stage(main)
