"""The feed of a month of a stage, and that of a day: tournaments, each with its matches.

What an incident says: type 1 is a goal, `field` the side that it counts for (own goals too), `period` 1 and 3 are the two
halves, those above come after 90 minutes, the last of them being the shoot-out where its goals are listed. A goal of
another period, or of a minute that its period does not have, tells nothing.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

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
from matchcast.adapters.sources.whoscored.scores import NO_SCORES, Pair, Scores, Unknowable, after_90, shoot_out_of
from matchcast.adapters.sources.whoscored.statuses import LATER_THAN_90, clock_of, status_of, unknown_end
from matchcast.domain.competitions import COMPETITION_BY_ID, Competition
from matchcast.domain.match import MatchStats, MatchStatus, RejectedRow, SourceMatch
from matchcast.errors import LayoutChanged
from matchcast.ports import Parsed

FEED: Final = "a feed of matches (tournaments, each with its matches)"
_GOAL: Final = 1
_HALVES: Final = (1, 3)
_MINUTE: Final = re.compile(r"\d{1,3}", re.ASCII)
_FIRST_HALF_ENDS: Final = 60
"""However long its stoppage time."""
_SECOND_HALF_STARTS: Final = 45
_LATER_STARTS: Final = 90
_MEN: Final = 1
_SHOWN: Final = 200
_MOST_CARDS: Final = 30
_ENOUGH: Final = 3
"""So many finished matches, all without a score, are no chance."""


class _Incident(msgspec.Struct):
    type: int
    field: int | None = None
    period: int | None = None
    minute: Any = None

    @property
    def is_later(self) -> bool:
        """Whether it was after 90 minutes."""
        return self.period is not None and self.period > max(_HALVES)

    @property
    def tells(self) -> bool:
        """Whether it says for whom it counts, and in what part of the match."""
        if self.field not in (0, 1) or not (self.period in _HALVES or self.is_later):
            return False
        minute = int(told[0]) if (told := _MINUTE.match(str(self.minute))) else None
        if minute is None:
            return True
        if self.period == min(_HALVES):
            return minute <= _FIRST_HALF_ENDS
        return minute >= (_LATER_STARTS if self.is_later else _SECOND_HALF_STARTS)


class _Match(msgspec.Struct, gc=False):
    id: int
    status: int
    startTimeUtc: str
    homeTeamName: str | None
    awayTeamName: str | None
    elapsed: str | int | None
    homeTeamId: int | None = None
    awayTeamId: int | None = None
    homeScore: int | msgspec.UnsetType | None = msgspec.UNSET
    awayScore: int | msgspec.UnsetType | None = msgspec.UNSET
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
    tournamentName: str | None
    matches: list[msgspec.Raw] | None
    seasonName: str | None
    sex: int | None
    regionName: str | None = None
    stageName: str | None = None
    isOpta: bool | None = None


class _Matches(msgspec.Struct):
    """The matches of a tournament's entry, whatever its other keys are."""

    matches: list[msgspec.Raw]


class _Feed(msgspec.Struct):
    tournaments: list[msgspec.Raw] | None


class _Setting(NamedTuple):
    """What all matches of a tournament's entry share."""

    competition: Competition
    season: str | None
    stage: str | None
    covered: bool


def parse_feed(raw: bytes, file_name: str) -> Parsed:
    """The matches of a month or a day. One of another shape is rejected, as long as most are of the one we know.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    feed = _Reading(Place(file_name, FEED))
    for i, told in enumerate(document_of(raw, _Feed, feed.place).tournaments or ()):
        feed.read(bytes(told), f"tournaments[{i}]")
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

    def read(self, entry: bytes, path: str) -> None:
        """A tournament's entry."""
        setting, refusal = None, ""
        try:
            tournament = document_of(entry, _Tournament, self.place.at(path))
            setting = _setting(tournament)
        except LayoutChanged as error:
            for text in _matches_of(entry):
                self._line += 1
                self._reject_odd(text, error)
            return
        except Refused as refused:
            refusal = str(refused)
        for j, told in enumerate(tournament.matches or ()):
            self._line += 1
            inner = self.place.at(f"{path}.matches[{j}]")
            try:
                match = document_of(bytes(told), _Match, inner)
                if setting is None:
                    self._rejected.append(_rejected(self._line, match, refusal))
                else:
                    self._take(match, setting, inner)
            except LayoutChanged as error:
                self._reject_odd(bytes(told), error)
        if setting is not None and setting.competition.id not in COMPETITION_BY_ID:
            self._unknown.setdefault(setting.competition.id, setting.competition)

    def _reject_odd(self, text: bytes, error: LayoutChanged) -> None:
        self._odd.append(error)
        self._rejected.append(RejectedRow(self._line, str(error), text[:_SHOWN].decode("utf-8", "replace")))

    def _take(self, match: _Match, setting: _Setting, place: Place) -> None:
        finished = status_of(match.status, clock_of(match.elapsed)) is MatchStatus.FINISHED
        self._finished += finished
        self._scored += finished and msgspec.UNSET not in (match.homeScore, match.awayScore)
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
            LayoutChanged: half of the matches or more are not of the shape we know, or no finished one has the keys of
                a score.
        """
        if self._odd and 2 * len(self._odd) >= self._line:
            raise self._odd[0]
        if self._finished >= _ENOUGH and not self._scored:
            raise self.place.at("tournaments.matches.homeScore, awayScore").changed(
                f"none of {self._finished} finished matches has a score"
            )
        return Parsed(self._rows, self._rejected, tuple(self._unknown.values()))


def _matches_of(entry: bytes) -> Sequence[bytes]:
    """The matches of a tournament's entry that is odd; itself where it tells none."""
    try:
        return [bytes(told) for told in msgspec.json.decode(entry, type=_Matches).matches] or [entry]
    except ValueError:
        return [entry]


