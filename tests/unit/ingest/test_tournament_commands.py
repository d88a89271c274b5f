"""A feed with a tournament that we do not know, as a user loads it."""

import sqlite3
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.main import app
from tests.unit.sources.whoscored_made import feed, match, tournament

NAMES = ("Ashford Rovers", "Bexley Town", "Corfe United", "Dawlish Athletic")
FIRST = date(2020, 10, 3)
GAMES = [
    (home, away, FIRST + timedelta(days=7 * week), (week % 4, (week * 3) % 5))
    for week, (home, away) in enumerate((h, a) for h in range(4) for a in range(4) if h != a)
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MATCHCAST_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result.output


def stored(query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect("var/matchcast.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def write_feed(**told: Any) -> None:
    matches = [
        match(
            100 + number,
            startTimeUtc=f"{day}T15:00:00Z",
            homeTeamName=NAMES[home],
            awayTeamName=NAMES[away],
            homeScore=goals[0],
            awayScore=goals[1],
        )
        for number, (home, away, day, goals) in enumerate(GAMES)
    ]
    Path("month.json").write_bytes(feed(tournament(*matches, **told)))


def test_an_unknown_code_of_a_league_that_has_one_already_waits_for_people(tmp_path: Path) -> None:
    """football-data tells England's first league; WhoScored has a code for it, and now tells the same by another."""
    lines = [f"E0,{day:%d/%m/%Y},{NAMES[h]},{NAMES[a]},{goals[0]},{goals[1]}" for h, a, day, goals in GAMES]
    Path("E0.csv").write_text("\n".join(["Div,Date,HomeTeam,AwayTeam,FTHG,FTAG", *lines, ""]))
    write_feed(tournamentId=999, tournamentName="English [/1st] League")
    run("ingest", "football-data", "E0.csv")
    held = run("ingest", "whoscored", "month.json", code=1)
    assert "tournaments held back (`matchcast tournaments review`): whoscored:999" in held
    assert "nothing was loaded" in held
    assert (
        run("tournaments", "review", "--format", "csv")
        .splitlines()[1]
        .startswith("whoscored,999,English [/1st] League,england,12,england:premier-league,12,0,0,")
    )
    assert "English [/1st] League" in run("tournaments", "review")
    assert "take one of england:" in run("tournaments", "alias", "whoscored", "999", "spain:la-liga", code=1)
    run("tournaments", "alias", "whoscored", "999", "england:premier-league")
    assert "12 rows read, 12 loaded" in run("ingest", "whoscored", "month.json")
    assert "no tournament waits" in run("tournaments", "review")
    assert stored("SELECT count(*), count(DISTINCT tournament_id), min(source) FROM matches") == [
        (12, 1, "football-data")
    ]


def test_an_unknown_code_of_a_league_without_one_is_found_and_later_rows_load(tmp_path: Path) -> None:
    lines = [f"20-21,CHL1,{day:%d/%m/%Y},{NAMES[h]},{NAMES[a]},{g[0]},{g[1]}" for h, a, day, g in GAMES]
    Path("results.csv").write_text("\n".join(["Sea,Lge,Date,HT,AT,HS,AS", *lines, ""]))
    write_feed(tournamentId=999, tournamentName="Campeonato", regionName="Chile")
    run("ingest", "results-only", "results.csv")
    found = run("ingest", "whoscored", "month.json")
    assert "tournaments found by their matches: whoscored:999 (Campeonato) = chile:primera-division" in found
    assert "12 rows read, 12 loaded" in found
    before = stored("SELECT * FROM tournament_aliases"), stored("SELECT count(*) FROM matches")
    assert "12 rows read, 12 loaded" in run("ingest", "whoscored", "month.json")
    assert (stored("SELECT * FROM tournament_aliases"), stored("SELECT count(*) FROM matches")) == before
    run("tournaments", "ignore", "whoscored", "999")
    assert "is left out" in run("ingest", "whoscored", "month.json", code=1)
