"""The source football-data."""

from datetime import UTC, datetime

import pytest

from matchcast.adapters.sources.football_data import FootballData
from matchcast.domain.match import MatchStatus, Odds, OddsMoment, SourceMatch
from matchcast.errors import BadSource

MERGED = "Div,Season,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,B365H,B365D,B365A,B365CH,B365CD,B365CA\n"
PUBLISHED = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
EXTRA = "Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PH,PD,PA,MaxH,MaxD,MaxA,AvgH,AvgD,AvgA\n"


def rows(text: str) -> list[SourceMatch]:
    parsed = FootballData().parse(text.encode())
    assert list(parsed.rejected) == []
    return list(parsed.rows)


def reason(text: str) -> str:
    parsed = FootballData().parse(text.encode())
    assert list(parsed.rows) == []
    (rejected,) = parsed.rejected
    return rejected.reason


def test_a_merged_row_becomes_a_match_with_stats_and_odds() -> None:
    line = "E0,2024/25,2024-08-16,20:00,Man United,Fulham,1.0,0.0,H,14.0,10.0,1.6,4.2,5.25,1.65,4.2,5\n"
    (match,) = rows(MERGED + line)
    assert match.source_id == "E0:2024-08-16:Man United:Fulham"
    assert (match.tournament, match.season, match.line) == ("england:premier-league", 2024, 2)
    assert (match.kickoff_at, match.kickoff_known) == (datetime(2024, 8, 16, 19, 0, tzinfo=UTC), True)
    assert (match.status, match.home_goals, match.away_goals) == (MatchStatus.FINISHED, 1, 0)
    assert match.stats is not None
    assert (match.stats.home_shots, match.stats.away_shots, match.stats.home_corners) == (14, 10, None)
    assert match.odds == (
        Odds("B365", OddsMoment.OPENING, 1.6, 4.2, 5.25),
        Odds("B365", OddsMoment.CLOSING, 1.65, 4.2, 5.0),
    )


def test_a_time_is_uk_time_in_winter_and_in_summer() -> None:
    text = PUBLISHED + "E0,01/01/2025,15:00,A,B,1,1,D\nE0,01/05/2025,15:00,A,B,1,1,D\nE0,02/05/2025,,A,B,1,1,D\n"
    assert [(m.kickoff_at.day, m.kickoff_at.hour, m.kickoff_known) for m in rows(text)] == [
        (1, 15, True),
        (1, 14, True),
        (2, 0, False),
    ]


def test_a_published_file_may_have_short_years_trailing_commas_blank_rows_and_latin_letters() -> None:
    text = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,,\nD1,07/08/93,Köln,Bayern Munich,0,2,A,,\n,,,,,,,,\n\n"
    for raw in (text.encode("cp1252"), text.encode(), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode()):
        parsed = FootballData().parse(raw)
        (match,) = parsed.rows
        assert (match.home_team, match.kickoff_at.year, match.season) == ("Köln", 1993, 1993)
        assert not parsed.rejected


def test_an_extra_league_tells_closing_prices_and_its_country() -> None:
    line = (
        "Argentina,Liga Profesional,2016,05/02/2016,22:00,Boca Juniors,Lanus,1,0,H,1.9,3.4,4.5,2,3.5,4.6,1.9,3.3,4.3\n"
    )
    (match,) = rows(EXTRA + line)
    assert (match.tournament, match.season) == ("argentina:primera-division", 2016)
    assert match.source_id == "ARG:2016-02-05:Boca Juniors:Lanus"
    assert {(price.bookmaker, price.moment) for price in match.odds} == {
        (bookmaker, OddsMoment.CLOSING) for bookmaker in ("PS", "Max", "Avg")
    }


def test_a_row_without_result_is_a_fixture() -> None:
    (match,) = rows(PUBLISHED + "E0,16/08/2030,20:00,Man United,Fulham,,,\n")
    assert (match.status, match.home_goals) == (MatchStatus.UPCOMING, None)


