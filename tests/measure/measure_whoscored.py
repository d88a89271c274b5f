"""Parsing WhoScored's answers: matches of a month feed and of a busy day, and match pages, beside `json.loads` of the same bytes.

The answers are of our own making, as large as real ones: a month of a league has some 40 matches of 1.5 KB each, a busy day
500 in 60 leagues, of which we know a few, and a match page holds 1,500 events in 1.2 MB.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from matchcast.adapters.sources.whoscored import WhoScored
from tests.unit.sources import whoscored_made as made

ROUNDS = 15
MONTH, DAY, LEAGUES, EVENTS = 40, 500, 60, 1_500
KNOWN = (2, 3, 4, 5, 7, 8, 9, 13, 18, 21, 22, 37)
UNREAD: dict[str, Any] = {
    "startTime": "2020-10-03T12:30:00", "hasIncidentsSummary": True, "hasPreview": True, "lastScorer": 0, "isTopMatch": True,
    "scoreChangedAt": "2020-10-03 14:13:07Z", "homeTeamCountryCode": "gb-eng", "awayTeamCountryCode": "gb-eng",
    "commentCount": 20, "isLineupConfirmed": True, "isStreamAvailable": False, "homeTeamCountryName": "England",
    "awayTeamCountryName": "England", "aggregateWinnerField": None, "winnerField": 0, "period": 7, "extraResultField": None,
    "startedAtUtc": "2020-10-03T11:32:19Z", "firstHalfEndedAtUtc": None, "secondHalfStartedAtUtc": "2020-10-03T12:36:06Z",
}  # fmt: skip


def goals() -> list[dict[str, Any]]:
    more = {"playerName": "A. Player", "playerId": 1, "participatingPlayerName": None, "participatingPlayerId": 0}
    return [made.goal(side, 3, 50 + side) | more | {"runningScore": None} for side in (0, 0, 1)]


def matches(first: int, count: int) -> list[dict[str, Any]]:
    return [
        made.match(number, homeTeamName=f"Home {number % 20}", incidents=goals(), **UNREAD)
        for number in range(first, first + count)
    ]


def day_feed() -> bytes:
    each = DAY // LEAGUES + 1
    ids = [*KNOWN, *range(1000, 1000 + LEAGUES - len(KNOWN))]
    return made.feed(*(made.tournament(*matches(i * each, each), tournamentId=t) for i, t in enumerate(ids)))


def match_page() -> bytes:
    shot = made.event(
        "Pass", x=50.1, y=20.2, qualifiers=[{"type": {"value": n, "displayName": "Zone"}} for n in range(12)]
    )
    return made.page(made.centre(events=[shot] * EVENTS))


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def tell(name: str, raw: bytes, file_name: str, document: bytes) -> None:
    source = WhoScored()
    parsed = source.parse(raw, file_name)
    told = len({row.line for row in parsed.rows} | {row.line for row in parsed.rejected})
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: source.parse(raw, file_name)))
        plain.append(seconds(lambda: json.loads(document)))
    own, bare = statistics.median(ours), statistics.median(plain)
    print(
        f"{name}: {told} matches ({len(parsed.rows)} of them rows) in {len(raw) / 1024:,.0f} KiB, {own * 1000:.2f} ms ="
        f" {told / own:,.0f} matches/s, {len(raw) / own / 1e6:,.0f} MB/s; json.loads of the same {bare * 1000:.2f} ms;"
        f" ratio {own / bare:.2f}"
    )


def main() -> None:
    month = made.feed(made.tournament(*matches(1, MONTH)))
    tell("month feed", month, "month/18685/202010.json", month)
    day = day_feed()
    tell("day feed", day, "day/20201003.json", day)
    page = match_page()
    start = page.index(b"matchCentreData: ") + len(b"matchCentreData: ")
    tell("match page", page, "match/201.html", page[start : page.index(b",\n            matchCentreEventTypeJson")])


if __name__ == "__main__":
    main()
