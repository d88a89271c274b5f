"""What a league is like, and what becomes of a club that enters it.

A league keeps running rates of outcomes, goals and shots, the mean of every rating over its clubs, and how far newcomers
stand from that mean after a dozen matches: apart for those who came up (or were never seen) and those who came down.
"""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.arithmetic import exact_exp
from matchcast.features.elo import ELO_EDGE_START, ELO_START, elo_power
from matchcast.features.layout import (
    ATTACK_SLOW,
    ELO,
    ELO_FAST,
    L_AWAY_GOALS,
    L_AWAY_RATE,
    L_DRAW_RATE,
    L_ELO_EDGE,
    L_FAST_AWAY_GOALS,
    L_FAST_DRAW_RATE,
    L_FAST_HOME_GOALS,
    L_FAST_HOME_RATE,
    L_HOME_GOALS,
    L_HOME_RATE,
    L_LAST_SEASON_PLAYED,
    L_LEVEL,
    L_MEAN,
    L_NEWCOMER,
    L_ON_TARGET,
    L_PLAYED,
    L_SEASON,
    L_SEASON_PLAYED,
    L_SHOTS,
    L_STATS_PLAYED,
    RATINGS,
    S_ELO,
    S_SEASON,
    S_SEASON_MARGIN,
    S_SEASON_PLAYED,
    S_SEASON_POINTS,
    T_ATTACK_FACTORS,
    T_ELO_FAST_POWER,
    T_ELO_POWER,
    T_LEARNS,
    T_LEVEL,
    T_ORIGIN,
    T_PLAYED,
    T_RATINGS,
    T_SEASON,
    T_SINCE_ENTRY,
)

HOME_RATE_START: Final = 0.46
DRAW_RATE_START: Final = 0.27
AWAY_RATE_START: Final = 0.27
HOME_GOALS_START: Final = 1.5
AWAY_GOALS_START: Final = 1.1
RATE_MATCHES: Final = 60.0
RATE_SLOWEST: Final = 0.0015
RATE_FAST: Final = 0.008
MEAN_RATE: Final = 0.01
NEWCOMER_WEIGHT: Final = 0.5
NEWCOMER_RATE: Final = 0.15
NEWCOMER_MATCHES: Final = 12
LEAGUE_SETTLED: Final = 200


def found_league(league: MutableSequence[float], level: float) -> None:
    """Fill a league vector before its first match."""
    league[L_LEVEL] = level
    league[L_HOME_RATE] = league[L_FAST_HOME_RATE] = HOME_RATE_START
    league[L_DRAW_RATE] = league[L_FAST_DRAW_RATE] = DRAW_RATE_START
    league[L_AWAY_RATE] = AWAY_RATE_START
    league[L_HOME_GOALS] = league[L_FAST_HOME_GOALS] = HOME_GOALS_START
    league[L_AWAY_GOALS] = league[L_FAST_AWAY_GOALS] = AWAY_GOALS_START
    league[L_ELO_EDGE] = ELO_EDGE_START
    league[L_MEAN + ELO] = ELO_START
    league[L_MEAN + ELO_FAST] = ELO_START


def has_entered(team: Sequence[float], seat: Sequence[float], season: float) -> bool:
    """Whether `enter` has nothing left to do for this season."""
    return team[T_SEASON] >= season and seat[S_SEASON] >= season


def enter(team: MutableSequence[float], seat: MutableSequence[float], league: Sequence[float], season: float) -> None:
    """Bring a club into a tournament's season.

    A club never seen takes the newcomers' level; one that was not here last season moves half way to it.
    """
    newcomer = seat[S_SEASON] < season - 1.0
    if newcomer:
        origin = 1 if 0.0 < team[T_LEVEL] < league[L_LEVEL] else 0
        weight = NEWCOMER_WEIGHT if team[T_PLAYED] > 0.0 else 1.0
        level = L_NEWCOMER + origin * RATINGS
        for r in range(RATINGS):
            team[T_RATINGS + r] += weight * (league[L_MEAN + r] + league[level + r] - team[T_RATINGS + r])
        seat[S_ELO] = ELO_START + league[level + ELO]
        team[T_ORIGIN] = float(origin)
        team[T_SINCE_ENTRY] = 0.0
        team[T_LEARNS] = 1.0 if league[L_PLAYED] >= LEAGUE_SETTLED else 0.0
    if seat[S_SEASON] < season:
        seat[S_SEASON] = season
        seat[S_SEASON_PLAYED] = 0.0
        seat[S_SEASON_POINTS] = 0.0
        seat[S_SEASON_MARGIN] = 0.0
    team[T_SEASON] = max(team[T_SEASON], season)
    team[T_LEVEL] = league[L_LEVEL]
    refresh_powers(team)