def test_a_blank_season_is_the_one_that_the_day_falls_into() -> None:
    text = MERGED + "BRA,,2012-05-19,,A,B,1,0,H" + "," * 8 + "\nE0,,2012-05-19,,A,B,1,0,H" + "," * 8 + "\n"
    assert [match.season for match in rows(text)] == [2012, 2011]


def test_a_price_that_is_none_is_dropped_with_a_reason_and_the_match_kept() -> None:
    parsed = FootballData().parse((MERGED + "E0,,2024-08-16,,A,B,1,0,H,x,3,0.0,3.6,3.25,1.9,3.4,\n").encode())
    (match,) = parsed.rows
    assert match.odds == ()
    assert match.stats is not None
    assert (match.stats.home_shots, match.stats.away_shots) == (None, 3)
    assert [rejected.reason.split(" is ")[0] for rejected in parsed.rejected] == [
        "HS",
        "B365 opening price 0.0/3.6/3.25",
        "B365 closing price 1.9/3.4/nothing",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("E0,31/02/2024,,A,B,1,0,H", "Date '31/02/2024' is not a date"),
        ("E0,01/01/1700,,A,B,1,0,H", "Date 1700-01-01 is not between 1870 and 2100"),
        ("E0,01/01/99999999999999999999,,A,B,1,0,H", "is not a date"),
        ("ZZ,01/01/2024,,A,B,1,0,H", "Div 'ZZ' is no division we know"),
        ("E0,01/01/2024,,,B,1,0,H", "HomeTeam is empty"),
        ("E0,01/01/2024,,A,A,1,0,H", "HomeTeam and AwayTeam are both 'A'"),
        ("E0,01/01/2024,,A,B,1,,H", "FTAG '' is not a number of goals"),
        ("E0,01/01/2024,,A,B,1.5,0,H", "FTHG '1.5' is not a number of goals"),
        ("E0,01/01/2024,,A,B,41,0,H", "FTHG '41' is not a number of goals; write a whole number from 0 to 40"),
        ("E0,01/01/2024,,A,B,-1,0,A", "FTHG '-1' is not a number of goals"),
        ("E0,01/01/2024,,A,B,1,0,A", "FTR 'A' contradicts the score 1-0"),
        ("E0,01/01/2024,25:99,A,B,1,0,H", "Time '25:99' is not a time"),
        ("E0,01/01/2024", "the row has 2 columns"),
    ],
)
def test_a_row_that_cannot_be_a_match_is_rejected_with_field_and_remedy(line: str, expected: str) -> None:
    assert expected in reason(f"{PUBLISHED}{line}\n")


@pytest.mark.parametrize(
    ("season", "day"), [("1994/95", "1994-03-12"), ("2006/07", "2006-03-11"), ("2012", "2014-01-01")]
)
def test_a_day_outside_its_season_is_rejected(season: str, day: str) -> None:
    assert f"Date {day} is not in Season {season}" in reason(f"{MERGED}E0,{season},{day},,A,B,1,0,H{',' * 8}\n")


@pytest.mark.parametrize("season", ["2012/14", "nonsense", "12/13", "2012-13"])
def test_a_season_that_is_none_is_rejected(season: str) -> None:
    assert f"Season '{season}' is not a season" in reason(f"{MERGED}E0,{season},2012-09-01,,A,B,1,0,H{',' * 8}\n")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \n\n", "the file is empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "this is a web page"),
        (b"PK\x03\x04\0\0binary", "this is not text"),
        (b"\x81\x8d\x8f\x90\x9d", "neither UTF-8 nor Windows-1252"),
        (b"Div,Date,HomeTeam\nE0,01/01/2024,A\n", "column AwayTeam, FTHG, FTAG is missing"),
        (b"a,b,c\n1,2,3\n", "column Div, Date, HomeTeam, AwayTeam, FTHG, FTAG is missing"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name_with_what_was_expected(raw: bytes, expected: str) -> None:
    with pytest.raises(BadSource, match=r"E0\.csv") as raised:
        FootballData().parse(raw, "E0.csv")
    assert expected in str(raised.value)
    assert "expected a football-data.co.uk CSV" in str(raised.value)
