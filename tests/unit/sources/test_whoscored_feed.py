"""WhoScored's feeds of a month and of a day."""

from datetime import UTC, datetime
from typing import Any

import pytest

from matchcast.adapters.sources import detect, source_named
from matchcast.adapters.sources.whoscored import WhoScored
from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import MatchStats, MatchStatus, SourceMatch
from matchcast.errors import BadSource, LayoutChanged
from matchcast.ports import Parsed
from tests.unit.sources.whoscored_made import feed, goal, match, one, tournament

MONTH = "month/18685/202010.json"


def parse(raw: bytes) -> Parsed:
    return WhoScored().parse(raw, MONTH)


def row(raw: bytes) -> SourceMatch:
    (found,) = parse(raw).rows
    return found


def test_a_played_match_becomes_a_row_with_its_score_and_cards() -> None:
    assert row(one()) == SourceMatch(
        "whoscored", "101", 1, "england:premier-league", 2020, datetime(2020, 10, 3, 11, 30, tzinfo=UTC), True,
        "Ashford Rovers", "Bexley Town", MatchStatus.FINISHED, 2, 1,
        MatchStats(home_yellows=3, away_yellows=1, home_reds=0, away_reds=1),
        home_club_id="1", away_club_id="2",
    )  # fmt: skip


def test_clubs_without_an_id_are_known_by_name_alone() -> None:
    found = row(feed(tournament(match(homeTeamId=None, awayTeamId=0))))
    assert (found.home_club_id, found.away_club_id) == (None, None)


@pytest.mark.parametrize(
    ("code", "clock", "status"),
    [
        (1, "", MatchStatus.UPCOMING),
        (1, None, MatchStatus.UPCOMING),
        (1, "Post", MatchStatus.POSTPONED),
        (1, "FT", MatchStatus.UNKNOWN),
        (2, "Post", MatchStatus.POSTPONED),
        (3, "67'", MatchStatus.IN_PLAY),
        (3, 67, MatchStatus.IN_PLAY),
        (3, "HT", MatchStatus.IN_PLAY),
        (3, "FT", MatchStatus.IN_PLAY),
        (4, "Susp", MatchStatus.UNKNOWN),
        (5, "Abd", MatchStatus.ABANDONED),
        (6, "FT", MatchStatus.FINISHED),
        (6, None, MatchStatus.FINISHED),
        (6, "Abd", MatchStatus.ABANDONED),
        (6, "75'", MatchStatus.UNKNOWN),
        (7, "Can", MatchStatus.CANCELLED),
        (8, "?", MatchStatus.UNKNOWN),
        (0, "", MatchStatus.UNKNOWN),
        (99, "FT", MatchStatus.UNKNOWN),
    ],
)
def test_the_status_is_told_by_code_and_clock_and_only_a_finished_match_has_goals(
    code: int, clock: str | int | None, status: MatchStatus
) -> None:
    found = row(one(status=code, elapsed=clock))
    assert found.status is status
    finished = status is MatchStatus.FINISHED
    assert (found.home_goals, found.away_goals) == ((2, 1) if finished else (None, None))
    assert (found.stats is not None) == finished


H, A = 0, 1
TWO_ALL = [goal(H, 1), goal(A, 1), goal(A, 3), goal(H, 3)]
KICK = goal(H, 9, 120)


