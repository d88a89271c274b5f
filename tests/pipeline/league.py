"""Made-up leagues with strengths that persist, so that a model has something to learn."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from matchcast.domain.match import MatchStats, MatchStatus, Odds, OddsMoment, SourceMatch
from matchcast.ports import ResolvedMatch, TeamRecord

AS_OF: Final = datetime(2025, 2, 8, tzinfo=UTC)
TOURNAMENTS: Final = ("england:premier-league", "spain:la-liga")
CLUBS: Final = 16
SEASONS: Final = range(2017, 2025)
MARGIN: Final = 1.05


def teams() -> list[TeamRecord]:
    """The clubs of every league."""
    countries = [tournament.partition(":")[0] for tournament in TOURNAMENTS]
    return [TeamRecord(f"{c}:club-{i:02}", f"Club {i:02}", c) for c in countries for i in range(CLUBS)]


def rows(seed: int = 7) -> list[ResolvedMatch]:
    """Double round-robins by season; from AS_OF on fixtures; every hundredth match was postponed."""
    draw = np.random.default_rng(seed)
    return [match for tournament in TOURNAMENTS for match in _league(tournament, draw)]


def _league(tournament: str, draw: np.random.Generator) -> Iterator[ResolvedMatch]:
    country = tournament.partition(":")[0]
    strength = draw.normal(0.0, 0.35, CLUBS)
    for season in SEASONS:
        strength = 0.85 * strength + draw.normal(0.0, 0.18, CLUBS)
        for number, (home, away) in enumerate(_rounds()):
            edge = float(strength[home] - strength[away])
            kickoff_at = datetime(season, 8, 10, 15, tzinfo=UTC) + timedelta(weeks=number // (CLUBS // 2))
            yield _match(
                tournament, season, (f"{country}:club-{home:02}", f"{country}:club-{away:02}"), kickoff_at, edge, draw
            )


def _rounds() -> Iterator[tuple[int, int]]:
    """Home and away by the circle method, then with sides changed."""
    circle = list(range(1, CLUBS))
    first = []
    for _ in range(CLUBS - 1):
        order = [0, *circle]
        first += [(order[i], order[-1 - i]) for i in range(CLUBS // 2)]
        circle = [*circle[1:], circle[0]]
    yield from first
    yield from ((away, home) for home, away in first)


def _match(
    tournament: str, season: int, clubs: tuple[str, str], kickoff_at: datetime, edge: float, draw: np.random.Generator
) -> ResolvedMatch:
    expected = np.exp(np.array([0.25 + edge, -edge]))
    home_goals, away_goals = (int(g) for g in draw.poisson(expected))
    home_shots, away_shots = (int(s) for s in draw.poisson(9.0 * expected**0.6))
    prices = _fair_prices(expected)
    postponed = bool(draw.random() < 0.01)
    told = SourceMatch(
        source="made-up",
        source_id=f"{tournament}:{season}:{clubs[0]}:{clubs[1]}",
        line=1,
        tournament=tournament,
        season=season,
        kickoff_at=kickoff_at,
        kickoff_known=True,
        home_team=clubs[0],
        away_team=clubs[1],
        status=MatchStatus.UPCOMING,
    )
    if kickoff_at >= AS_OF:
        return ResolvedMatch(told, *clubs)
    if postponed:
        return ResolvedMatch(told._replace(status=MatchStatus.POSTPONED), *clubs)
    played = told._replace(
        status=MatchStatus.FINISHED,
        home_goals=home_goals,
        away_goals=away_goals,
        stats=MatchStats(home_shots, away_shots, home_shots // 3, away_shots // 3, home_shots // 2, away_shots // 2),
        odds=(Odds("Avg", OddsMoment.CLOSING, *prices),),
    )
    return ResolvedMatch(played, *clubs)


def _fair_prices(expected: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float, float]:
    """Prices that follow from the true chances, less the margin."""
    goals = np.arange(12)
    factorials = np.cumprod(np.maximum(goals, 1)).astype(np.float64)
    home, away = (np.exp(-mean) * mean**goals / factorials for mean in expected)
    joint = np.outer(home, away)
    home_prob, draw_prob = float(np.tril(joint, -1).sum()), float(np.trace(joint))
    chances = (home_prob, draw_prob, 1.0 - home_prob - draw_prob)
    first, second, third = (round(max(1.01, 1.0 / (chance * MARGIN)), 2) for chance in chances)
    return first, second, third