def _rejected(line: int, match: _Match, reason: str) -> RejectedRow:
    text = f"{match.id}: {match.homeTeamName} - {match.awayTeamName}, {match.startTimeUtc}"
    return RejectedRow(line, reason, text[:_SHOWN])


def _setting(tournament: _Tournament) -> _Setting:
    competition = competition_of(tournament.tournamentId, tournament.regionName, tournament.tournamentName or "")
    if tournament.sex not in (None, _MEN):
        raise Refused(f"sex {tournament.sex} is not that of men's matches ({_MEN}), which are all we keep")
    stage = words_of(tournament.stageName)
    return _Setting(
        competition,
        tournament.seasonName,
        stage if tournament.tournamentName and stage != words_of(tournament.tournamentName) else None,
        bool(tournament.isOpta),
    )


def _row(setting: _Setting, match: _Match, line: int, place: Place) -> tuple[SourceMatch, str | None]:
    """The match, and what was left out of it and why."""
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
            stats = None if scores.went_on else _cards(match, setting.covered or bool(match.matchIsOpta))
            remark = scores.remark
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
    home, away = (None if told is msgspec.UNSET else told for told in (match.homeScore, match.awayScore))
    told = score_of(home, away, "homeScore, awayScore")
    extra = score_of(match.homeExtratimeScore, match.awayExtratimeScore, "homeExtratimeScore, awayExtratimeScore")
    kicks = match.homePenaltyScore, match.awayPenaltyScore
    went_on = clock in LATER_THAN_90 or extra is not None or any(kicks)
    goals, remark = _goals(match, place)
    if not went_on and not any(goal.is_later for goal in goals):
        if told is None:
            raise Unknowable("homeScore, awayScore: a finished match without a score; it is kept without a result")
        return Scores(told, remark=remark)
    if remark is not None:
        raise Unknowable(f"{remark}; the match is kept without a result")
    ninety, final = _by_goals(goals, told, extra, shoot_out_of(*kicks))
    return after_90(ninety, final, extra, kicks, clock)


def _goals(match: _Match, place: Place) -> tuple[Sequence[_Incident], str | None]:
    """The goals, as far as they are listed; and why they cannot be read where they cannot."""
    told = bytes(match.incidents)
    if told == b"null":
        return [], None
    try:
        incidents = document_of(told, list[_Incident], place.at("incidents"))
    except LayoutChanged as error:
        return [], str(error)
    return [incident for incident in incidents if incident.type == _GOAL], None


def _by_goals(
    goals: Sequence[_Incident], told: Pair | None, extra: Pair | None, penalties: Pair | None
) -> tuple[Pair | None, Pair | None]:
    """The scores after 90 minutes and before the shoot-out, where the goals tell the one and agree with the other.

    `told` may be either of the two scores: the goals decide which. Those of the shoot-out may be among the goals.
    """
    if told == (0, 0) and not goals:
        return told, extra or told
    if not all(goal.tells for goal in goals):
        return None, told
    last = max((goal.period or 0 for goal in goals), default=0)
    kicks = [goal for goal in goals if goal.is_later and goal.period == last]
    for played in (goals, [goal for goal in goals if goal not in kicks] if _count(kicks) == penalties else goals):
        ninety = _count(goal for goal in played if not goal.is_later)
        total = _count(played)
        if total == told or (total == extra and ninety == told):
            return ninety, total
    return None, told


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
