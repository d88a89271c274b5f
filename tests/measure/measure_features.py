"""The compiled pass: matches a second with the features that params.yaml chooses, and whether time grows with the rows.

Uses ../shared/data where it is, else a generated table of the same size.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.features.columns import MatchColumns, columns_of
from matchcast.features.compiled import run_pass
from matchcast.usecases.backtest import table_of
from pipeline.params import read_params

MERGED = Path(__file__).parents[3] / "shared/data/football-data/matches_1993_2025.csv.gz"
SIZES = (27_553, 275_530)


def real_matches() -> MatchColumns:
    name, raw = read_file(str(MERGED))
    return table_of(detect(raw, name).parse(raw, name).rows).columns


def generated_matches(n: int = 275_530) -> MatchColumns:
    generator = np.random.default_rng(1)
    league = generator.integers(0, 38, n)
    clubs = np.array([generator.choice(24, 2, replace=False) for _ in range(n)])
    days: NDArray[np.int64] = np.sort(generator.integers(0, 30 * 365, n))
    return columns_of(
        match_ids=range(n), tournaments=[f"country{i}:league" for i in league],
        seasons=[1993 + int(d) // 365 for d in days], kickoffs=days * 86_400, kickoffs_known=np.zeros(n, dtype=np.bool_),
        home_teams=[f"country{i}:{c}" for i, c in zip(league, clubs[:, 0], strict=True)],
        away_teams=[f"country{i}:{c}" for i, c in zip(league, clubs[:, 1], strict=True)],
        finished=np.ones(n, dtype=np.bool_), home_goals=generator.poisson(1.5, n).astype(np.float64),
        away_goals=generator.poisson(1.1, n).astype(np.float64),
        stats=generator.poisson((12, 10, 5, 4, 6, 5, 2, 2, 0.1, 0.1), (n, 10)).astype(np.float64),
    )  # fmt: skip


def main() -> None:
    matches = real_matches() if MERGED.exists() else generated_matches()
    contract = read_params(Path(__file__).parents[2] / "params.yaml").features.contract()
    started = time.perf_counter()
    run_pass(matches.take(np.arange(1000)), contract)
    print(
        f"{len(contract.features)} features; first call, compiling or reading machine code: {time.perf_counter() - started:.1f} s"
    )
    taken = {}
    for size in SIZES:
        part = matches.take(np.arange(min(size, len(matches))))
        runs = []
        for _ in range(5):
            started = time.perf_counter()
            run_pass(part, contract)
            runs.append(time.perf_counter() - started)
        taken[size] = float(np.median(runs))
        print(f"{len(part):>8,} matches: {taken[size]:.3f} s median of 5, {len(part) / taken[size]:,.0f} matches/s")
    print(f"ten times the matches take {taken[SIZES[1]] / taken[SIZES[0]]:.1f} times as long")


if __name__ == "__main__":
    main()
