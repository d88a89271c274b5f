"""The sources results-only, openfootball and demo."""

import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from matchcast.adapters.sources import SOURCE_NAMES, detect, source_named
from matchcast.adapters.sources.demo import DemoSource, fetch_demo
from matchcast.adapters.sources.openfootball import OpenFootball
from matchcast.adapters.sources.results_only import ResultsOnly
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadSource
from matchcast.ports import Parsed

RESULTS = "Sea,Lge,Date,HT,AT,HS,AS,GD,WDL\n"
DUMP = """
CREATE TABLE league (id INTEGER, name VARCHAR);
CREATE TABLE team (id VARCHAR, name VARCHAR, league_id INTEGER);
CREATE TABLE game (id VARCHAR, home_team_id VARCHAR, away_team_id VARCHAR, league_id INTEGER, home_goals INTEGER,
  away_goals INTEGER, home_team_points INTEGER, away_team_points INTEGER, date DATETIME, match_week INTEGER,
  season VARCHAR);
CREATE TABLE game_stats (id INTEGER PRIMARY KEY, game_id TEXT, team_id TEXT,
  shots_total_FW INT, shots_total_MF INT, shots_total_DF INT,
  shots_on_target_FW INT, shots_on_target_MF INT, shots_on_target_DF INT,
  fouls_committed_FW INT, fouls_committed_MF INT, fouls_committed_DF INT, yellow_card INT, red_card INT);
INSERT INTO league VALUES (3, 'Serie A');
INSERT INTO team VALUES ('a', 'Milan', 3), ('b', 'Lazio', 3), ('c', 'Roma', 3);
INSERT INTO game_stats VALUES (1, 'g1', 'a', 1, 2, 3, 1, 1, 0, 4, 5, 6, 2, 0);
INSERT INTO game_stats VALUES (2, 'g1', 'b', 7, 0, 0, 2, 0, 0, 1, 1, 1, 3, 1);
INSERT INTO game VALUES ('g1', 'a', 'b', 3, 2, 1, 50, 40, '2024-09-14 15:00:00.000000', 4, '2024-2025');
"""


def results(*lines: str) -> Parsed:
    return ResultsOnly().parse((RESULTS + "\n".join(lines)).encode())


def openfootball(*matches: Any, file_name: str = "2025-26_it.1.json", name: str = "Italian Serie A 2025/26") -> Parsed:
    return OpenFootball().parse(json.dumps({"name": name, "matches": list(matches)}).encode(), file_name)


def test_results_only_tells_day_season_and_score() -> None:
    (match,) = results("00-01,GER1,11/08/2000,Dortmund,Hansa Rostock,1,0,1,W").rows
    assert (match.tournament, match.season, match.kickoff_known) == ("germany:bundesliga", 2000, False)
    assert match.kickoff_at == datetime(2000, 8, 11, tzinfo=UTC)
    assert (match.home_goals, match.away_goals, match.status) == (1, 0, MatchStatus.FINISHED)


def test_results_only_keeps_an_unplayed_match_without_goals() -> None:
    (match,) = results("20-21,GER1,11/08/2020,A,B,-1,-1,0,D").rows
    assert (match.status, match.home_goals, match.away_goals) == (MatchStatus.UNKNOWN, None, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("20-21,XXX9,11/08/2020,A,B,1,0,1,W", "Lge 'XXX9' is no league we know"),
        ("20-21,GER1,11/08/2020,A,B,1,0,1,L", "WDL 'L' contradicts the score 1-0"),
        ("20-21,GER1,11/08/2020,A,B,1,0,3,W", "GD '3' contradicts the score 1-0"),
        ("20-21,GER1,11/08/2020,A,B,-1,0,-1,L", "HS '-1' is not a number of goals"),
        ("20-21,GER1,11/08/2015,A,B,1,0,1,W", "Date 2015-08-11 is not in Sea 20-21"),
        ("20-22,GER1,11/08/2020,A,B,1,0,1,W", "Sea '20-22' is not a season"),
        ("20-21,GER1", "the row has 2 columns"),
    ],
)
def test_results_only_rejects_with_field_and_remedy(line: str, expected: str) -> None:
    parsed = results(line)
    assert not parsed.rows
    assert expected in parsed.rejected[0].reason


