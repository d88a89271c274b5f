"""openfootball's JSON: fixtures and results of one league and season.

The league is told by the file's name (`2025-26_en.1.json`, `en.1.json`), else by its `name` field. Times are local to
the country, by the table `TIME_ZONES`. A match with a full-time score is finished; one that is `awarded` was decided at
a desk and counts as abandoned, without goals.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from matchcast.adapters.sources.tabular import Refused, day_of, midnight, team_of, text_of
from matchcast.domain.competitions import (
    COMPETITION_BY_CODE,
    COMPETITION_BY_ID,
    COMPETITIONS,
    Competition,
    unknown_competition,
)
from matchcast.domain.match import MAX_GOALS, MatchStatus, RejectedRow, SourceMatch
from matchcast.domain.names import fold_name
from matchcast.errors import BadSource
from matchcast.ports import Parsed

TIME_ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "austria": "Europe/Vienna",
        "belgium": "Europe/Brussels",
        "england": "Europe/London",
        "france": "Europe/Paris",
        "germany": "Europe/Berlin",
        "greece": "Europe/Athens",
        "italy": "Europe/Rome",
        "netherlands": "Europe/Amsterdam",
        "portugal": "Europe/Lisbon",
        "scotland": "Europe/London",
        "spain": "Europe/Madrid",
        "turkey": "Europe/Istanbul",
    }
)
"""The zone that a country's league tells its kick-offs in."""

_Score = tuple[int, int] | tuple[None, None]
_NO_SCORE: Final[_Score] = (None, None)
_NAME: Final = "openfootball"
_EXPECTED: Final = 'JSON such as {"name": "Italian Serie A 2025/26", "matches": [{"date": …, "team1": …, "team2": …}]}'
_CODE: Final = re.compile(r"(?:^|[^a-z])([a-z]{2}\.\d)(?:[^a-z0-9]|$)")
_SEASON: Final = re.compile(r"(?<!\d)(\d{4})(?:[/-](\d{2,4}))?(?!\d)")
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deutsche bundesliga": "de.1",
        "spain primera division": "es.1",
        "french ligue 1": "fr.1",
        "italian serie a": "it.1",
    }
)
_STATUS: Final[Mapping[str, MatchStatus]] = MappingProxyType(
    {
        "postponed": MatchStatus.POSTPONED,
        "cancelled": MatchStatus.CANCELLED,
        "canceled": MatchStatus.CANCELLED,
        "abandoned": MatchStatus.ABANDONED,
        "awarded": MatchStatus.ABANDONED,
    }
)


class OpenFootball:
    """The source `openfootball`."""

    name = _NAME

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        shown = file_name or "the file"
        try:
            content = json.loads(text_of(raw, file_name, _EXPECTED))
        except (ValueError, RecursionError) as error:
            raise BadSource(f"{shown}: this is not JSON ({error}); expected {_EXPECTED}", "file") from error
        entries = content.get("matches") if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise BadSource(f"{shown}: there is no list `matches`; expected {_EXPECTED}", "matches")
        title = content.get("name")
        league = _League(title if isinstance(title, str) else "", file_name)
        rows: list[SourceMatch] = []
        rejected: list[RejectedRow] = []
        for position, entry in enumerate(entries, 1):
            try:
                rows.append(league.match(entry, position))
            except Refused as refused:
                text = json.dumps(entry, ensure_ascii=False)[:200]
                rejected.append(RejectedRow(position, str(refused), text))
        return Parsed(rows, rejected, () if league.competition.id in COMPETITION_BY_ID else (league.competition,))


