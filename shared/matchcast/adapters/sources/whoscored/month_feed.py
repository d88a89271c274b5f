"""The feed of a month of a stage, and that of a day: tournaments, each with its matches.

What an incident says: type 1 is a goal, `field` the side that it counts for (own goals too), `period` 1 and 3 are the two
halves; every other period comes after 90 minutes, the last of them being the shoot-out where its goals are listed.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.reading import (
    Place,
    competition_of,
    document_of,
    kickoff_of,
    score_of,
    words_of,
)
from matchcast.adapters.sources.whoscored.rows import clubs_of, row_of
from matchcast.adapters.sources.whoscored.scores import NO_SCORES, Pair, Scores, Unknowable, after_extra_time
from matchcast.adapters.sources.whoscored.statuses import LATER_THAN_90, clock_of, status_of, unknown_end
from matchcast.domain.competitions import COMPETITION_BY_ID, Competition
from matchcast.domain.match import MatchStats, MatchStatus, RejectedRow, SourceMatch
from matchcast.errors import LayoutChanged
from matchcast.ports import Parsed

FEED: Final = "a feed of matches (tournaments, each with its matches)"
_GOAL: Final = 1
_HALVES: Final = (1, 3)
_MEN: Final = 1
_SHOWN: Final = 200
_MOST_CARDS: Final = 30
_ENOUGH: Final = 3
"""So many finished matches, all without a score, are no chance."""


class _Incident(msgspec.Struct):
    type: int
    field: int | None = None
    period: int | None = None


class _Match(msgspec.Struct, gc=False):
    id: int
    status: int
    startTimeUtc: str
    homeTeamName: str | None
    awayTeamName: str | None
    elapsed: str | int | None
    homeTeamId: int | None = None
    awayTeamId: int | None = None
    homeScore: int | None = None
    awayScore: int | None = None
    homeExtratimeScore: int | None = None
    awayExtratimeScore: int | None = None
    homePenaltyScore: int | None = None
    awayPenaltyScore: int | None = None
    homeYellowCards: int | None = None
    awayYellowCards: int | None = None
    homeRedCards: int | None = None
    awayRedCards: int | None = None
    matchIsOpta: bool | None = None
    incidents: msgspec.Raw = msgspec.Raw(b"null")


class _Tournament(msgspec.Struct):
    tournamentId: int
    tournamentName: str
    matches: list[msgspec.Raw]
    seasonName: str | None
    sex: int | None
    regionName: str | None = None
    stageName: str | None = None
    isOpta: bool | None = None


class _Feed(msgspec.Struct):
    tournaments: list[_Tournament]


class _Setting(NamedTuple):
    """What all matches of a tournament's entry share."""

    competition: Competition
    season: str | None
    stage: str | None
    covered: bool


def parse_feed(raw: bytes, file_name: str) -> Parsed:
    """The matches of a month or a day. A match of another shape is rejected, as long as most are of the one we know.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    feed = _Reading(Place(file_name, FEED))
    for i, tournament in enumerate(document_of(raw, _Feed, feed.place).tournaments):
        feed.read(tournament, f"tournaments[{i}]")
    return feed.parsed()


class _Reading:
    """What was read of a feed so far."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._line = 0
        self._rows: list[SourceMatch] = []
        self._rejected: list[RejectedRow] = []
        self._odd: list[LayoutChanged] = []
        self._unknown: dict[str, Competition] = {}
        self._finished = 0
        self._scored = 0

    def read(self, tournament: _Tournament, path: str) -> None:
        setting, refusal = None, ""
        try:
            setting = _setting(tournament)
        except Refused as refused:
            refusal = str(refused)
        for j, told in enumerate(tournament.matches):
            self._line += 1
            inner = self.place.at(f"{path}.matches[{j}]")
            try:
                match = document_of(bytes(told), _Match, inner)
                if setting is None:
                    self._rejected.append(_rejected(self._line, match, refusal))
                else:
                    self._take(match, setting, inner)
            except LayoutChanged as error:
                self._odd.append(error)
                text = bytes(told)[:_SHOWN].decode("utf-8", "replace")
                self._rejected.append(RejectedRow(self._line, str(error), text))
        if setting is not None and setting.competition.id not in COMPETITION_BY_ID:
            self._unknown.setdefault(setting.competition.id, setting.competition)

    def _take(self, match: _Match, setting: _Setting, place: Place) -> None:
        finished = status_of(match.status, clock_of(match.elapsed)) is MatchStatus.FINISHED
        self._finished += finished
        self._scored += finished and match.homeScore is not None and match.awayScore is not None
        try:
            row, remark = _row(setting, match, self._line, place)
        except Refused as refused:
            self._rejected.append(_rejected(self._line, match, str(refused)))
            return
        self._rows.append(row)
        if remark is not None:
            self._rejected.append(_rejected(self._line, match, remark))

    def parsed(self) -> Parsed:
        """All of it.

        Raises:
            LayoutChanged: half of the matches or more are not of the shape we know, or no finished one has a score.
        """
        if self._odd and 2 * len(self._odd) >= self._line:
            raise self._odd[0]
        if self._finished >= _ENOUGH and not self._scored:
            raise self.place.at("tournaments.matches.homeScore, awayScore").changed(
                f"none of {self._finished} finished matches has a score"
            )
        return Parsed(self._rows, self._rejected, tuple(self._unknown.values()))