def test_openfootball_tells_local_times() -> None:
    parsed = openfootball(
        {"round": "Matchday 1", "date": "2025-08-23", "time": "18:30", "team1": "Genoa CFC", "team2": "US Lecce"},
        {"round": "Matchday 2", "date": "2025-12-23", "team1": "US Lecce", "team2": "Genoa CFC"},
    )
    summer, unknown = parsed.rows
    assert (summer.kickoff_at, summer.kickoff_known) == (datetime(2025, 8, 23, 16, 30, tzinfo=UTC), True)
    assert (unknown.kickoff_at, unknown.kickoff_known) == (datetime(2025, 12, 23, tzinfo=UTC), False)
    assert (summer.tournament, summer.season, summer.status) == ("italy:serie-a", 2025, MatchStatus.UPCOMING)
    assert summer.source_id == "it.1:2025:Matchday 1:Genoa CFC:US Lecce"
    assert summer.stage is None


def test_openfootball_tells_ninety_minutes_extra_time_and_penalties() -> None:
    score = {"ht": [0, 0], "ft": [0, 1], "et": [1, 1], "p": [4, 2]}
    (match,) = openfootball(
        {"round": "Finals, Final", "date": "2025-05-13", "team1": "A", "team2": "B", "score": score}
    ).rows
    assert (match.home_goals, match.away_goals, match.status) == (0, 1, MatchStatus.FINISHED)
    assert (match.home_goals_extra_time, match.away_goals_extra_time) == (1, 1)
    assert (match.home_penalties, match.away_penalties, match.stage) == (4, 2, "Finals, Final")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("postponed", MatchStatus.POSTPONED),
        ("cancelled", MatchStatus.CANCELLED),
        ("awarded", MatchStatus.ABANDONED),
        ("on the moon", MatchStatus.UNKNOWN),
    ],
)
def test_openfootball_matches_with_a_status_have_no_goals(told: str, status: MatchStatus) -> None:
    (match,) = openfootball(
        {"date": "2025-08-23", "team1": "A", "team2": "B", "score": {"ft": [0, 2]}, "status": told}
    ).rows
    assert (match.status, match.home_goals) == (status, None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("text", "not an object"),
        ({"team1": "A", "team2": "B"}, "date is missing"),
        ({"date": "2025-08-23", "team1": 7, "team2": "B"}, "team1 is missing or not text"),
        ({"date": "2025-08-23", "team1": "A", "team2": "A"}, "both 'A'"),
        ({"date": "2025-08-23", "team1": "A", "team2": "B", "score": {"ft": [1, 41]}}, "score.ft [1, 41] is not"),
        ({"date": "2025-08-23", "team1": "A", "team2": "B", "score": [1, 0]}, "score is not an object"),
        ({"date": "2025-08-23", "team1": "A", "team2": "B", "time": "noon"}, "time 'noon' is not a time"),
    ],
)
def test_openfootball_rejects_with_field_and_remedy(entry: Any, expected: str) -> None:
    parsed = openfootball(entry)
    assert not parsed.rows
    assert expected in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("file_name", "name", "tournament"),
    [
        ("2025-26_en.2.json", "", "england:championship"),
        ("en.1.json", "English Premier League 2025/26", "england:premier-league"),
        ("x.json", "English Championship 2024/25", "england:championship"),
        ("x.json", "Deutsche Bundesliga 2025/26", "germany:bundesliga"),
        ("x.json", "Spain Primera División 2024/25", "spain:la-liga"),
        ("x.json", "French Ligue 1 2024/25", "france:ligue-1"),
    ],
)
def test_openfootball_tells_the_league_by_file_name_or_title(file_name: str, name: str, tournament: str) -> None:
    match = {"date": "2025-08-23", "team1": "A", "team2": "B"}
    (row,) = openfootball(match, file_name=file_name, name=name).rows
    assert row.tournament == tournament


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'{"matches": 7}', b'{"matches": [], "name": "Moon League"}', b"[" * 100_000]
)
def test_openfootball_refuses_other_json(raw: bytes) -> None:
    with pytest.raises(BadSource, match=r"x\.json"):
        OpenFootball().parse(raw, "x.json")


