"""The CSV files of football-data.co.uk: one season of one division, many merged, or an extra league.

Kick-off times are told in UK time. Odds columns are `<bookmaker>H`, `D`, `A`; a `C` before the letter marks the closing
price, any other is an opening price. The files of the extra leagues hold closing prices only, without the `C`.

Neither file says when its prices were taken. A price of a match that had not begun when the file was captured was seen
then, which is its instant; any other has none. A match without a score has opening prices only: what an extra league
tells of it are those, and a closing price of such a match is none.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from matchcast.adapters.sources.tabular import (
    Line,
    Refused,
    count_of,
    day_of,
    goals_of,
    midnight,
    missing,
    table_of,
    team_of,
    unknown_tournaments,
)
from matchcast.domain.competitions import COMPETITION_BY_CODE, Competition, unknown_competition
from matchcast.domain.match import MatchStats, MatchStatus, Odds, OddsMoment, RejectedRow, SourceMatch
from matchcast.ports import Parsed

BOOKMAKERS: Final = ("B365", "PS", "WH", "BW", "IW", "Max", "Avg", "BbMx", "BbAv")
_EXTRA_BOOKMAKERS: Final = MappingProxyType({"B365": "B365", "PS": "PS", "P": "PS", "Max": "Max", "Avg": "Avg"})
_STATS: Final = ("HS", "AS", "HST", "AST", "HC", "AC", "HF", "AF", "HY", "AY", "HR", "AR")
EXTRA_DIVISIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "argentina": "ARG",
        "austria": "AUT",
        "brazil": "BRA",
        "china": "CHN",
        "denmark": "DNK",
        "finland": "FIN",
        "ireland": "IRL",
        "japan": "JPN",
        "mexico": "MEX",
        "norway": "NOR",
        "poland": "POL",
        "romania": "ROU",
        "russia": "RUS",
        "sweden": "SWE",
        "switzerland": "SWZ",
        "usa": "USA",
    }
)
_EXPECTED: Final = (
    "a football-data.co.uk CSV (Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR or Country,League,Season,Date,Home,…)"
)
_UK: Final = ZoneInfo("Europe/London")
_NAME: Final = "football-data"
FIXTURE_LISTS: Final = ("fixtures.csv", "new_league_fixtures.csv")
"""Names of the files of matches to come, which may lack the columns of the score."""


class FootballData:
    """The source `football-data`.

    Args:
        taken_at: when the file was captured; None where nobody knows.
    """

    name = _NAME

    def __init__(self, taken_at: datetime | None = None) -> None:
        self._taken_at = taken_at

    def recognises(self, columns: frozenset[str]) -> bool:
        """Whether a table with these columns is one of this source's."""
        return {"Div", "Date"} <= columns or {"Country", "League", "Date"} <= columns

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        header, lines = table_of(raw, file_name, _EXPECTED)
        layout = _layout(header, file_name)
        rows: list[SourceMatch] = []
        rejected: list[RejectedRow] = []
        for line in lines:
            try:
                match, dropped = _match(layout, line, self._taken_at)
            except Refused as refused:
                rejected.append(line.rejected(str(refused)))
                continue
            rows.append(match)
            rejected.extend(line.rejected(reason) for reason in dropped)
        return Parsed(rows, rejected, unknown_tournaments(rows))


class _Triple(NamedTuple):
    bookmaker: str
    moment: OddsMoment
    home: int
    draw: int
    away: int


class _Layout(NamedTuple):
    """Where in a line each thing stands; -1 where the file does not have it."""

    division: int
    country: int
    season: int
    day: int
    time: int
    home_team: int
    away_team: int
    home_goals: int
    away_goals: int
    result: int
    width: int
    columns: int
    stats: tuple[int, ...]
    odds: tuple[_Triple, ...]


