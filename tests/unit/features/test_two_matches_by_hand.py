"""Two matches of a new league worked out by hand, and what the rows before the second and after it must say."""

import math

import numpy as np
import pytest

from matchcast.features.compiled import run_pass
from matchcast.features.contract import FeatureContract, catalogue
from tests.unit.features.leagues import Drawn, league

CONTRACT = FeatureContract(catalogue())
ASH, BIRCH = 0, 1
DRAWN: list[Drawn] = [
    (0, None, (ASH, BIRCH), 0, (2, 0), (15, 5, 6, 2, 8, 3, 1, 2, 0, 1)),
    (7, None, (BIRCH, ASH), 0, (1, 1), (9, 11, 3, 4, 5, 5, 2, 2, 0, 0)),
    (14, None, (ASH, BIRCH), 0, None, None),
]

# Before the second match; Birch is at home, Ash won the first 2:0 at home.
SECOND = {
    # Elo: expected 0.5854987 with an edge of 60; 12 x (1 + 2/2) x 0.4145013 = 9.948031; the edge moves 0.35 x 0.4145013
    "home_elo": 1490.051969,
    "away_elo": 1509.948031,
    "diff_elo": -19.896062,
    "league_elo_edge": 60.145075,
    # pi: nothing expected, two goals seen: 0.06 x 3 log10(3) = 0.0858818, half of it at the other venue
    "home_pi_venue": -0.0429409,
    "away_pi_venue": 0.0429409,
    "away_pi_mean": 0.0644114,
    # 1.5 and 1.1 goals expected: attack 0.02 x (2 - 1.5), leak 0.02 x (0 - 1.1), and the mirror image
    "away_attack_slow": 0.01,
    "away_leak_slow": -0.022,
    "home_attack_slow": -0.022,
    "home_leak_slow": 0.01,
    # no averages of shots yet, so goals stand for their worth: 0.04 x 0.5
    "away_shot_attack": 0.02,
    # home goals 1.5 + 0.5/61 = 1.508197, times exp(-0.022 - 0.022)
    "home_goals_slow": 1.443274,
    "league_home_goals": 1.508197,
    "league_home_rate": 0.468852,
    "league_draw_rate": 0.265574,
    # margin 2 where 0.4 was expected: 0.015 x 1.6, for both
    "home_home_edge": 0.024,
    "away_home_edge": 0.024,
    "home_rest_days": 7.0,
    "away_season_played": 1.0,
    "away_season_points_rate": 3.0,
    "home_season_margin_rate": -2.0,
    "home_all_win_5": 0.0,
    "away_all_win_5": 1.0,
    "home_season_loss_3": 1.0,
    "away_all_shots_for_1": 15.0,
    "home_all_on_target_against_2": 6.0,
    "away_venue_win_5": math.nan,
    "meetings_win_1": 0.0,
    "meetings_loss_1": 1.0,
    "meetings_goals_for_1": 0.0,
    "meetings_goals_against_1": 2.0,
}

# After it: 1:1, Birch with 9 shots and Ash with 11 where 15 and 5 were expected; the third match has Ash at home.
THIRD = {
    "home_venue_win_5": 1.0,
    "away_venue_goals_against_5": 2.0,
    "home_all_goals_for_2": 1.5,
    "away_all_draw_2": 0.5,
    "home_season_points_rate": 2.0,
    "away_season_points_rate": 0.5,
    "meetings_draw_2": 0.5,
    "meetings_goals_for_2": 1.5,
    "home_rest_days": 7.0,
}


@pytest.mark.parametrize(("match", "name", "value"), [
    *((1, name, value) for name, value in SECOND.items()),
    *((2, name, value) for name, value in THIRD.items()),
])  # fmt: skip
def test_a_row_holds_the_value_worked_out_by_hand(match: int, name: str, value: float) -> None:
    row = run_pass(league(DRAWN), CONTRACT).rows[match]
    found = float(row[CONTRACT.names.index(name)])
    assert found == pytest.approx(value, rel=2e-6, abs=2e-7, nan_ok=True)


def test_the_state_after_both_is_the_one_serving_reads() -> None:
    """The state's Elo ratings are those of the row read after both matches."""
    result = run_pass(league(DRAWN), CONTRACT)
    row = result.rows[2]
    elo = np.array([row[CONTRACT.names.index("home_elo")], row[CONTRACT.names.index("away_elo")]], dtype=np.float32)
    from matchcast.features.layout import ELO, T_RATINGS

    stored = result.state.teams[
        [result.state.team_ids.index("england:ash"), result.state.team_ids.index("england:birch")]
    ]
    assert stored[:, T_RATINGS + ELO].astype(np.float32).tolist() == elo.tolist()
