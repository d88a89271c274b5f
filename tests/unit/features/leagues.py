"""Small leagues for the laws of the fold."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from matchcast.features.columns import STAT_NAMES, MatchColumns, columns_of

FIRST_DAY = datetime(2020, 8, 1, tzinfo=UTC)
TEAMS = ("england:ash", "england:birch", "england:cedar", "england:elm", "england:fir")
TOURNAMENTS = ("england:premier-league", "england:championship")

matches = st.lists(
    st.tuples(
        st.integers(0, 900),  # day
        st.one_of(st.none(), st.integers(0, 23)),  # hour, where known
        st.permutations(range(len(TEAMS))).map(lambda p: (p[0], p[1])),
        st.integers(0, 1),  # tournament
        st.one_of(st.none(), st.tuples(st.integers(0, 7), st.integers(0, 7))),  # goals, where played
        st.one_of(st.none(), st.tuples(*[st.integers(0, 25)] * len(STAT_NAMES))),  # statistics, where known
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda m: (m[0], m[2], m[3]),
)
Drawn = tuple[int, int | None, tuple[int, int], int, tuple[int, int] | None, tuple[int, ...] | None]


def league(drawn: list[Drawn]) -> MatchColumns:
    """Drawn matches as columns; every club and tournament stays in the vocabulary whatever is drawn."""
    kickoffs = [FIRST_DAY + timedelta(days=day, hours=hour or 0) for day, hour, *_ in drawn]
    finished = np.array([goals is not None for *_, goals, _ in drawn], dtype=np.bool_)
    unknown = (np.nan,) * len(STAT_NAMES)
    return columns_of(
        match_ids=range(len(drawn)),
        tournaments=[TOURNAMENTS[t] for _, _, _, t, _, _ in drawn],
        seasons=[2020 + day // 365 for day, *_ in drawn],
        kickoffs=np.array([int(k.timestamp()) for k in kickoffs], dtype=np.int64),
        kickoffs_known=np.array([hour is not None for _, hour, *_ in drawn], dtype=np.bool_),
        home_teams=[TEAMS[pair[0]] for _, _, pair, *_ in drawn],
        away_teams=[TEAMS[pair[1]] for _, _, pair, *_ in drawn],
        finished=finished,
        home_goals=np.array([np.nan if g is None else g[0] for *_, g, _ in drawn], dtype=np.float64),
        away_goals=np.array([np.nan if g is None else g[1] for *_, g, _ in drawn], dtype=np.float64),
        stats=np.array([unknown if s is None else s for *_, s in drawn], dtype=np.float64).reshape(-1, len(STAT_NAMES)),
    )
