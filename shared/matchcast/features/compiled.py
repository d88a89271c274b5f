"""The forward pass over a whole table, compiled by numba from the same source that serving runs plainly.

Every function of the fold's modules is compiled anew with its callees compiled too, so there is one source and no
decorator in it. Machine code is cached in a folder named after the source's hash.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matchcast.features.columns import STAT_NAMES, MatchColumns, columns_of
from matchcast.features.contract import KERNEL_MODULES, FeatureContract, choose, kernel_hash
from matchcast.features.layout import LEAGUE, PAIR, SEAT, TEAM
from matchcast.features.reading import QUANTITIES
from matchcast.features.state import State, new_league

_PACKAGE = "matchcast.features"


@dataclass(frozen=True)
class PassResult:
    """What a pass gives: rows of shape (reads, features) as float32, and the state at its end."""

    rows: NDArray[np.float32]
    state: State


def run_pass(
    matches: MatchColumns,
    contract: FeatureContract,
    as_of: NDArray[np.int64] | None = None,
    end: int | None = None,
    kernel: Mapping[str, Callable[..., Any]] | None = None,
) -> PassResult:
    """Read a feature row for every match, then update the state with every finished one, in time order.

    A row depends only on results known (`MatchColumns.known_at`) at or before its `as_of`.

    Args:
        matches: any order; the result is independent of it.
        contract: which features.
        as_of: int64 seconds since 1970 a match; default midnight UTC of the match's day.
        end: instant of the final state; default after everything.
        kernel: functions to run instead of the compiled ones (the plain ones, in tests).
    """
    functions = compiled_kernel() if kernel is None else kernel
    if as_of is None:
        as_of = matches.day
    known_at = matches.known_at
    ties = (matches.away, matches.home, matches.tournament, matches.kickoff)
    updates = np.lexsort((*ties, known_at))
    updates = updates[matches.finished[updates]]
    if end is not None:
        updates = updates[known_at[updates] <= end]
    reads = np.lexsort((*ties, as_of))
    seat_keys, seat_codes = _keys(
        np.concatenate([matches.home, matches.away]), np.concatenate([matches.tournament, matches.tournament])
    )
    first = matches.home < matches.away
    pair_keys, pair_codes = _keys(np.minimum(matches.home, matches.away), np.maximum(matches.home, matches.away))
    teams = np.zeros((len(matches.teams), TEAM))
    seats = np.zeros((len(seat_keys), SEAT))
    pairs = np.zeros((len(pair_keys), PAIR))
    leagues = np.array([new_league(tournament) for tournament in matches.tournaments]).reshape(-1, LEAGUE)
    rows = np.empty((len(matches), len(contract.fold)), dtype=np.float32)
    n = len(matches)
    functions["forward"](
        matches.home.astype(np.int64), matches.away.astype(np.int64), seat_codes[:n], seat_codes[n:],
        matches.tournament.astype(np.int64), pair_codes, first, matches.season.astype(np.float64),
        matches.kickoff.astype(np.float64), matches.home_goals, matches.away_goals, matches.stats, as_of, known_at,
        reads, updates, contract.program, teams, seats, leagues, pairs, np.empty(QUANTITIES),
        np.empty((2, TEAM)), np.empty((2, SEAT)), np.empty(len(contract.fold)), rows,
    )  # fmt: skip
    to_come = np.zeros(n, dtype=np.bool_)
    if contract.market_from:
        rows = np.hstack([rows, matches.market.astype(np.float32)])
        to_come = ~matches.finished & ~np.isnan(matches.market).any(axis=1)
    priced = np.flatnonzero(to_come)[np.argsort(matches.match_id[to_come])]
    last = int(known_at[updates[-1]]) if len(updates) else 0
    state = State(
        as_of=last if end is None else end,
        team_ids=matches.teams,
        tournament_ids=matches.tournaments,
        teams=teams,
        leagues=leagues,
        seat_keys=seat_keys,
        seats=seats,
        pair_keys=pair_keys,
        pairs=pairs,
        code_hash=contract.code_hash,
        market_ids=matches.match_id[priced],
        market=matches.market[priced],
    )
    return PassResult(rows, state)


def _keys(first: NDArray[np.int32], second: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sorted distinct (first, second) and, for each input, its position among them."""
    joined = first.astype(np.int64) << 32 | second.astype(np.int64)
    distinct, codes = np.unique(joined, return_inverse=True)
    keys = np.stack([distinct >> 32, distinct & 0xFFFFFFFF], axis=1).astype(np.int32)
    return keys, codes.astype(np.int64)


def plain_kernel() -> dict[str, Callable[..., Any]]:
    """The fold's functions uncompiled, by name."""
    return {"forward": importlib.import_module(f"{_PACKAGE}.forward").forward}


@cache
def compiled_kernel() -> dict[str, Callable[..., Any]]:
    """The fold's functions compiled, by name."""
    import numba

    cache_folder = (
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "matchcast/numba" / kernel_hash()[:16]
    )
    _take_over(Path(sys.prefix, "share/matchcast/numba", cache_folder.name), cache_folder)
    numba.config.CACHE_DIR = str(cache_folder)
    compiled: dict[str, Callable[..., Any]] = {}
    for module_name in KERNEL_MODULES:
        module = importlib.import_module(f"{_PACKAGE}.{module_name}")
        namespace = {**vars(module), **{k: v for k, v in compiled.items() if k in vars(module)}}
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                twin = FunctionType(value.__code__, namespace, name, value.__defaults__)
                twin.__module__ = module.__name__
                namespace[name] = compiled[name] = numba.njit(cache=True, error_model="numpy")(twin)
    return compiled


def compile_now() -> None:
    """Compile everything into the cache, as images do when they are built."""
    nothing = np.empty(0)
    no_matches = columns_of(
        match_ids=[], tournaments=[], seasons=[], kickoffs=nothing.astype(np.int64),
        kickoffs_known=nothing.astype(np.bool_), home_teams=[], away_teams=[], finished=nothing.astype(np.bool_),
        home_goals=nothing, away_goals=nothing, stats=np.empty((0, len(STAT_NAMES))),
    )  # fmt: skip
    run_pass(no_matches, choose(("elo",), ("home",), ("all",), (1,), ("win",)))


def _take_over(ready: Path, cache_folder: Path) -> None:
    """Copy machine code that came with the environment: numba insists on a cache it can write to."""
    if not ready.is_dir() or cache_folder.exists():
        return
    cache_folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache_folder.parent) as whole:
        copy = shutil.copytree(ready, Path(whole, ready.name))
        try:
            copy.rename(cache_folder)
        except OSError:
            if not cache_folder.exists():  # nobody else was quicker
                raise
