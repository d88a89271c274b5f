"""The commands around the store, as a user types them."""

import csv
import re
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app

HEADER = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
E0 = HEADER + "E0,16/08/2024,Man United,Fulham,1,0,H\nE0,17/08/2024,Arsenal,Wolves,2,0,H\n"


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


def test_the_first_ingest_makes_the_database_and_the_second_changes_nothing() -> None:
    Path("E0.csv").write_text(E0)
    first = run("ingest", "football-data", "E0.csv")
    assert "2 rows read, 2 loaded" in first
    assert "england:manchester-united" in first
    assert "0 new clubs" in run("ingest", "auto", "E0.csv")
    assert stored("SELECT count(*), min(home_team_id) FROM matches") == [(2, "england:arsenal")]


def test_a_bar_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    Path("E0.csv").write_text(E0)
    shown = run("ingest", "auto", "E0.csv")
    for what in ("reading E0.csv", "writing to sqlite:///var/matchcast.db"):
        assert re.search(rf"{re.escape(what)}\W+━+ 100%", shown), shown


def test_the_environment_is_checked_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", "mysql://x")
    assert "MATCHCAST_DATABASE_URL: only sqlite: and postgresql:" in run("migrate", code=1)


def test_rejected_rows_are_shown_and_written_to_a_file() -> None:
    Path("a.csv").write_text(E0)
    Path("b.csv").write_text(HEADER + "E0,99/99/2024,A,B,1,0,H\nE0,18/08/2024,Chelsea,Chelsea,1,0,H\n")
    output = run("ingest", "football-data", "a.csv", "b.csv", "--rejected", "bad.csv")
    assert "4 rows read, 2 loaded" in output
    assert "b.csv:2: Date '99/99/2024' is not a date" in output
    with Path("bad.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["file"], row["line"]) for row in written] == [("b.csv", "2"), ("b.csv", "3")]


def test_nothing_loaded_is_a_failure() -> None:
    Path("a.csv").write_text(HEADER + "E0,99/99/2024,A,B,1,0,H\n")
    assert "every row was rejected" in run("ingest", "football-data", "a.csv", code=1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "the file is empty"), (b"<html></html>", "web page"), (b"a,b\n1,2\n", "its columns"), (b"\0", "not text")],
)
def test_an_unreadable_file_fails_with_its_name_and_changes_nothing(content: bytes, expected: str) -> None:
    Path("a.csv").write_text(E0)
    Path("x.csv").write_bytes(content)
    output = run("ingest", "auto", "a.csv", "x.csv", code=1)
    assert "x.csv" in output
    assert expected in output
    assert stored("SELECT count(*) FROM matches") == [(0,)]


def test_a_missing_file_and_missing_words_say_so() -> None:
    assert "no such file" in run("ingest", "auto", "none.csv", code=1)
    assert "name at least one file" in run("ingest", "auto", code=1)
    assert "only the source demo" in run("ingest", "auto", "x", "--until", "2024-01-01", code=1)


def test_a_broken_database_fails_with_the_remedy() -> None:
    Path("var").mkdir()
    Path("var/matchcast.db").write_bytes(b"half written" * 1000)
    Path("a.csv").write_text(E0)
    assert "move it away and run `matchcast migrate`" in run("ingest", "auto", "a.csv", code=1)


def test_names_of_files_and_clubs_are_shown_as_they_are() -> None:
    Path("[red]a/[").mkdir(parents=True)
    Path("[red]a/[/b].csv").write_text(HEADER + "G1,18/08/2024,Olympiakos,Panathinaikos,1,0,H\n")
    Path("b.csv").write_text("Sea,Lge,Date,HT,AT,HS,AS\n24-25,GRE1,25/08/2024,Panathinaikos,Olympiakos [/gr],1,0\n")
    assert "1 rows read, 1 loaded" in run("ingest", "football-data", "[red]a/[/b].csv")
    run("ingest", "results-only", "b.csv", code=1)
    assert "Olympiakos [/gr]" in run("teams", "review")