def test_the_demo_sums_the_lines_of_a_team_and_tells_local_time() -> None:
    (match,) = DemoSource().parse(DUMP.encode()).rows
    assert (match.tournament, match.season) == ("italy:serie-a", 2024)
    assert match.kickoff_at == datetime(2024, 9, 14, 13, 0, tzinfo=UTC)
    assert match.stats is not None
    assert match.stats == (6, 7, 2, 2, None, None, 15, 3, 2, 3, 0, 1)
    assert (match.home_goals, match.away_goals) == (2, 1)


def test_the_demo_can_stop_the_clock() -> None:
    (match,) = DemoSource(until=date(2024, 9, 14)).parse(DUMP.encode()).rows
    assert (match.status, match.home_goals, match.stats) == (MatchStatus.UPCOMING, None, None)
    (match,) = DemoSource(until=date(2024, 9, 15)).parse(DUMP.encode()).rows
    assert match.status is MatchStatus.FINISHED


def test_the_demo_knows_a_late_round_in_august_for_the_season_that_ends() -> None:
    late = "INSERT INTO game VALUES ('g2','c','a',3,0,0,0,0,'2020-08-01 20:45:00.000000',38,'2020-2021');"
    early = "INSERT INTO game VALUES ('g3','b','c',3,0,0,0,0,'2021-08-21 20:45:00.000000',1,'2020-2021');"
    seasons = {row.source_id: row.season for row in DemoSource().parse((DUMP + late + early).encode()).rows}
    assert (seasons["g2"], seasons["g3"]) == (2019, 2021)


def test_the_demo_reports_a_match_told_twice() -> None:
    again = "INSERT INTO game VALUES ('g2','a','b',3,0,0,0,0,'2025-01-14 15:00:00.000000',20,'2024-2025');"
    parsed = DemoSource().parse((DUMP + again).encode())
    assert len(parsed.rows) == 1
    assert "told before, on line 1" in parsed.rejected[0].reason


@pytest.mark.parametrize("attack", ["ATTACH DATABASE '{}' AS x;", "VACUUM INTO '{}';"])
def test_a_dump_cannot_touch_files(attack: str, tmp_path: Path) -> None:
    with pytest.raises(BadSource):
        DemoSource().parse((DUMP + attack.format(tmp_path / "made.db")).encode())
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_read_from_its_wheel() -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("premier_league/data/premier_league.sql", DUMP)
    assert DemoSource().parse(wheel.getvalue()) == DemoSource().parse(DUMP.encode())
    with pytest.raises(BadSource, match="expected the wheel"):
        DemoSource().parse(wheel.getvalue()[:300])


def test_a_kept_demo_file_that_was_altered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "premier_league-1.0.4-py3-none-any.whl").write_bytes(b"something else")
    with pytest.raises(BadSource, match=r"SHA-256 .* delete it"):
        fetch_demo(tmp_path)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n", "football-data"),
        (b"\xef\xbb\xbfCountry,League,Season,Date,Home,Away,HG,AG,Res\n", "football-data"),
        (RESULTS.encode(), "results-only"),
        (b'{"matches": []}', "openfootball"),
        (DUMP.encode(), "demo"),
        (b"PK\x03\x04", "demo"),
    ],
)
def test_the_source_is_told_by_its_columns(raw: bytes, name: str) -> None:
    assert detect(raw, "x").name == name


@pytest.mark.parametrize("spare", range(4))
def test_a_long_file_of_accented_names_is_recognised_wherever_its_start_is_cut(spare: int) -> None:
    header = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
    line = f"SP2,18/08/2024,{'Á' * 4000},B,1,0,H\n"
    raw = (header + "\n" * spare + line * 20).encode()
    assert detect(raw, "SP2.csv").name == "football-data"


@pytest.mark.parametrize("raw", [b"a,b\n1,2\n", b"", b"<html>", b"\0\0"])
def test_an_unknown_format_is_refused(raw: bytes) -> None:
    with pytest.raises(BadSource, match=r"x\.csv"):
        detect(raw, "x.csv")


def test_every_source_has_a_name_of_its_own() -> None:
    assert [source_named(name).name for name in SOURCE_NAMES] == list(SOURCE_NAMES)
    with pytest.raises(BadSource, match="take one of football-data"):
        source_named("teletext")