class _League:
    def __init__(self, title: str, file_name: str) -> None:
        self.code, self.competition = _competition(title, file_name)
        self.season = _season(title, file_name)
        zone = TIME_ZONES.get(self.competition.country)
        self.zone = None if zone is None else ZoneInfo(zone)

    def match(self, entry: Any, position: int) -> SourceMatch:
        if not isinstance(entry, dict):
            raise Refused("the entry is not an object with date, team1 and team2")
        day = day_of(_text(entry, "date"), "date")
        home, away = team_of(_text(entry, "team1"), "team1"), team_of(_text(entry, "team2"), "team2")
        if home == away:
            raise Refused(f"team1 and team2 are both {home!r}; correct one")
        kickoff_at, kickoff_known = self._kickoff(day, entry.get("time"))
        season = self.season if self.season is not None else self.competition.season_of(day)
        told_round = entry.get("round")
        part = told_round if isinstance(told_round, str) else day.isoformat()
        told = entry.get("status")
        goals, extra_time, penalties = (_score(entry, kind) for kind in ("ft", "et", "p"))
        if told is not None:
            status = _STATUS.get(str(told).lower(), MatchStatus.UNKNOWN)
        else:
            status = MatchStatus.UPCOMING if goals == _NO_SCORE else MatchStatus.FINISHED
        if status is not MatchStatus.FINISHED:
            goals = extra_time = penalties = _NO_SCORE
        return SourceMatch(
            _NAME,
            f"{self.code}:{season}:{part}:{home}:{away}",
            position,
            self.competition.id,
            season,
            kickoff_at,
            kickoff_known,
            home,
            away,
            status,
            goals[0],
            goals[1],
            None,
            (),
            extra_time[0],
            extra_time[1],
            penalties[0],
            penalties[1],
            None if told_round != part or "matchday" in part.lower() else part,
        )

    def _kickoff(self, day: date, written: Any) -> tuple[datetime, bool]:
        if written is None or written == "":
            return midnight(day), False
        if self.zone is None:
            return midnight(day), False
        try:
            at = time.fromisoformat(str(written).strip())
        except ValueError as error:
            raise Refused(f"time {str(written)[:20]!r} is not a time; write hh:mm or leave it out") from error
        return datetime.combine(day, at.replace(tzinfo=None), self.zone).astimezone(UTC), True


def _competition(title: str, file_name: str) -> tuple[str, Competition]:
    told = _CODE.search(file_name.lower())
    code = told.group(1) if told else _code_of(fold_name(title))
    name = _SEASON.sub("", title).strip() or code
    competition = COMPETITION_BY_CODE.get((_NAME, code)) or unknown_competition(_NAME, code, name, None)
    if competition is None:
        known = ", ".join(sorted(c for source, c in COMPETITION_BY_CODE if source == _NAME))
        raise BadSource(
            f"{file_name or 'the file'}: cannot tell the league from the file's name or {title[:60]!r};"
            f" name the file like 2025-26_en.1.json (known: {known})",
            "name",
        )
    return code, competition


def _code_of(title: str) -> str:
    for name, code in _NAMES.items():
        if title.startswith(name):
            return code
    countries = {"english": "england", "scottish": "scotland", "german": "germany", "italian": "italy"}
    for competition in COMPETITIONS:
        told = dict(competition.codes).get(_NAME)
        if told is None:
            continue
        for adjective in [competition.country, *(a for a, c in countries.items() if c == competition.country)]:
            if re.match(rf"{adjective} {re.escape(fold_name(competition.name))}(?: \d|$)", title):
                return told
    return ""


def _season(title: str, file_name: str) -> int | None:
    for text in (file_name, title):
        told = _SEASON.search(text)
        if told and 1870 <= int(told.group(1)) <= 2100:
            return int(told.group(1))
    return None


def _text(entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str):
        raise Refused(f"{field} is missing or not text")
    return value


def _score(entry: Mapping[str, Any], kind: str) -> _Score:
    score = entry.get("score")
    if score is None or score == {}:
        return _NO_SCORE
    if not isinstance(score, dict):
        raise Refused('score is not an object such as {"ft": [2, 1]}')
    pair = score.get(kind)
    if pair is None:
        return _NO_SCORE
    if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and 0 <= n <= MAX_GOALS for n in pair)):
        raise Refused(f"score.{kind} {str(pair)[:40]} is not two numbers of goals from 0 to {MAX_GOALS}")
    return pair[0], pair[1]
