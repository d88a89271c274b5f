"""WhoScored's match pages and the matches of its old mobile API."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from matchcast.adapters.sources import detect
from matchcast.adapters.sources.whoscored import WhoScored
from matchcast.domain.match import MatchStats, MatchStatus, SourceMatch
from matchcast.errors import BadSource, LayoutChanged
from matchcast.ports import Parsed
from tests.unit.sources.whoscored_made import HEADER, centre, event, mobile, page, plain_page, side


def parse(raw: bytes, name: str = "match/201.html") -> Parsed:
    return WhoScored().parse(raw, name)


def row(raw: bytes, name: str = "match/201.html") -> SourceMatch:
    (found,) = parse(raw, name).rows
    return found


def of_mobile(told: dict[str, Any]) -> Parsed:
    return parse(json.dumps(told).encode(), "mapi/301.json")


def test_a_match_page_tells_result_statistics_and_referee() -> None:
    assert row(page(centre())) == SourceMatch(
        "whoscored", "201", 1, "england:premier-league", 2020, datetime(2021, 1, 12, 20, 15, tzinfo=UTC), True,
        "Ashford Rovers", "Bexley Town", MatchStatus.FINISHED, 1, 0,
        MatchStats(5, 5, 3, 3, 2, 2, 4, 4, 1, 1, 0, 0),
        referee="Mary Whistle",
    )  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        "2022-08-13T20:00:00",
        "2022-08-13T19:00:00Z",
        "2022-08-13T21:00:00+02:00",
        "8/13/2022 8:00:00 PM",
        "08/13/2022 08:00:00 PM",
    ],
)
def test_times_of_a_page_without_a_zone_are_those_of_the_united_kingdom(written: str) -> None:
    found = row(page(centre(startTime=written), season="2022/2023"))
    assert found.kickoff_at == datetime(2022, 8, 13, 19, tzinfo=UTC)


def test_a_header_tells_the_day_first_or_with_am_and_pm_the_month() -> None:
    for written in ("13/08/2022 20:00:00", "8/13/2022 8:00:00 PM"):
        told = HEADER.replace("12/01/2021 20:15:00", written)
        assert row(page(None, header=told)).kickoff_at == datetime(2022, 8, 13, 19, tzinfo=UTC)
    with pytest.raises(LayoutChanged, match="is not an instant"):
        parse(page(None, header=HEADER.replace("12/01/2021", "08/13/2022")))


def test_the_names_are_the_headers_which_are_those_of_the_feeds() -> None:
    assert row(page(centre(), header=None)).away_team == "Bexley"
    accented = HEADER.replace("'Bexley Town'", r"'Bexley\'s &amp; Co'")
    assert row(page(centre(), header=accented)).away_team == "Bexley's & Co"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"Nott\u0027m Forest", "Nott'm Forest"),
        (r"Nott\x27m Forest", "Nott'm Forest"),
        (r"K\u00f6ln", "Köln"),
        (r"FC \ud83d\ude00", "FC \U0001f600"),
        (r"A\\B", r"A\B"),
    ],
)
def test_characters_that_the_header_writes_by_number_are_read(written: str, read: str) -> None:
    assert row(page(centre(), header=HEADER.replace("Bexley Town", written))).away_team == read


def test_half_a_pair_of_surrogates_is_no_name() -> None:
    for raw in (
        page(centre(), header=HEADER.replace("Bexley Town", r"B\ud83d")),
        page(centre(away=side("B\ud83d")), header=None),
    ):
        parsed = parse(raw)
        assert not parsed.rows or parsed.rows[0].away_team.isprintable()
        assert all(refused.text.encode() for refused in parsed.rejected)


def test_a_page_without_live_statistics_is_read_from_its_header() -> None:
    found = row(page(None))
    assert (found.home_goals, found.away_goals, found.stats, found.referee) == (1, 0, None, None)
    assert found.kickoff_at == datetime(2021, 1, 12, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize("name", ["match/201.html", "match_page_201.html"])
def test_a_page_of_a_match_that_is_not_followed_closely_is_read_from_its_header(name: str) -> None:
    """Whatever it is called, and whatever else it links to."""
    raw = plain_page()
    assert parse(raw, name) == parse(page(None))
    assert parse(raw.replace(b"/Seasons/8228/england", b"/Seasons/8228/Stages/1/x"), name) == parse(page(None))
    assert detect(raw, "x.html").name == "whoscored"
    later = b"<script>var options = {matchCentreData: {}};</script></body>"
    assert parse(raw.replace(b"</body>", later), name) == parse(page(None))


def test_a_match_centre_under_another_key_leaves_the_result_and_is_told() -> None:
    parsed = parse(page(centre()).replace(b"matchCentreData", b"centre"))
    assert parsed.rows == [row(page(None))]
    assert parsed.rejected[0].reason == "matchCentreData is missing; statistics and referee are not known"


def test_a_page_of_earlier_years_without_a_match_centre_is_read_from_its_header() -> None:
    old = page(None).decode()
    start, end = old.index("<script>require"), old.index("</body>")
    link = '<link rel="canonical" href="https://example.org/Matches/201/Live/x">'
    data = "var initialMatchDataForScrappers = [[[1,2]]];"
    old = f"{old[:start]}{link}<script>matchHeader.load({HEADER}); {data}</script>{old[end:]}"
    assert parse(old.encode()) == parse(page(None))


def test_a_page_as_it_was_in_earlier_years_is_read_too() -> None:
    old = page(centre()).decode()
    data, header = json.dumps(centre()), HEADER
    start, end = old.index("<script>require"), old.index("</body>")
    old = old[:start] + f"<script>matchHeader.load({header}); var matchCentreData = {data};</script>" + old[end:]
    with pytest.raises(LayoutChanged, match="matchId is missing"):
        parse(old.encode())
    old = old.replace("</head>", '<link rel="canonical" href="https://example.org/Matches/201/Live/x"></head>')
    assert row(old.encode()) == row(page(centre()))


def test_what_a_side_never_did_is_none_only_where_nothing_is_counted() -> None:
    quiet = side("Bexley", stats={"touches": {"1": 3}}, incidentEvents=[])
    found = row(page(centre(away=quiet))).stats
    assert found is not None
    assert (found.away_shots, found.away_corners, found.away_fouls, found.away_yellows) == (0, 0, 0, 0)
    unseen = side("Bexley", stats={}, incidentEvents=[])
    assert row(page(centre(home=unseen, away=unseen))).stats is None
    untold = {"name": "Bexley"}
    assert row(page(centre(home=untold, away=untold))).stats is None


def test_a_second_yellow_card_counts_as_both() -> None:
    booked = [event("Card", 1, "Yellow"), event("Card", 2, "SecondYellow"), event("Card", 2, "Red")]
    found = row(page(centre(home=side("Ashford Rovers", incidentEvents=booked)))).stats
    assert found is not None
    assert (found.home_yellows, found.home_reds) == (2, 2)


def test_shots_that_contradict_the_goals_are_left_out_and_that_is_told() -> None:
    goals = [event("Goal")] * 4 + [event("Goal", isOwnGoal=True)] * 3
    parsed = parse(page(centre(home=side("Ashford Rovers", incidentEvents=goals))))
    (found,) = parsed.rows
    assert found.stats is not None
    assert found.stats[:6] == (None, None, None, None, 2, 2)
    assert "5 shots, 3 of them on target and 4 goals contradict" in parsed.rejected[0].reason


LATER = {"elapsed": "AET", "ftScore": "1 : 1", "etScore": "2 : 1", "score": "2 : 1"}


def test_extra_time_counts_neither_in_the_result_nor_in_the_statistics() -> None:
    events = [event("Card", 2, "Yellow"), event("Card", 3, "Yellow"), event("Goal", 4)]
    home = side("Ashford Rovers", incidentEvents=events)
    home["stats"]["shotsTotal"] |= {"101": 7.0, "x": 1}
    found = row(page(centre(home=home, **LATER)))
    assert (found.home_goals, found.away_goals) == (1, 1)
    assert (found.home_goals_extra_time, found.away_goals_extra_time) == (2, 1)
    assert found.stats is not None
    assert (found.stats.home_shots, found.stats.home_shots_on_target, found.stats.home_yellows) == (3, 2, 1)
    assert row(page(centre(expandedMinutes=None, **LATER))).stats is None


@pytest.mark.parametrize(
    ("told", "extra", "penalties"),
    [
        ({"etScore": "1 : 0"}, (2, 1), None),
        ({"etScore": ""}, (2, 1), None),
        ({"score": "*2 : 1"}, (2, 1), None),
        ({"elapsed": "PEN", "score": "1 : 1", "etScore": "1 : 1", "pkScore": "4 : 3"}, (1, 1), (4, 3)),
        ({"elapsed": "PEN", "score": "1 : 1", "etScore": "", "pkScore": "4 : 3"}, None, (4, 3)),
        ({"elapsed": "FT", "score": "1 : 1", "etScore": "", "pkScore": "4 : 3"}, None, (4, 3)),
        ({"elapsed": "FT"}, (2, 1), None),
    ],
)
def test_later_scores_of_a_page_stand_apart(
    told: dict[str, Any], extra: tuple[int, int] | None, penalties: tuple[int, int] | None
) -> None:
    """A shoot-out may follow 90 minutes at once."""
    parsed = parse(page(centre(**LATER | told)))
    (found,) = parsed.rows
    assert (found.home_goals, found.away_goals) == (1, 1)
    assert (found.home_goals_extra_time, found.away_goals_extra_time) == (extra or (None, None))
    assert (found.home_penalties, found.away_penalties) == (penalties or (None, None))
    assert not parsed.rejected


@pytest.mark.parametrize(
    "told",
    [
        {"score": "", "etScore": "2 : 1"},
        {"score": "", "etScore": ""},
        {"score": "1 : 1", "etScore": "2 : 1"},
        {"score": "1 : 2", "etScore": "0 : 2"},
        {"elapsed": "PEN", "score": "4 : 3", "etScore": "", "pkScore": "4 : 3"},
        {"elapsed": "PEN", "score": "5 : 4", "etScore": "", "pkScore": "4 : 3"},
        {"elapsed": "PEN", "score": "1 : 1", "etScore": "", "pkScore": ""},
    ],
)
def test_a_later_score_that_is_not_told_or_contradicted_is_left_out_and_that_is_told(told: dict[str, Any]) -> None:
    parsed = parse(page(centre(**LATER | told)))
    (found,), (remark,) = parsed.rows, parsed.rejected
    assert (found.status, found.home_goals, found.away_goals) == (MatchStatus.FINISHED, 1, 1)
    assert (found.home_goals_extra_time, found.away_goals_extra_time) == (None, None)
    assert "left out" in remark.reason


def test_a_finished_page_whose_scores_differ_without_extra_time_has_no_result() -> None:
    parsed = parse(page(centre(ftScore="1 : 1", score="2 : 1")))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]
    assert "ftScore says 1 : 1, score 2 : 1" in parsed.rejected[0].reason


def test_what_happened_in_extra_time_shows_that_there_was_one_whatever_the_clock_says() -> None:
    home = side("Ashford Rovers", incidentEvents=[event("Goal", 1), event("Goal", 3)])
    home["stats"]["shotsTotal"] |= {"101": 7.0}
    found = row(page(centre(home=home, ftScore="1 : 0", score="2 : 0")))
    assert (found.home_goals, found.home_goals_extra_time) == (1, 2)
    assert found.stats is not None
    assert found.stats.home_shots == 3
    assert row(page(centre(home=home, ftScore="", score="2 : 0"))).status is MatchStatus.UNKNOWN


@pytest.mark.parametrize("told", [{"ftScore": ""}, {"ftScore": "3 : 3"}, {"score": "1 : 0"}])
def test_a_page_whose_score_after_90_minutes_is_not_known_has_no_result(told: dict[str, Any]) -> None:
    parsed = parse(page(centre(**LATER | told)))
    assert [r.status for r in parsed.rows] == [MatchStatus.UNKNOWN]
    assert "kept without a result" in parsed.rejected[0].reason


def test_a_page_of_a_match_to_come_is_a_fixture() -> None:
    coming = centre(
        statusCode=1, elapsed=None, score="", ftScore="", referee=None, home={"name": "A"}, away={"name": "B"}
    )
    found = row(page(coming, header=None))
    assert (found.status, found.home_goals, found.stats, found.referee) == (MatchStatus.UPCOMING, None, None, None)


def test_a_page_of_a_tournament_we_do_not_know_tells_what_it_is_called_and_where() -> None:
    parsed = parse(page(centre(), tournament_id=12))
    assert [(found.tournament, found.season) for found in parsed.rows] == [("whoscored:12", 2020)]
    assert [(t.id, t.name, t.country) for t in parsed.tournaments] == [("whoscored:12", "Premier League", "england")]
    abroad = parse(page(centre(), tournament_id=12).replace(b">England<", b">Atlantis<"))
    assert not abroad.rows
    assert "tournament 12 (Atlantis, Premier League) is none we know" in abroad.rejected[0].reason


def test_a_match_centre_without_its_page_has_no_tournament() -> None:
    raw = json.dumps(centre()).encode()
    assert detect(raw, "x.json").name == "whoscored"
    parsed = parse(raw, "matchcentre_1485184.json")
    assert not parsed.rows
    assert parsed.rejected[0].text.startswith("1485184: Ashford Rovers - Bexley")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"<html><body>nothing</body></html>", 'require.config.params["args"] is missing'),
        (page(centre()).replace(b"matchId", b"id"), "args: matchId is missing"),
        (page(centre(), header=None).replace(b"matchCentreData", b"centre"), "args: matchCentreData is missing"),
        (page(centre()).replace(b"breadcrumb-nav", b"crumbs"), "no tournament is linked"),
        (page(None, header=None), "matchCentreData is null"),
        (page(None, header="[1,2,'A','B','soon']"), "matchCentreData is null"),
        (page({"home": {}}), "args.matchCentreData.home.name: is missing"),
        (page(centre(statusCode="6")), "args.matchCentreData.statusCode: Expected `int`"),
        (page(centre(startTime="12/01/2021")), "args.matchCentreData.startTime: '12/01/2021' is not an instant"),
        (page(centre()).replace(b'{"home"', b"{home"), "args.matchCentreData: is not whole JSON"),
    ],
)
def test_a_changed_page_names_what_is_missing(raw: bytes, problem: str) -> None:
    with pytest.raises(LayoutChanged) as caught:
        parse(raw)
    assert str(caught.value).startswith("match/201.html: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "mark", [b"breadcrumb", b"require.config.params[", b"matchId:", b"matchCentreData", b"foulsCommited"]
)
def test_a_page_that_is_cut_off_is_to_be_fetched_again(mark: bytes) -> None:
    whole = page(centre())
    with pytest.raises(BadSource, match=r"the page is cut off; .* fetch it again") as caught:
        parse(whole[: whole.index(mark)])
    assert not isinstance(caught.value, LayoutChanged)


def test_a_page_without_match_centre_that_is_cut_off_is_to_be_fetched_again() -> None:
    whole = plain_page()
    for mark in (b"initialMatch", b"</script></body>", b"</html>"):
        with pytest.raises(BadSource, match=r"the page is cut off; .* fetch it again"):
            parse(whole[: whole.index(mark)])


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"referee": []}, "referee"),
        ({"home": side("Ashford Rovers", stats=[])}, "home.stats"),
        (
            {"away": side("Bexley", incidentEvents=[{"type": {"displayName": "Card"}, "period": 2}])},
            "away.incidentEvents",
        ),
    ],
)
def test_a_part_of_another_shape_is_left_out_and_the_rest_stands(told: dict[str, Any], place: str) -> None:
    parsed = parse(page(centre(**told)))
    (found,), (remark,) = parsed.rows, parsed.rejected
    assert (found.home_goals, found.away_goals) == (1, 0)
    assert f"args.matchCentreData.{place}" in remark.reason
    assert remark.reason.endswith("it is left out")
    assert found.stats is not None
    assert (found.home_goals, found.stats.away_fouls) == (1, 4)
    assert (found.referee, found.stats.home_fouls, found.stats.away_yellows) == (
        None if "referee" in told else "Mary Whistle",
        None if "home" in told else 4,
        None if "away" in told else 1,
    )


def test_a_match_of_the_mobile_api_is_a_row_without_referee() -> None:
    assert of_mobile(mobile()) == Parsed(
        [
            SourceMatch(
                "whoscored", "301", 1, "england:premier-league", 2015, datetime(2016, 3, 16, 19, 45, tzinfo=UTC), True,
                "Ashford Rovers", "Bexley Town", MatchStatus.FINISHED, 2, 1,
                MatchStats(9, 7, 4, 2, 6, 1, 11, 13, 2, 0, 1, 1),
            )
        ],
        [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "clock", "status"),
    [
        (1, "", MatchStatus.UPCOMING),
        (2, "Post", MatchStatus.POSTPONED),
        (5, "Abd", MatchStatus.ABANDONED),
        (7, "Can", MatchStatus.CANCELLED),
        (8, "?", MatchStatus.UNKNOWN),
    ],
)
def test_a_mobile_match_that_was_not_played_has_no_goals_whatever_it_says(
    code: int, clock: str, status: MatchStatus
) -> None:
    (found,) = of_mobile(mobile(status=code, elapsed=clock)).rows
    assert (found.status, found.home_goals, found.stats) == (status, None, None)


def test_the_period_scores_of_the_mobile_api_tell_the_90_minutes() -> None:
    later = mobile(elapsed="AET", homeScore=4, awayScore=2, periodResults="HT 0:2 - FT 2:2")
    (found,) = of_mobile(later).rows
    assert (found.home_goals, found.away_goals, found.home_goals_extra_time) == (2, 2, 4)
    assert found.stats is None, "they count extra time too"
    shoot_out = mobile(elapsed="PEN", homeScore=0, awayScore=0, periodResults="HT 0:0 - FT 0:0 - ET 0:0 - PS 8:7")
    (found,) = of_mobile(shoot_out).rows
    assert (found.home_goals, found.home_goals_extra_time, found.home_penalties, found.away_penalties) == (0, 0, 8, 7)
    straight = mobile(elapsed="PEN", homeScore=1, awayScore=1, periodResults="HT 0:0 - FT 1:1 - PS 4:3")
    for told in (straight, straight | {"info": straight["info"] | {"elapsed": "FT"}}):
        (found,) = of_mobile(told).rows
        assert (found.home_goals, found.home_goals_extra_time, found.home_penalties) == (1, None, 4)
        assert found.stats is None
    (found,) = of_mobile(mobile(homeScore=None, awayScore=None)).rows
    assert (found.home_goals, found.away_goals) == (2, 1)


@pytest.mark.parametrize(
    "info",
    [
        {"elapsed": "AET", "periodResults": "HT 0:2"},
        {"elapsed": "AET", "periodResults": None},
        {"homeScore": 3},
        {"homeScore": None, "awayScore": None, "periodResults": ""},
    ],
)
def test_a_mobile_result_that_cannot_be_known_is_left_out(info: dict[str, Any]) -> None:
    parsed = of_mobile(mobile(**info))
    assert [(r.status, r.home_goals) for r in parsed.rows] == [(MatchStatus.UNKNOWN, None)]
    assert "kept without a result" in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("clock", "score", "periods"),
    [("PEN", (4, 3), "FT 1:1 - PS 4:3"), ("AET", (1, 1), "FT 1:1 - ET 2:1"), ("AET", (None, None), "FT 1:1 - ET 2:1")],
)
def test_a_mobile_score_that_is_not_that_after_extra_time_is_left_out(
    clock: str, score: tuple[int | None, int | None], periods: str
) -> None:
    parsed = of_mobile(mobile(elapsed=clock, homeScore=score[0], awayScore=score[1], periodResults=periods))
    assert [(r.home_goals, r.away_goals, r.home_goals_extra_time) for r in parsed.rows] == [(1, 1, None)]
    assert "left out" in parsed.rejected[0].reason


def test_cards_that_the_mobile_api_counts_otherwise_are_left_out_and_that_is_told() -> None:
    told = mobile()
    told["postMatch"]["matchStats"]["cardsAndFouls"][1]["home"] = 5
    parsed = of_mobile(told)
    assert parsed.rows[0].stats == MatchStats(9, 7, 4, 2, 6, 1, 11, 13)
    assert "cardsAndFouls tells 5 yellow cards of home" in parsed.rejected[0].reason


def test_a_mobile_match_is_known_by_the_names_of_its_tournament_now_or_earlier() -> None:
    (found,) = of_mobile(mobile(regionName="Portugal", tournamentName="Liga NOS")).rows
    assert (found.tournament, found.season) == ("portugal:primeira-liga", 2015)
    parsed = of_mobile(mobile(regionName="Europe", tournamentName="UEFA Champions League"))
    assert "tournament Europe, UEFA Champions League is none we know" in parsed.rejected[0].reason


def test_an_empty_mobile_match_is_rejected() -> None:
    parsed = of_mobile({"id": 9, "info": {"stageId": 0, "status": 0, "startTimeUtc": "0001-01-01T00:00:00.0000000"}})
    assert not parsed.rows
    assert "is no day of a match" in parsed.rejected[0].reason


def test_a_changed_mobile_match_names_the_key() -> None:
    with pytest.raises(LayoutChanged, match=r"mapi/301.json: info.startTimeUtc: is missing"):
        of_mobile({"id": 9, "info": {"status": 1}})