def _layout(header: Sequence[str], file_name: str) -> _Layout:
    at = {name: i for i, name in reversed(list(enumerate(header)))}

    def where(*names: str) -> int:
        return next((at[name] for name in names if name in at), -1)

    needed = (
        ("Div", "Country"),
        ("Date",),
        ("HomeTeam", "Home", "HT"),
        ("AwayTeam", "Away", "AT"),
        ("FTHG", "HG"),
        ("FTAG", "AG"),
    )
    scores = needed[-2:] if file_name in FIXTURE_LISTS else ()
    absent = [names[0] for names in needed if where(*names) < 0 and names not in scores]
    if absent:
        raise missing(file_name, absent, header, _EXPECTED)
    day, home_team, away_team, home_goals, away_goals = (where(*names) for names in needed[1:])
    odds = _triples(at, extra="Div" not in at)
    return _Layout(
        where("Div"),
        where("Country"),
        where("Season"),
        day,
        where("Time"),
        home_team,
        away_team,
        home_goals,
        away_goals,
        where("FTR", "Res"),
        max(where(*names) for names in needed) + 1,
        len(header),
        tuple(where(name) for name in _STATS) if any(name in at for name in _STATS) else (),
        odds,
    )


def _triples(at: Mapping[str, int], *, extra: bool) -> tuple[_Triple, ...]:
    found: dict[tuple[str, OddsMoment], _Triple] = {}
    bookmakers = _EXTRA_BOOKMAKERS if extra else {code: code for code in BOOKMAKERS}
    for code, bookmaker in bookmakers.items():
        for suffix, moment in (("", OddsMoment.CLOSING if extra else OddsMoment.OPENING), ("C", OddsMoment.CLOSING)):
            columns = [at.get(f"{code}{suffix}{side}", -1) for side in "HDA"]
            if min(columns) >= 0:
                found[bookmaker, moment] = _Triple(bookmaker, moment, *columns)
    return tuple(found.values())


def _match(layout: _Layout, line: Line, taken_at: datetime | None) -> tuple[SourceMatch, list[str]]:
    """The match of a line, and why some of its prices or counts were dropped."""
    fields = line.fields
    if len(fields) < layout.width:
        raise Refused(f"the row has {len(fields)} columns, at least {layout.width} are needed; is it cut off?")
    fields = [*fields, *[""] * (layout.columns - len(fields))]
    competition, division = _competition(layout, fields)
    day = day_of(fields[layout.day], "Date")
    home = team_of(fields[layout.home_team], "HomeTeam")
    away = team_of(fields[layout.away_team], "AwayTeam")
    if home == away:
        raise Refused(f"HomeTeam and AwayTeam are both {home!r}; correct one")
    season = _season(_optional(fields, layout.season), competition, day)
    kickoff_at, kickoff_known = _kickoff(day, _optional(fields, layout.time))
    home_goals, away_goals = _score(layout, fields)
    dropped: list[str] = []
    stats = None if home_goals is None else _stats(layout, fields, dropped)
    odds = _odds(layout, fields, dropped)
    if home_goals is None:
        seen_at = taken_at if taken_at is not None and taken_at < kickoff_at else None
        odds = _before_the_match(layout, odds, seen_at, dropped)
    match = SourceMatch(
        _NAME,
        f"{division}:{day.isoformat()}:{home}:{away}",
        line.number,
        competition.id,
        season,
        kickoff_at,
        kickoff_known,
        home,
        away,
        MatchStatus.UPCOMING if home_goals is None else MatchStatus.FINISHED,
        home_goals,
        away_goals,
        stats,
        odds,
    )
    return match, dropped


def _optional(fields: Sequence[str], index: int) -> str:
    return fields[index].strip() if index >= 0 else ""


def _competition(layout: _Layout, fields: Sequence[str]) -> tuple[Competition, str]:
    if layout.division >= 0:
        field, division = "Div", fields[layout.division].strip()
    else:
        field, country = "Country", fields[layout.country].strip()
        division = EXTRA_DIVISIONS.get(country.lower(), country)
    competition = COMPETITION_BY_CODE.get((_NAME, division)) or unknown_competition(_NAME, division, division, None)
    if competition is None:
        raise Refused(f"{field} {division[:20]!r} is no division we know; add it to domain/competitions.py")
    return competition, division