@pytest.mark.parametrize(
    ("told", "ninety", "extra", "penalties"),
    [
        ({"homeScore": 3, "incidents": [*TWO_ALL, goal(H, 5)]}, (2, 2), (3, 2), None),
        ({"homeExtratimeScore": 3, "awayExtratimeScore": 2, "incidents": [*TWO_ALL, goal(H, 5)]}, (2, 2), (3, 2), None),
        ({"incidents": TWO_ALL}, (2, 2), (2, 2), None),
        ({"elapsed": None, "homeScore": 3, "incidents": [*TWO_ALL, goal(H, 5)]}, (2, 2), (3, 2), None),
        (
            {
                "elapsed": "FT",
                "homeScore": 3,
                "awayScore": 3,
                "homePenaltyScore": 4,
                "awayPenaltyScore": 3,
                "incidents": [*TWO_ALL, goal(H, 4), goal(A, 5)],
            },
            (2, 2),
            (3, 3),
            (4, 3),
        ),
        ({"homeExtratimeScore": 3, "awayExtratimeScore": 2, "incidents": TWO_ALL}, (2, 2), None, None),
        ({"homeScore": 0, "awayScore": 0}, (0, 0), (0, 0), None),
        ({"homeScore": 0, "awayScore": 0, "homeExtratimeScore": 1, "awayExtratimeScore": 0}, (0, 0), (1, 0), None),
        (
            {"elapsed": "PEN", "incidents": TWO_ALL, "homePenaltyScore": 4, "awayPenaltyScore": 5},
            (2, 2),
            None,
            (4, 5),
        ),
        ({"elapsed": "PEN", "incidents": TWO_ALL, "homePenaltyScore": 4, "awayPenaltyScore": 4}, (2, 2), None, None),
        ({"elapsed": "PEN", "incidents": TWO_ALL, "homePenaltyScore": 4}, (2, 2), None, None),
        (
            {"elapsed": "PEN", "homePenaltyScore": 2, "awayPenaltyScore": 0, "incidents": [*TWO_ALL, KICK, KICK]},
            (2, 2),
            None,
            (2, 0),
        ),
        (
            {
                "elapsed": "PEN",
                "homeScore": 0,
                "awayScore": 0,
                "homePenaltyScore": 1,
                "awayPenaltyScore": 0,
                "incidents": [KICK],
            },
            (0, 0),
            None,
            (1, 0),
        ),
        (
            {"elapsed": "FT", "homeExtratimeScore": 2, "awayExtratimeScore": 2, "incidents": TWO_ALL},
            (2, 2),
            (2, 2),
            None,
        ),
    ],
)
def test_goals_of_extra_time_do_not_count_and_the_later_scores_stand_apart(
    told: dict[str, Any], ninety: tuple[int, int], extra: tuple[int, int] | None, penalties: tuple[int, int] | None
) -> None:
    """A shoot-out may follow 90 minutes at once; a score after extra time that is contradicted is left out."""
    found = row(one(**{"elapsed": "AET", "homeScore": 2, "awayScore": 2} | told))
    assert found.status is MatchStatus.FINISHED
    assert (found.home_goals, found.away_goals) == ninety
    assert (found.home_goals_extra_time, found.away_goals_extra_time) == (extra or (None, None))
    assert (found.home_penalties, found.away_penalties) == (penalties or (None, None))
    assert found.stats is None, "cards of extra time are among those told"


@pytest.mark.parametrize(
    "incidents",
    [
        None,
        [],
        TWO_ALL,
        [goal(H, 1), goal(H, None), goal(A, 1)],
        [{"type": 1}],
        [goal(H, 1), goal(H, 1)],
        [goal(H, 0, 20), goal(A, 0, 70), goal(H, 0, 105)],
        [goal(H, 1, 20), goal(A, 2, 70), goal(H, 3, 105)],
        [goal(H, 1, 70), goal(A, 1), goal(H, 5)],
        [goal(H, 1), goal(A, 3, 20), goal(H, 5)],
        [goal(H, 1), goal(A, 3), goal(H, 5, 80)],
    ],
)
def test_a_result_that_cannot_be_known_is_never_made_up(incidents: Any) -> None:
    parsed = parse(one(elapsed="AET", homeScore=2, awayScore=1, incidents=incidents))
    (found,), (remark,) = parsed.rows, parsed.rejected
    assert found.status is MatchStatus.UNKNOWN
    assert (found.home_goals, found.home_goals_extra_time, found.stats) == (None, None, None)
    assert (remark.line, remark.reason.split(";")[1]) == (1, " the match is kept without a result")


def test_kicks_that_are_not_the_score_of_the_shoot_out_are_no_kicks() -> None:
    """They might be goals of extra time."""
    parsed = parse(
        one(elapsed="PEN", homeScore=2, awayScore=2, incidents=[*TWO_ALL, KICK], homePenaltyScore=4, awayPenaltyScore=3)
    )
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]