def _rejected(line: int, match: _Match, reason: str) -> RejectedRow:
    text = f"{match.id}: {match.homeTeamName} - {match.awayTeamName}, {match.startTimeUtc}"
    return RejectedRow(line, reason, text[:_SHOWN])


def _setting(tournament: _Tournament) -> _Setting:
    competition = competition_of(tournament.tournamentId, tournament.regionName, tournament.tournamentName)
    if tournament.sex not in (None, _MEN):
        raise Refused(f"sex {tournament.sex} is not that of men's matches ({_MEN}), which are all we keep")
    stage = words_of(tournament.stageName)
    return _Setting(
        competition,
        tournament.seasonName,
        None if stage == words_of(tournament.tournamentName) else stage,
        bool(tournament.isOpta),
    )


def _row(setting: _Setting, match: _Match, line: int, place: Place) -> tuple[SourceMatch, str | None]:
    """The match, and why its result was left out where it was."""
    kickoff_at = kickoff_of(match.startTimeUtc, place, "startTimeUtc")
    home, away = clubs_of(match.homeTeamName, match.awayTeamName, ("homeTeamName", "awayTeamName"))
    clock = clock_of(match.elapsed)
    status = status_of(match.status, clock)
    scores, stats, remark = NO_SCORES, None, unknown_end(match.status, clock)
    if status is MatchStatus.FINISHED:
        try:
            scores = _scores(match, clock, place)
        except Unknowable as unknowable:
            status, remark = MatchStatus.UNKNOWN, str(unknowable)
        else:
            stats = _cards(match, setting.covered or bool(match.matchIsOpta)) if scores.extra is None else None
    row = row_of(
        match.id,
        line,
        setting.competition,
        setting.season,
        kickoff_at,
        home,
        away,
        status,
        scores,
        stats,
        setting.stage,
    )
    home_id, away_id = (str(told) if told else None for told in (match.homeTeamId, match.awayTeamId))
    return row._replace(home_club_id=home_id, away_club_id=away_id), remark


def _scores(match: _Match, clock: str, place: Place) -> Scores:
    told = score_of(match.homeScore, match.awayScore, "homeScore, awayScore")
    extra = score_of(match.homeExtratimeScore, match.awayExtratimeScore, "homeExtratimeScore, awayExtratimeScore")
    if clock not in LATER_THAN_90 and extra is None:
        if told is None:
            raise Unknowable("homeScore, awayScore: a finished match without a score; it is kept without a result")
        return Scores(told)
    penalties = score_of(match.homePenaltyScore, match.awayPenaltyScore, "homePenaltyScore, awayPenaltyScore")
    ninety, final = _by_goals(_goals(match, place), told, extra, penalties)
    return after_extra_time(ninety, final, penalties, shoot_out=clock == "pen" or penalties is not None)


def _goals(match: _Match, place: Place) -> Sequence[_Incident]:
    told = bytes(match.incidents)
    if told == b"null":
        return []
    incidents = document_of(told, list[_Incident], place.at("incidents"))
    return [incident for incident in incidents if incident.type == _GOAL]


def _by_goals(
    goals: Sequence[_Incident], told: Pair | None, extra: Pair | None, penalties: Pair | None
) -> tuple[Pair | None, Pair | None]:
    """The scores after 90 minutes and after extra time, where the goals tell one and agree with the other.

    `told` may be either of the two scores: the goals decide which. Those of the shoot-out may be among the goals.
    """
    if told == (0, 0) and not goals:
        return told, extra or told
    if any(goal.field not in (0, 1) or goal.period is None for goal in goals):
        return None, extra or told
    last = max((goal.period or 0 for goal in goals), default=0)
    kicks = [goal for goal in goals if goal.period == last and last > max(_HALVES)]
    for played in (goals, [goal for goal in goals if goal not in kicks] if _count(kicks) == penalties else goals):
        ninety = _count(goal for goal in played if goal.period in _HALVES)
        total = _count(played)
        if total == told or (total == extra and ninety == told):
            return ninety, total
    return None, extra or told


def _count(goals: Iterable[_Incident]) -> Pair:
    sides = [goal.field for goal in goals]
    return sides.count(0), sides.count(1)


def _cards(match: _Match, covered: bool) -> MatchStats | None:
    """The cards; a match in which nobody was booked counts only where the source follows each match closely."""
    told = (match.homeYellowCards, match.awayYellowCards, match.homeRedCards, match.awayRedCards)
    counts = [count if count is not None and 0 <= count < _MOST_CARDS else None for count in told]
    if not any(counts) and not (covered and 0 in counts):
        return None
    return MatchStats(None, None, None, None, None, None, None, None, *counts)