def test_a_held_name_is_reviewed_decided_and_then_loaded() -> None:
    Path("a.csv").write_text(HEADER + "G1,18/08/2024,Olympiakos,Panathinaikos,1,0,H\n")
    Path("b.csv").write_text("Sea,Lge,Date,HT,AT,HS,AS\n24-25,GRE1,25/08/2024,Panathinaikos,Olympiakos Piraeus,1,0\n")
    run("ingest", "football-data", "a.csv")
    assert "held back" in run("ingest", "results-only", "b.csv", code=1)
    assert "Olympiakos Piraeus" in run("teams", "review")
    assert "nearest: greece:olympiakos" in run(
        "teams", "alias", "results-only", "greece", "Olympiakos Piraeus", "x", code=1
    )
    run("teams", "alias", "results-only", "greece", "Olympiakos Piraeus", "greece:olympiakos")
    assert "no name waits" in run("teams", "review")
    assert "1 rows read, 1 loaded" in run("ingest", "results-only", "b.csv")
    assert stored("SELECT count(*) FROM matches WHERE away_team_id = 'greece:olympiakos'") == [(1,)]


def test_a_held_name_can_be_a_club_of_its_own() -> None:
    Path("a.csv").write_text(HEADER + "G1,18/08/2024,Ethnikos,Panathinaikos,1,0,H\n")
    Path("b.csv").write_text("Sea,Lge,Date,HT,AT,HS,AS\n24-25,GRE1,25/08/2024,Panathinaikos,Ethnikos Asteras,1,0\n")
    run("ingest", "football-data", "a.csv")
    run("ingest", "results-only", "b.csv", code=1)
    assert "greece:ethnikos-asteras" in run("teams", "new", "results-only", "greece", "Ethnikos Asteras")
    run("ingest", "results-only", "b.csv")
    assert "is the club" in run("teams", "new", "results-only", "greece", "Ethnikos Asteras", code=1)
    assert "told no club" in run("teams", "new", "results-only", "greece", "Nobody", code=1)


def test_two_clubs_that_are_one_become_one() -> None:
    lines = ["G1,18/08/2024,Doxaa,Panathinaikos,1,0,H", "G1,18/08/2023,Doxaas,Panathinaikos,1,0,H"]
    Path("a.csv").write_text(HEADER + "\n".join(lines))
    assert "greece:doxaa / greece:doxaas" in run("ingest", "football-data", "a.csv")
    assert "1 matches moved" in run("teams", "alias", "football-data", "greece", "Doxaas", "greece:doxaa")
    assert stored("SELECT DISTINCT home_team_id FROM matches") == [("greece:doxaa",)]
    assert "0 new clubs" in run("ingest", "football-data", "a.csv")
    assert stored("SELECT count(*) FROM matches") == [(2,)]


def test_clubs_that_met_are_not_made_one() -> None:
    Path("E0.csv").write_text(E0)
    run("ingest", "auto", "E0.csv")
    output = run("teams", "alias", "football-data", "england", "Arsenal", "england:wolverhampton-wanderers", code=1)
    assert "england:arsenal and england:wolverhampton-wanderers played each other (1 matches" in output
    assert stored("SELECT count(*) FROM matches WHERE home_team_id = 'england:arsenal'") == [(1,)]


def test_a_key_is_made_listed_and_revoked() -> None:
    run("migrate")
    shown = run("keys", "create", "page", "--scopes", "predict,ingest,admin").splitlines()[-1]
    key_id = shown.split("_")[1]
    assert shown.startswith("mc_")
    assert "active" in run("keys", "list")
    run("keys", "revoke", key_id)
    assert "revoked" in run("keys", "list")
    assert "matchcast keys list" in run("keys", "revoke", "none", code=1)
    assert "--scopes" in run("keys", "create", "page", "--scopes", "everything", code=1)


def test_an_export_is_written_as_of_a_day() -> None:
    Path("E0.csv").write_text(E0)
    run("ingest", "auto", "E0.csv")
    assert "matches.parquet 2 rows" in run("export", "--as-of", "2024-08-17")
    assert sorted(path.name for path in Path("var/export").iterdir()) == [
        "manifest.json",
        "matches.parquet",
        "teams.parquet",
        "tournaments.parquet",
    ]
    assert "is not an instant" in run("export", "--as-of", "yesterday", code=1)


def test_commands_without_a_database_say_to_migrate() -> None:
    for words in (("export",), ("keys", "list"), ("teams", "review")):
        assert "run `matchcast migrate`" in run(*words, code=1)