@lru_cache(maxsize=4096)
def _season_window(text: str) -> tuple[int, date, date] | None:
    first, _, second = text.partition("/")
    if not (first.isdecimal() and first.isascii() and len(first) == 4):
        return None
    year = int(first)
    if not 1870 <= year <= 2100:
        return None
    if not second:
        return year, date(year, 1, 1), date(year + 1, 3, 31)
    if second not in (f"{(year + 1) % 100:02}", str(year + 1)):
        return None
    return year, date(year, 6, 1), date(year + 1, 8, 31)


def _season(text: str, competition: Competition, day: date) -> int:
    if not text:
        return competition.season_of(day)
    window = _season_window(text)
    if window is None:
        raise Refused(f"Season {text[:20]!r} is not a season; write 2012/13 or 2012, or leave it blank")
    year, first, last = window
    if not first <= day <= last:
        raise Refused(
            f"Date {day.isoformat()} is not in Season {text}; one of the two is wrong (are day and month swapped?)"
        )
    return year


def _kickoff(day: date, time: str) -> tuple[datetime, bool]:
    if not time:
        return midnight(day), False
    try:
        hour, minute = (int(part) for part in time.split(":")[:2])
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=_UK)
    except (ValueError, OverflowError) as error:
        raise Refused(f"Time {time[:20]!r} is not a time; write hh:mm or leave it blank") from error
    return local.astimezone(UTC), True


def _score(layout: _Layout, fields: Sequence[str]) -> tuple[int, int] | tuple[None, None]:
    home_text, away_text = _optional(fields, layout.home_goals), _optional(fields, layout.away_goals)
    result = _optional(fields, layout.result)
    if not home_text and not away_text and not result:
        return None, None
    home, away = goals_of(home_text, "FTHG"), goals_of(away_text, "FTAG")
    told = "H" if home > away else "A" if home < away else "D"
    if result and result != told:
        raise Refused(f"FTR {result[:20]!r} contradicts the score {home}-{away}; correct one")
    return home, away


def _stats(layout: _Layout, fields: Sequence[str], dropped: list[str]) -> MatchStats | None:
    told = [fields[i] if i >= 0 else "" for i in layout.stats]
    if not any(told):
        return None
    values = [count_of(text) for text in told]
    if -1 in values:
        wrong = [name for name, value in zip(_STATS, values, strict=True) if value == -1]
        dropped.append(f"{', '.join(wrong)} is not a count; the match is kept without it")
        values = [None if value == -1 else value for value in values]
    if not any(value is not None for value in values):
        return None
    return MatchStats._make(values)


def _odds(layout: _Layout, fields: Sequence[str], dropped: list[str]) -> tuple[Odds, ...]:
    prices: list[Odds] = []
    for bookmaker, moment, i, j, k in layout.odds:
        told = fields[i], fields[j], fields[k]
        if not any(told):
            continue
        try:
            home, draw, away = float(told[0]), float(told[1]), float(told[2])
        except ValueError:
            home = draw = away = 0.0
            if not any(text.strip() for text in told):
                continue
        if 1.0 < home < 10_000 and 1.0 < draw < 10_000 and 1.0 < away < 10_000:
            prices.append(Odds(bookmaker, moment, home, draw, away))
        else:
            shown = "/".join(text.strip() or "nothing" for text in told)
            dropped.append(f"{bookmaker} {moment.value} price {shown[:60]} is not three odds above 1; dropped")
    return tuple(prices)


def _before_the_match(
    layout: _Layout, told: tuple[Odds, ...], taken_at: datetime | None, dropped: list[str]
) -> tuple[Odds, ...]:
    """The prices of a match without a score: opening ones, whatever the columns of an extra league call them."""
    prices: list[Odds] = []
    for price in told:
        if price.moment is OddsMoment.CLOSING and layout.division >= 0:
            dropped.append(f"{price.bookmaker} closing price is told of a match without a score; dropped")
        else:
            prices.append(price._replace(moment=OddsMoment.OPENING, taken_at=taken_at))
    return tuple(prices)
