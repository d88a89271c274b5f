"""The feature contract: the only description of a feature row.

A contract is a list of features; its `program` drives `reading.read`, so a model bundle that carries the contract carries
all that is needed to make its rows. The code hash ties it to the fold's source: other source, other features.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from matchcast.errors import BundleBroken
from matchcast.features import reading
from matchcast.features.layout import (
    F_CORNERS_AGAINST,
    F_CORNERS_FOR,
    F_CORNERS_KNOWN,
    F_DRAW,
    F_GOALS_AGAINST,
    F_GOALS_FOR,
    F_LOSS,
    F_ON_TARGET_AGAINST,
    F_ON_TARGET_FOR,
    F_ON_TARGET_KNOWN,
    F_SHOTS_AGAINST,
    F_SHOTS_FOR,
    F_SHOTS_KNOWN,
    F_WIN,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOWS: Final = (1, 2, 3, 5, 7, 10, 12)
MEETING_WINDOWS: Final = (1, 2, 3, 5)
SIDES: Final = ("home", "away", "diff")
SCOPES: Final = ("all", "venue", "tournament", "season")
KERNEL_MODULES: Final = (
    "arithmetic", "layout", "elo", "pi", "goals", "counts", "form", "league", "reading", "updating", "forward",
)  # fmt: skip
HASHED_MODULES: Final = (
    *(f"features.{module}" for module in KERNEL_MODULES),
    "features.columns", "features.compiled", "features.contract", "features.online", "features.state",
    "domain.competitions", "domain.match",
)  # fmt: skip

# name, family, unit, lowest, highest; the order is that of `reading.read_side`.
SIDE_NAMES: Final[tuple[tuple[str, str, str, float | None, float | None], ...]] = (
    ("elo", "elo", "Elo points", 500, 2500),
    ("elo_fast", "elo", "Elo points", 200, 2800),
    ("elo_tournament", "elo", "Elo points", 500, 2500),
    ("pi_venue", "pi", "pi rating", -6, 6),
    ("pi_mean", "pi", "pi rating", -6, 6),
    ("attack_slow", "goals", "log factor", -3, 3),
    ("leak_slow", "goals", "log factor", -3, 3),
    ("attack_fast", "goals", "log factor", -4, 4),
    ("leak_fast", "goals", "log factor", -4, 4),
    ("shot_attack", "shots", "log factor", -3, 3),
    ("shot_leak", "shots", "log factor", -3, 3),
    ("shot_attack_fast", "shots", "log factor", -4, 4),
    ("shot_leak_fast", "shots", "log factor", -4, 4),
    ("rest_days", "rest", "days", None, 21),
    ("played", "history", "matches", 0, 100),
    ("season_played", "season", "matches", 0, 100),
    ("season_points_rate", "season", "points a match", 0, 3),
    ("season_margin_rate", "season", "goals a match", -20, 20),
    ("since_entry", "history", "matches", 0, 100),
    ("came_down", "history", "flag", 0, 1),
    ("home_edge", "edge", "goals", -4, 4),
)
MATCH_NAMES: Final[tuple[tuple[str, str, str, float | None, float | None], ...]] = (
    ("elo_expected", "elo", "score", 0, 1),
    ("elo_fast_expected", "elo", "score", 0, 1),
    ("pi_difference", "pi", "goals", -100, 100),
    ("home_goals_slow", "goals", "goals", 0, 50),
    ("away_goals_slow", "goals", "goals", 0, 50),
    ("home_goals_fast", "goals", "goals", 0, 200),
    ("away_goals_fast", "goals", "goals", 0, 200),
    ("home_goals_shots", "shots", "goals", 0, 50),
    ("away_goals_shots", "shots", "goals", 0, 50),
    ("home_goals_shots_fast", "shots", "goals", 0, 200),
    ("away_goals_shots_fast", "shots", "goals", 0, 200),
    ("home_win_slow", "goals", "probability", 0, 1),
    ("draw_slow", "goals", "probability", 0, 1),
    ("home_win_fast", "goals", "probability", 0, 1),
    ("draw_fast", "goals", "probability", 0, 1),
    ("home_win_shots", "shots", "probability", 0, 1),
    ("draw_shots", "shots", "probability", 0, 1),
    ("home_win_shots_fast", "shots", "probability", 0, 1),
    ("draw_shots_fast", "shots", "probability", 0, 1),
    ("league_home_rate", "league", "rate", 0, 1),
    ("league_draw_rate", "league", "rate", 0, 1),
    ("league_away_rate", "league", "rate", 0, 1),
    ("league_home_goals", "league", "goals a match", 0, 10),
    ("league_away_goals", "league", "goals a match", 0, 10),
    ("league_home_rate_fast", "league", "rate", 0, 1),
    ("league_draw_rate_fast", "league", "rate", 0, 1),
    ("league_goal_edge_fast", "league", "goals a match", -10, 10),
    ("league_level", "league", "level", 1, 10),
    ("league_elo_edge", "league", "Elo points", -200, 300),
    ("season_progress", "season", "share", 0, 1.5),
    *(
        (f"{side}_relative_{statistic}_{speed}", "counts", "share of the average", -20, 20)
        for statistic in ("goals", "off_target", "on_target", "corners", "yellows", "reds")
        for speed in ("slowest", "slow", "fast", "fastest")
        for side in ("home", "away")
    ),
)
# metric → code, counter of matches in which it is known, unit, highest
FORM_METRICS: Final[dict[str, tuple[int, int, str, float]]] = {
    "win": (F_WIN, -1, "rate", 1),
    "draw": (F_DRAW, -1, "rate", 1),
    "loss": (F_LOSS, -1, "rate", 1),
    "goals_for": (F_GOALS_FOR, -1, "goals a match", 40),
    "goals_against": (F_GOALS_AGAINST, -1, "goals a match", 40),
    "shots_for": (F_SHOTS_FOR, F_SHOTS_KNOWN, "shots a match", 80),
    "shots_against": (F_SHOTS_AGAINST, F_SHOTS_KNOWN, "shots a match", 80),
    "on_target_for": (F_ON_TARGET_FOR, F_ON_TARGET_KNOWN, "shots a match", 50),
    "on_target_against": (F_ON_TARGET_AGAINST, F_ON_TARGET_KNOWN, "shots a match", 50),
    "corners_for": (F_CORNERS_FOR, F_CORNERS_KNOWN, "corners a match", 40),
    "corners_against": (F_CORNERS_AGAINST, F_CORNERS_KNOWN, "corners a match", 40),
}
MEETING_METRICS: Final[dict[str, tuple[int, str, float]]] = {
    "win": (0, "rate", 1),
    "draw": (1, "rate", 1),
    "loss": (2, "rate", 1),
    "goals_for": (3, "goals a match", 40),
    "goals_against": (4, "goals a match", 40),
}


MARKET: Final = "market"
MARKET_OUTCOMES: Final = ("home", "draw", "away")
MARKET_MOST: Final = 9.0
"""Log-odds of a price of 8,000."""


@cache
def kernel_hash() -> str:
    """SHA-256 over the source of everything that decides what a row holds."""
    digest = hashlib.sha256()
    package = files("matchcast")
    for module in HASHED_MODULES:
        digest.update(package.joinpath(*module.split(".")[:-1], module.split(".")[-1] + ".py").read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    Attributes:
        name: column name; family: what it is about, for ablation and explanations.
        side: home, away, diff (home minus away) or match; scope: which matches it looks at; metric: what it counts.
        window: number of last matches, 0 where it has none.
        unit, lowest, highest: of a known value; a value may always be unknown (NaN). For `diff` the bounds are symmetric.
    """

    name: str
    family: str
    side: str
    scope: str
    metric: str
    window: int
    unit: str
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class FeatureContract:
    """An ordered choice of features and the hash of the code that makes them."""

    features: tuple[Feature, ...]
    code_hash: str = field(default_factory=kernel_hash)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @cached_property
    def fold(self) -> tuple[Feature, ...]:
        """Those that the fold makes; the market's, where chosen, stand behind them."""
        return tuple(f for f in self.features if f.family != MARKET)

    @property
    def market_from(self) -> tuple[str, ...]:
        """Whose prices before the match the market's features are made of, the preferred first; empty without them."""
        return next((tuple(f.metric.split(",")) for f in self.features if f.family == MARKET), ())

    @cached_property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """The program for `reading.read`, a row (kind, side, what, scope, window, known) a feature of the fold."""
        return tuple(_step(f) for f in self.fold)

    @cached_property
    def program(self) -> NDArray[np.int64]:
        """`steps` as an array of shape (features of the fold, 6)."""
        return np.asarray(self.steps, dtype=np.int64).reshape(len(self.fold), 6)

    def readable(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which rows models of this contract read: all, but with the market's features only those of priced matches.

        Args:
            rows: shape (n, features).
        """
        market = rows[:, len(self.fold) :]
        return np.asarray(~np.isnan(market).any(axis=1), dtype=np.bool_)

    def to_json(self) -> str:
        """As `features.json`."""
        return json.dumps(
            {"code_hash": self.code_hash, "features": [asdict(f) for f in self.features]}, indent=1, sort_keys=True
        )

    @staticmethod
    def from_json(text: str) -> FeatureContract:
        """Read `features.json`.

        Raises:
            BundleBroken: it was made by other feature code than this.
        """
        content = json.loads(text)
        if content["code_hash"] != kernel_hash():
            raise BundleBroken(
                f"features.json was made by feature code {content['code_hash'][:12]}, this is {kernel_hash()[:12]}: "
                "retrain, or serve it with the code revision named in its manifest"
            )
        return FeatureContract(tuple(Feature(**f) for f in content["features"]), content["code_hash"])


@cache
def catalogue() -> tuple[Feature, ...]:
    """Every feature the fold can make."""
    found: list[Feature] = []
    for name, family, unit, low, high in SIDE_NAMES:
        for side in SIDES:
            diff = side == "diff"
            reach = None if low is None or high is None else float(high) - float(low)
            found.append(
                Feature(f"{side}_{name}", family, side, "all", name, 0, unit,
                        (None if reach is None else -reach) if diff else low, reach if diff else high)
            )  # fmt: skip
    for name, family, unit, low, high in MATCH_NAMES:
        found.append(Feature(name, family, "match", "all", name, 0, unit, low, high))
    for scope in SCOPES:
        for metric, (_, _, unit, most) in FORM_METRICS.items():
            for window in WINDOWS:
                for side in SIDES:
                    low = -most if side == "diff" else 0.0
                    found.append(
                        Feature(
                            f"{side}_{scope}_{metric}_{window}", "form", side, scope, metric, window, unit, low, most
                        )
                    )
    found.extend(
        Feature(f"meetings_{metric}_{window}", "meetings", "match", "meetings", metric, window, unit, 0.0, most)
        for metric, (_, unit, most) in MEETING_METRICS.items()
        for window in MEETING_WINDOWS
    )
    return tuple(found)


def choose(
    families: Sequence[str], sides: Sequence[str], form_scopes: Sequence[str], form_windows: Sequence[int],
    form_metrics: Sequence[str],
) -> FeatureContract:  # fmt: skip
    """The contract of the named families, narrowed to the named sides (a feature of the match itself has none of them);
    the form family is narrowed by scope, window and metric too.

    Raises:
        ValueError: a family is unknown.
    """
    known = {f.family for f in catalogue()}
    unknown = sorted(set(families) - known)
    if unknown:
        raise ValueError(f"unknown feature families {unknown}; known are {sorted(known)}")
    return FeatureContract(
        tuple(
            f
            for f in catalogue()
            if f.family in families
            and f.side in (*sides, "match")
            and (
                f.family != "form" or (f.scope in form_scopes and f.window in form_windows and f.metric in form_metrics)
            )
        )
    )


def with_market(contract: FeatureContract, bookmakers: Sequence[str]) -> FeatureContract:
    """The contract with the market's features behind the fold's; unchanged if no bookmaker is given.

    Args:
        bookmakers: whose prices before the match count, the preferred first.
    """
    told = ",".join(bookmakers)
    market = tuple(
        Feature(f"market_{outcome}", MARKET, "match", "opening", told, 0, "log-odds", -MARKET_MOST, MARKET_MOST)
        for outcome in MARKET_OUTCOMES
    )
    return FeatureContract((*contract.fold, *market), contract.code_hash) if bookmakers else contract


def _step(feature: Feature) -> tuple[int, ...]:
    if feature.scope == "meetings":
        return (reading.KIND_MEETINGS, 0, MEETING_METRICS[feature.metric][0], 0, feature.window, -1)
    if feature.family == "form":
        code, known, _, _ = FORM_METRICS[feature.metric]
        return (reading.KIND_FORM, SIDES.index(feature.side), code, SCOPES.index(feature.scope), feature.window, known)
    if feature.side == "match":
        return (reading.KIND_MATCH, 0, _position(MATCH_NAMES, feature.metric), 0, 0, -1)
    return (reading.KIND_SIDE, SIDES.index(feature.side), _position(SIDE_NAMES, feature.metric), 0, 0, -1)


def _position(names: Sequence[tuple[str, str, str, float | None, float | None]], metric: str) -> int:
    return next(i for i, entry in enumerate(names) if entry[0] == metric)