def refresh_powers(team: MutableSequence[float]) -> None:
    """Recompute what is kept of the ratings for reading: Elo powers and attack and leak factors."""
    team[T_ELO_POWER] = elo_power(team[T_RATINGS + ELO])
    team[T_ELO_FAST_POWER] = elo_power(team[T_RATINGS + ELO_FAST])
    for r in range(8):
        team[T_ATTACK_FACTORS + r] = exact_exp(team[T_RATINGS + ATTACK_SLOW + r])


def learn_newcomer(team: MutableSequence[float], league: MutableSequence[float]) -> None:
    """Count a match since entry; at the twelfth, the league learns where such newcomers stand."""
    team[T_SINCE_ENTRY] += 1.0
    if team[T_SINCE_ENTRY] == NEWCOMER_MATCHES and team[T_LEARNS] > 0.0:
        level = L_NEWCOMER + int(team[T_ORIGIN]) * RATINGS
        for r in range(RATINGS):
            distance = team[T_RATINGS + r] - league[L_MEAN + r]
            league[level + r] += NEWCOMER_RATE * (distance - league[level + r])


def learn_league(
    league: MutableSequence[float],
    home: Sequence[float],
    away: Sequence[float],
    season: float,
    home_goals: float,
    away_goals: float,
    stats: Sequence[float],
) -> None:
    """Move a league's running rates by one match."""
    if league[L_SEASON] < season:
        league[L_LAST_SEASON_PLAYED] = league[L_SEASON_PLAYED]
        league[L_SEASON_PLAYED] = 0.0
        league[L_SEASON] = season
    league[L_PLAYED] += 1.0
    league[L_SEASON_PLAYED] += 1.0
    rate = max(1.0 / (league[L_PLAYED] + RATE_MATCHES), RATE_SLOWEST)
    won = 1.0 if home_goals > away_goals else 0.0
    drawn = 1.0 if home_goals == away_goals else 0.0
    league[L_HOME_RATE] += rate * (won - league[L_HOME_RATE])
    league[L_DRAW_RATE] += rate * (drawn - league[L_DRAW_RATE])
    league[L_AWAY_RATE] += rate * (1.0 - won - drawn - league[L_AWAY_RATE])
    league[L_HOME_GOALS] += rate * (home_goals - league[L_HOME_GOALS])
    league[L_AWAY_GOALS] += rate * (away_goals - league[L_AWAY_GOALS])
    league[L_FAST_HOME_RATE] += RATE_FAST * (won - league[L_FAST_HOME_RATE])
    league[L_FAST_DRAW_RATE] += RATE_FAST * (drawn - league[L_FAST_DRAW_RATE])
    league[L_FAST_HOME_GOALS] += RATE_FAST * (home_goals - league[L_FAST_HOME_GOALS])
    league[L_FAST_AWAY_GOALS] += RATE_FAST * (away_goals - league[L_FAST_AWAY_GOALS])
    if stats_known(stats):
        league[L_STATS_PLAYED] += 1.0
        rate = max(1.0 / league[L_STATS_PLAYED], 0.004)
        for s in range(2):
            league[L_SHOTS + s] += rate * (stats[s] - league[L_SHOTS + s])
            league[L_ON_TARGET + s] += rate * (stats[2 + s] - league[L_ON_TARGET + s])
    for r in range(RATINGS):
        middle = 0.5 * (home[T_RATINGS + r] + away[T_RATINGS + r])
        league[L_MEAN + r] += MEAN_RATE * (middle - league[L_MEAN + r])


def stats_known(stats: Sequence[float]) -> bool:
    """Whether shots and shots on target of both sides are known; the order is that of `columns.STAT_NAMES`."""
    return stats[0] == stats[0] and stats[1] == stats[1] and stats[2] == stats[2] and stats[3] == stats[3]