@pytest.mark.parametrize("incidents", [{}, [goal(H, 1), {"type": None}], [{"minute": "1"}]])
def test_goals_that_cannot_be_read_keep_no_match_from_being_one_and_are_told(incidents: Any) -> None:
    parsed = parse(one(elapsed="AET", incidents=incidents))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]
    assert "tournaments[0].matches[0].incidents" in parsed.rejected[0].reason
    parsed = parse(one(incidents=incidents))
    assert [(r.home_goals, r.away_goals) for r in parsed.rows] == [(2, 1)]
    assert "tournaments[0].matches[0].incidents" in parsed.rejected[0].reason


def test_a_shoot_out_that_is_half_told_is_left_out_and_that_is_told() -> None:
    parsed = parse(one(elapsed="PEN", homeScore=2, awayScore=2, incidents=TWO_ALL, homePenaltyScore=4))
    assert [(r.home_goals, r.home_penalties) for r in parsed.rows] == [(2, None)]
    assert parsed.rejected[0].reason == "the shoot-out's score is told as 4-None; it is left out"


def test_finished_matches_without_a_score_keep_no_match_to_come_from_being_one() -> None:
    finished = [match(n, homeScore=None, awayScore=None) for n in range(3)]
    coming = [match(n, status=1, elapsed="", homeScore=None, awayScore=None) for n in range(3, 9)]
    parsed = parse(feed(tournament(*finished, *coming)))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN] * 3 + [MatchStatus.UPCOMING] * 6
    assert len(parsed.rejected) == 3


def test_half_a_pair_of_surrogates_refuses_only_the_match_whose_club_has_it() -> None:
    odd = {"homeTeamName": "X", "referee": "Y"}
    raw = feed(tournament(match(1), match(2, **odd), match(3, referee="Y")))
    parsed = parse(raw.replace(b'"X"', b'"X\\ud83d"').replace(b'"Y"', b'"\\ude00Y\\ud83d\\ude00"'))
    assert [r.source_id for r in parsed.rows] == ["1", "3"]
    assert "cannot be printed" in parsed.rejected[0].reason


@pytest.mark.parametrize("clock", ["Pen.", "FT-Pens", "AWD"])
def test_an_end_that_we_do_not_know_is_told(clock: str) -> None:
    parsed = parse(one(elapsed=clock))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]
    assert f"elapsed {clock.lower()!r}" in parsed.rejected[0].reason


def test_a_finished_match_without_a_score_is_kept_without_a_result() -> None:
    parsed = parse(one(homeScore=None, awayScore=None))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]
    assert "homeScore, awayScore" in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"homeScore": 41}, "41-1 is not a score"),
        ({"homeScore": None}, "half a score"),
        ({"homeTeamName": ""}, "homeTeamName is empty"),
        ({"homeTeamName": None}, "homeTeamName is empty"),
        ({"awayTeamName": "TBC"}, "not decided yet"),
        ({"awayTeamName": "B\u0000"}, "cannot be printed"),
        ({"awayTeamName": "Ashford  Rovers"}, "are both 'Ashford Rovers'"),
        ({"startTimeUtc": "0001-01-01T00:00:00"}, "is no day of a match"),
    ],
)
def test_a_match_that_is_no_row_says_why(told: dict[str, Any], reason: str) -> None:
    parsed = parse(feed(tournament(match(1, **told), match(2))))
    assert [r.source_id for r in parsed.rows] == ["2"]
    (refused,) = parsed.rejected
    assert refused.line == 1
    assert reason in refused.reason
    assert refused.text.startswith("1: ")


def test_matches_of_women_and_of_tournaments_we_do_not_know_are_rejected_one_by_one() -> None:
    parsed = parse(
        feed(
            tournament(match(1), sex=2),
            tournament(match(2), match(3), tournamentId=12, tournamentName="Champions League", regionName="Europe"),
            tournament(match(4), sex=None),
        )
    )
    assert [(r.source_id, r.line) for r in parsed.rows] == [("4", 4)]
    assert [r.line for r in parsed.rejected] == [1, 2, 3]
    assert parsed.rejected[0].reason.startswith("sex 2 is not that of men's matches")
    assert parsed.rejected[1].reason.startswith("tournament 12 (Europe, Champions League) is none we know; add its id")


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2016-03-16T19:45:00.0000000Z", datetime(2016, 3, 16, 19, 45, tzinfo=UTC)),
        ("2016-03-16T19:45:00.1234567", datetime(2016, 3, 16, 19, 45, tzinfo=UTC)),
        ("2016-03-16T19:45:00", datetime(2016, 3, 16, 19, 45, tzinfo=UTC)),
        ("2016-03-16T19:45Z", datetime(2016, 3, 16, 19, 45, tzinfo=UTC)),
        ("2016-03-16T19:45:00+02:00", datetime(2016, 3, 16, 17, 45, tzinfo=UTC)),
    ],
)
def test_the_kick_off_is_an_instant_to_the_second(written: str, instant: datetime) -> None:
    found = row(one(startTimeUtc=written))
    assert (found.kickoff_at, found.kickoff_known) == (instant, True)


