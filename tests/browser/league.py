"""Seasons of leagues that were never played: clubs, matches, and what came of them, the same whenever asked."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TOWNS = (
    "Alderbrook", "Birchwater", "Coldharbour", "Dunmarsh", "Eastmere", "Farrowdale", "Gallowhill", "Hexworth", "Inkberrow",
    "Jarnwick", "Kestrelby", "Lowbridge", "Millcroft", "Northgate", "Oakhollow", "Pennycross", "Quarrington", "Ravensey",
    "Stonewick", "Thornbeck",
)  # fmt: skip


@dataclass(frozen=True)
class Game:
    """A match; goals, shots and cards are those it has once it was played."""

    id: int
    kickoff_at: datetime
    home: str
    away: str
    goals: tuple[int, int]
    shots: tuple[int, int]
    on_target: tuple[int, int]
    yellows: tuple[int, int]
    status: int | None = None
    """Other than what the day gives: 2 postponed, 3 in play, 5 abandoned, 7 cancelled, 8 unknown."""

    def status_at(self, now: datetime) -> int:
        return self.status or (6 if self.kickoff_at + timedelta(hours=2) <= now else 1)


@dataclass(frozen=True)
class League:
    """A tournament with one stage a season."""

    region_id: int
    region: str
    tournament_id: int
    name: str
    season_id: int
    season: str
    stage_id: int
    games: tuple[Game, ...]

    @property
    def path(self) -> str:
        return f"/regions/{self.region_id}/tournaments/{self.tournament_id}"

    @property
    def slug(self) -> str:
        return f"{self.region}-{self.name}".lower().replace(" ", "-")


def make_league(
    number: int, region_id: int, region: str, tournament_id: int, name: str, clubs: Sequence[str], starts: datetime
) -> League:
    """A double round robin, a round every week."""
    chance = random.Random(number)
    season_id, stage_id = 9000 + number, 18000 + number
    games: list[Game] = []
    for week, pairs in enumerate(_rounds(clubs)):
        for place, (home, away) in enumerate(pairs):
            goals = chance.choice((0, 1, 1, 2, 3)), chance.choice((0, 0, 1, 1, 2))
            on_target = goals[0] + chance.randrange(4), goals[1] + chance.randrange(4)
            games.append(
                Game(
                    1_000_000 + 10_000 * number + len(games),
                    starts + timedelta(weeks=week, days=place % 2, hours=place % 3),
                    home,
                    away,
                    goals,
                    (on_target[0] + chance.randrange(8), on_target[1] + chance.randrange(8)),
                    on_target,
                    (chance.randrange(4), chance.randrange(4)),
                )
            )
    year = starts.year
    return League(
        region_id, region, tournament_id, name, season_id, f"{year}/{year + 1}", stage_id, tuple(games)
    )  # fmt: skip


def _rounds(clubs: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    circle = list(clubs)
    half: list[list[tuple[str, str]]] = []
    for _ in range(len(clubs) - 1):
        half.append(list(zip(circle[: len(circle) // 2], reversed(circle[len(circle) // 2 :]), strict=True)))
        circle = [circle[0], circle[-1], *circle[1:-1]]
    yield from half
    for pairs in half:
        yield [(away, home) for home, away in pairs]


STARTS = datetime(2024, 8, 17, 14, tzinfo=UTC)


def short_leagues() -> tuple[League, ...]:
    """Two leagues of six clubs, thirty matches each; one of the second's weeks has every other status."""
    first = make_league(1, 252, "England", 2, "Premier League", [f"{town} Rovers" for town in TOWNS[:6]], STARTS)
    second = make_league(2, 253, "Scotland", 20, "Premiership", [f"{town} Thistle" for town in TOWNS[6:12]], STARTS)
    odd = {12: 2, 13: 5, 14: 7, 15: 3, 16: 8}
    games = tuple(
        Game(**{**game.__dict__, "status": odd.get(number)}) for number, game in enumerate(second.games)
    )  # fmt: skip
    return first, League(**{**second.__dict__, "games": games})


def whole_season() -> tuple[League, ...]:
    """One league of twenty clubs: 380 matches."""
    clubs = [f"{town} Rovers" for town in TOWNS]
    return (make_league(3, 252, "England", 2, "Premier League", clubs, datetime(2020, 8, 15, 14, tzinfo=UTC)),)
