"""Plain results: `Sea,Lge,Date,HT,AT,HS,AS,GD,WDL`, days as dd/mm/yyyy, no times.

A season is written 00-01, whichever months it is played in; a score of -1 to -1 marks a match that was not played (its
`WDL` says D), which is kept with status UNKNOWN.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from matchcast.adapters.sources.tabular import (
    Line,
    Refused,
    day_of,
    goals_of,
    midnight,
    missing,
    table_of,
    team_of,
    unknown_tournaments,
)
from matchcast.domain.competitions import COMPETITION_BY_CODE, unknown_competition
from matchcast.domain.match import MatchStatus, RejectedRow, SourceMatch
from matchcast.ports import Parsed

_COLUMNS: Final = ("Sea", "Lge", "Date", "HT", "AT", "HS", "AS")
_EXPECTED: Final = "a CSV with the columns Sea,Lge,Date,HT,AT,HS,AS,GD,WDL"
_NAME: Final = "results-only"
_UNPLAYED: Final = "-1"


class ResultsOnly:
    """The source `results-only`."""

    name = _NAME

    def recognises(self, columns: frozenset[str]) -> bool:
        """Whether a table with these columns is one of this source's."""
        return frozenset(_COLUMNS) <= columns

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        header, lines = table_of(raw, file_name, _EXPECTED)
        at = {name: i for i, name in reversed(list(enumerate(header)))}
        absent = [name for name in _COLUMNS if name not in at]
        if absent:
            raise missing(file_name, absent, header, _EXPECTED)
        rows: list[SourceMatch] = []
        rejected: list[RejectedRow] = []
        for line in lines:
            try:
                rows.append(_match(at, line))
            except Refused as refused:
                rejected.append(line.rejected(str(refused)))
        return Parsed(rows, rejected, unknown_tournaments(rows))


def _match(at: Mapping[str, int], line: Line) -> SourceMatch:
    fields = line.fields
    needed = max(at[name] for name in _COLUMNS) + 1
    if len(fields) < needed:
        raise Refused(f"the row has {len(fields)} columns, at least {needed} are needed; is it cut off?")
    code = fields[at["Lge"]].strip()
    competition = COMPETITION_BY_CODE.get((_NAME, code)) or unknown_competition(_NAME, code, code, None)
    if competition is None:
        raise Refused(f"Lge {code[:20]!r} is no league we know; add it to domain/competitions.py")
    day = day_of(fields[at["Date"]], "Date")
    season = _season(fields[at["Sea"]].strip(), day)
    home, away = team_of(fields[at["HT"]], "HT"), team_of(fields[at["AT"]], "AT")
    if home == away:
        raise Refused(f"HT and AT are both {home!r}; correct one")
    home_goals, away_goals = _score(at, fields)
    return SourceMatch(
        _NAME,
        f"{code}:{day.isoformat()}:{home}:{away}",
        line.number,
        competition.id,
        season,
        midnight(day),
        False,
        home,
        away,
        MatchStatus.UNKNOWN if home_goals is None else MatchStatus.FINISHED,
        home_goals,
        away_goals,
    )


@lru_cache(maxsize=4096)
def _first_year(text: str) -> int | None:
    first, dash, second = text.partition("-")
    if not (text.isascii() and first.isdecimal() and (second.isdecimal() or not dash)):
        return None
    if len(first) == 4 and not dash:
        return int(first)
    if len(first) != 2 or len(second) != 2 or (int(first) + 1) % 100 != int(second):
        return None
    return int(first) + (1900 if int(first) >= 70 else 2000)


def _season(text: str, day: date) -> int:
    year = _first_year(text)
    if year is None:
        raise Refused(f"Sea {text[:20]!r} is not a season; write 00-01 or 2000")
    if not year <= day.year <= year + 1:
        raise Refused(f"Date {day.isoformat()} is not in Sea {text}; one of the two is wrong")
    return year


def _score(at: Mapping[str, int], fields: Sequence[str]) -> tuple[int, int] | tuple[None, None]:
    home_text, away_text = fields[at["HS"]].strip(), fields[at["AS"]].strip()
    if home_text == away_text == _UNPLAYED:
        return None, None
    home, away = goals_of(home_text, "HS"), goals_of(away_text, "AS")
    told = _optional(at, fields, "WDL")
    result = "W" if home > away else "L" if home < away else "D"
    if told and told != result:
        raise Refused(f"WDL {told[:20]!r} contradicts the score {home}-{away}; correct one")
    difference = _optional(at, fields, "GD")
    if difference and difference not in (str(home - away), f"{home - away}.0"):
        raise Refused(f"GD {difference[:20]!r} contradicts the score {home}-{away}; correct one")
    return home, away


def _optional(at: Mapping[str, int], fields: Sequence[str], name: str) -> str:
    index = at.get(name, -1)
    return fields[index].strip() if 0 <= index < len(fields) else ""