@pytest.mark.parametrize(
    ("name", "tournament_id", "day", "season"),
    [
        ("2020/2021", 2, "2021-05-01", 2020),
        ("2020/21", 2, "2021-05-01", 2020),
        ("2021", 40, "2021-05-01", 2021),
        ("Apertura", 2, "2021-05-01", 2020),
        (None, 40, "2021-05-01", 2021),
        ("2012/2013", 2, "2021-05-01", 2020),
        ("2020/2029", 2, "2021-05-01", 2020),
    ],
)
def test_the_season_is_the_year_it_starts_in(name: str | None, tournament_id: int, day: str, season: int) -> None:
    told = match(startTimeUtc=f"{day}T12:00:00Z")
    assert row(feed(tournament(told, tournamentId=tournament_id, seasonName=name))).season == season


def test_a_stage_is_told_where_it_is_not_the_tournament_itself() -> None:
    assert row(one()).stage is None
    assert row(feed(tournament(match(), stageName="Premier League  Play-offs"))).stage == "Premier League Play-offs"
    assert row(feed(tournament(match(), stageName=None))).stage is None


UNBOOKED = MatchStats(home_yellows=0, away_yellows=0, home_reds=0, away_reds=0)


def test_nobody_booked_counts_only_where_the_source_follows_each_match_closely() -> None:
    none = {f"{who}{colour}Cards": 0 for who in ("home", "away") for colour in ("Yellow", "Red")}
    assert row(feed(tournament(match(**none)))).stats == UNBOOKED
    assert row(feed(tournament(match(**none), isOpta=False))).stats is None
    assert row(feed(tournament(match(**none, matchIsOpta=True), isOpta=None))).stats == UNBOOKED
    assert row(one(**dict.fromkeys(none))).stats is None
    assert row(one(homeYellowCards=-1, awayYellowCards=31)).stats == MatchStats(home_reds=0, away_reds=1)


def without(raw: bytes, key: str) -> bytes:
    """The same with the key renamed."""
    return raw.replace(f'"{key}"'.encode(), f'"new{key}"'.encode())


@pytest.mark.parametrize(
    ("raw", "place", "problem"),
    [
        (b"{}", "tournaments", "is missing"),
        (b'{"tournaments": {}}', "tournaments", "Expected `array | null`, got `object`"),
        (feed(tournament(match(), tournamentId="2")), "tournaments[0].tournamentId", "Expected `int`, got `str`"),
        (feed({"tournamentId": 2, "tournamentName": "x"}), "tournaments[0].matches", "is missing"),
        (without(one(), "sex"), "tournaments[0].sex", "is missing"),
        (without(one(), "seasonName"), "tournaments[0].seasonName", "is missing"),
        (without(one(), "elapsed"), "tournaments[0].matches[0].elapsed", "is missing"),
        (
            without(feed(tournament(match(1), match(2), match(3))), "homeScore"),
            "tournaments.matches.homeScore, awayScore",
            "none of 3 finished matches has a score",
        ),
        (
            feed(tournament(), tournament(match(), {k: v for k, v in match().items() if k != "startTimeUtc"})),
            "tournaments[1].matches[1].startTimeUtc",
            "is missing",
        ),
        (one(homeScore="2"), "tournaments[0].matches[0].homeScore", "Expected `int | null`, got `str`"),
        (one(startTimeUtc="03/10/2020 11:30"), "tournaments[0].matches[0].startTimeUtc", "is not an instant"),
        (b"[[[1,'Ashford',,'x']], [2,3]];", "file", "a list of JavaScript"),
        (b"[]", "file", "Expected `object`, got `array`"),
        (b"<html><title>Maintenance</title></html>", "file", "a web page stands here"),
    ],
)
def test_a_changed_layout_names_the_key_and_where_it_should_stand(raw: bytes, place: str, problem: str) -> None:
    with pytest.raises(LayoutChanged) as caught:
        parse(raw)
    assert caught.value.field == place
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{MONTH}: " if place == "file" else f"{MONTH}: {place}: ")


