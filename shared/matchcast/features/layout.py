"""Where everything stands in the fold's state vectors (float64).

A team vector holds scalars, the ratings block and three form rings; a seat is a team's place in one tournament; a league
is the tournament itself; a pair is two clubs, the one with the smaller id first.
"""

from typing import Final

# Ratings of a team; the block is handled as a whole when a club changes league or season.
ELO: Final = 0
ELO_FAST: Final = 1
PI_HOME: Final = 2
PI_AWAY: Final = 3
ATTACK_SLOW: Final = 4
LEAK_SLOW: Final = 5
ATTACK_FAST: Final = 6
LEAK_FAST: Final = 7
SHOT_ATTACK: Final = 8
SHOT_LEAK: Final = 9
SHOT_ATTACK_FAST: Final = 10
SHOT_LEAK_FAST: Final = 11
HOME_EDGE: Final = 12
COUNT_RATINGS: Final = 13  # statistic by statistic, speed by speed: attack, leak
STATISTICS: Final = 6
SPEEDS: Final = 4
RATINGS: Final = COUNT_RATINGS + 2 * STATISTICS * SPEEDS

# Team vector
T_PLAYED: Final = 0
T_LAST_KICKOFF: Final = 1
T_SEASON: Final = 2
T_LEVEL: Final = 3
T_ORIGIN: Final = 4  # of the last entry into a league: 0 from below or unseen, 1 from above
T_SINCE_ENTRY: Final = 5
T_ELO_POWER: Final = 6
T_ELO_FAST_POWER: Final = 7
T_ATTACK_FACTORS: Final = 8  # exp of the eight attack and leak ratings, in their order
T_LEARNS: Final = 16
T_RATINGS: Final = 17
T_FORM: Final = T_RATINGS + RATINGS

# A form ring: matches counted, then SLOTS running totals of METRICS each; the difference of two slots is a window.
F_WIN: Final = 0
F_DRAW: Final = 1
F_LOSS: Final = 2
F_GOALS_FOR: Final = 3
F_GOALS_AGAINST: Final = 4
F_SHOTS_KNOWN: Final = 5
F_SHOTS_FOR: Final = 6
F_SHOTS_AGAINST: Final = 7
F_ON_TARGET_KNOWN: Final = 8
F_ON_TARGET_FOR: Final = 9
F_ON_TARGET_AGAINST: Final = 10
F_CORNERS_KNOWN: Final = 11
F_CORNERS_FOR: Final = 12
F_CORNERS_AGAINST: Final = 13
METRICS: Final = 14
LONGEST_WINDOW: Final = 12
SLOTS: Final = 16  # a power of two above the longest window: positions wrap by a bit mask
RING: Final = 1 + SLOTS * METRICS

T_FORM_ALL: Final = T_FORM
T_FORM_HOME: Final = T_FORM + RING
T_FORM_AWAY: Final = T_FORM + 2 * RING
TEAM: Final = T_FORM + 3 * RING

# Seat vector
S_SEASON: Final = 0
S_SEASON_PLAYED: Final = 1
S_SEASON_POINTS: Final = 2
S_SEASON_MARGIN: Final = 3
S_ELO: Final = 4
S_FORM: Final = 5
SEAT: Final = S_FORM + RING

# League vector
L_LEVEL: Final = 0
L_PLAYED: Final = 1
L_SEASON: Final = 2
L_SEASON_PLAYED: Final = 3
L_LAST_SEASON_PLAYED: Final = 4
L_HOME_RATE: Final = 5
L_DRAW_RATE: Final = 6
L_AWAY_RATE: Final = 7
L_HOME_GOALS: Final = 8
L_AWAY_GOALS: Final = 9
L_SHOTS: Final = 10  # home, away; then on target likewise
L_ON_TARGET: Final = 12
L_STATS_PLAYED: Final = 14
L_ELO_EDGE: Final = 15
L_FAST_HOME_RATE: Final = 16
L_FAST_DRAW_RATE: Final = 17
L_FAST_HOME_GOALS: Final = 18
L_FAST_AWAY_GOALS: Final = 19
L_COUNTED: Final = 20  # matches in which a statistic was counted
L_COUNTS: Final = L_COUNTED + STATISTICS  # average a match of each statistic, home and away
L_MEAN: Final = L_COUNTS + 2 * STATISTICS
L_NEWCOMER: Final = L_MEAN + RATINGS  # from below, then from above: distance from the league's mean
LEAGUE: Final = L_NEWCOMER + 2 * RATINGS

# Pair vector: meetings, then totals as seen by the first club
P_SLOTS: Final = 8
P_METRICS: Final = 5  # first club's wins, draws, second club's wins, first club's goals, second club's goals
PAIR: Final = 1 + P_SLOTS * P_METRICS