@pytest.mark.parametrize(
    "odd",
    [{"startTimeUtc": None}, {"matchIsOpta": 1}, {"startTimeUtc": "soon"}, {"homeScore": 2.0}],
)
@pytest.mark.parametrize("entry", [{}, {"tournamentId": 999, "tournamentName": "Under 19", "regionName": "Nowhere"}])
def test_an_odd_match_among_good_ones_is_rejected_with_its_place(odd: dict[str, Any], entry: dict[str, Any]) -> None:
    parsed = parse(feed(tournament(match(1), match(2)), tournament(match(3, **odd), **entry)))
    assert [r.source_id for r in parsed.rows] == ["1", "2"]
    (refused,) = parsed.rejected
    assert refused.line == 3
    assert "tournament" in refused.reason
    assert '"id": 3' in refused.text or refused.text.startswith("3: ")


@pytest.mark.parametrize(
    "odd", [{"tournamentId": "2"}, {"sex": "1"}, {"isOpta": 1}, {"seasonName": 2020}, {"matches": {}}]
)
def test_the_matches_of_an_odd_tournament_among_good_ones_are_rejected_with_its_place(odd: dict[str, Any]) -> None:
    good = [tournament(match(n)) for n in range(1, 4)]
    parsed = parse(feed(*good, tournament(match(8), match(9), **odd)))
    assert [r.source_id for r in parsed.rows] == ["1", "2", "3"]
    assert [r.line for r in parsed.rejected] == ([4] if "matches" in odd else [4, 5])
    assert all(f"tournaments[3].{next(iter(odd))}" in r.reason for r in parsed.rejected)
    with pytest.raises(LayoutChanged):
        parse(feed(good[0], tournament(match(8), match(9), **odd)) if "matches" not in odd else feed(good[0], odd))


def test_a_tournament_without_a_name_or_matches_is_read() -> None:
    parsed = parse(feed(tournament(match(1), tournamentName=None), tournament(matches=None)))
    assert [r.source_id for r in parsed.rows] == ["1"]
    assert parse(b'{"tournaments": null}') == Parsed([], [])


def test_half_of_the_matches_odd_is_a_change_of_layout() -> None:
    with pytest.raises(LayoutChanged):
        parse(feed(tournament(match(1), match(2, startTimeUtc=None))))


@pytest.mark.parametrize("raw", [b"", b" \n", b"\xff\xfe", one()[:-40], b'{"tournaments": [', b"[" * 100_000])
def test_an_answer_that_is_cut_off_is_no_change_of_layout(raw: bytes) -> None:
    with pytest.raises(BadSource, match="fetch it again") as caught:
        parse(raw)
    assert not isinstance(caught.value, LayoutChanged)


def test_optional_keys_may_be_absent_and_unknown_ones_are_passed_over() -> None:
    least = {k: match()[k] for k in ("id", "status", "elapsed", "startTimeUtc", "homeTeamName", "awayTeamName")}
    told = least | {"status": 1, "elapsed": "", "new": {"a": []}}
    found = row(feed({"tournamentId": 2, "tournamentName": "x", "seasonName": None, "sex": 1, "matches": [told]}))
    assert (found.status, found.season) == (MatchStatus.UPCOMING, 2020)
    assert parse(b'\xef\xbb\xbf{"tournaments": []}') == Parsed([], [])


def test_the_feed_is_recognised_without_its_name() -> None:
    raw = one()
    assert detect(raw, "x.json").name == "whoscored"
    assert source_named("whoscored").parse(raw, "x.json").rows == parse(raw).rows
    assert detect(b'{"name": "x", "matches": []}', "x.json").name == "openfootball"


def test_the_tournaments_of_the_site_are_ours() -> None:
    competition = COMPETITION_BY_ID["spain:segunda-division"]
    assert dict(competition.codes)["whoscored"] == "63"
