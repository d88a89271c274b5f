"""Names that wait, as a list to fill in, and what a filled-in list does."""

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.domain.match import SourceMatch
from matchcast.ports import Parsed
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from tests.unit.ingest.leagues import NOW, START, WORDS, Game, told_by
from tests.unit.ingest.test_calendars import season

OURS = WORDS[:6]
NAMES = (*OURS[:4], "Zeppelin", "Yggdrasil")
"""What the other source calls them: the last two are not known."""


@pytest.fixture
def store(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlMatchStore]:
    """A season by our names, and two rounds of it by theirs: too little to tell who the unknown ones are."""
    file = tmp_path / "matchcast.db"
    shutil.copy(migrated_sqlite, file)
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    stored = SqlMatchStore(database)
    load(stored, told_by("ours", OURS, season()))
    days = sorted({game.day for game in season()})[:2]
    load(stored, told_by("theirs", NAMES, [game for game in season() if game.day in days]))
    yield stored
    database.close()


def load(store: SqlMatchStore, rows: list[SourceMatch]) -> IngestReport:
    return ingest([ParsedFile("file", Parsed(rows, []))], store, [], NOW)


def teams(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["teams", *words])
    assert result.exit_code == code, result.output
    return result.output


def listed() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(teams("review", "--format", "csv"))))


def decide(tmp_path: Path, decisions: Mapping[str, str], *more: dict[str, str], code: int = 0) -> str:
    """Fill in the list and apply it."""
    rows = [row | {"decision": decisions.get(row["name"], "")} for row in listed()]
    file = tmp_path / "reviewed.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as written:
        writer = csv.DictWriter(written, rows[0])
        writer.writeheader()
        writer.writerows([*rows, *(rows[0] | row for row in more)])
    return teams("decide", "--file", str(file), code=code)


def test_each_name_is_listed_with_its_proposals_and_what_speaks_for_them(store: SqlMatchStore) -> None:
    zeppelin, yggdrasil = sorted(listed(), key=lambda row: row["name"], reverse=True)
    assert (zeppelin["source"], zeppelin["country"], zeppelin["name"]) == ("theirs", "norway", "Zeppelin")
    assert (zeppelin["decision"], zeppelin["matches"], yggdrasil["matches"]) == ("", "2", "2")
    told = json.loads(teams("review", "--format", "json"))
    first = {name["name"]: name["proposals"][0] for name in told}
    assert first["Zeppelin"]["team_id"] == zeppelin["proposal_1"] == f"norway:{OURS[4].lower()}"
    assert first["Yggdrasil"]["team_id"] == f"norway:{OURS[5].lower()}"
    assert first["Zeppelin"]["agreeing"] + first["Zeppelin"]["likely"] == 2
    table = teams("review")
    assert f"norway:{OURS[4].lower()}" in table
    assert "2 wait" in table


def test_a_filled_in_list_settles_its_names_and_their_matches_load(store: SqlMatchStore, tmp_path: Path) -> None:
    told = decide(tmp_path, {"Zeppelin": f"norway:{OURS[4].lower()}", "Yggdrasil": "new"})
    assert "Zeppelin is norway:echolot" in told
    assert "2 settled, 1 of them new clubs" in told
    assert "no name waits" in teams("review")
    report = load(store, told_by("theirs", (*NAMES[:5], "Yggdrasil"), season()))
    assert (report.held, report.rejected) == ([], [])
    assert store.waiting_matches() == []


def test_json_is_read_back_too_and_names_without_decision_stay(store: SqlMatchStore, tmp_path: Path) -> None:
    names = json.loads(teams("review", "--format", "json"))
    names[0]["decision"] = names[0]["proposals"][0]["team_id"]
    file = tmp_path / "reviewed.json"
    file.write_text(json.dumps(names), encoding="utf-8")
    assert "1 settled, 0 of them new clubs; 0 were settled so before, 1 still wait" in teams(
        "decide", "--file", str(file)
    )
    assert "0 settled, 0 of them new clubs; 1 were settled so before, 1 still wait" in teams(
        "decide", "--file", str(file)
    )
    assert [row["name"] for row in listed()] == [names[1]["name"]]


@pytest.mark.parametrize(
    ("decisions", "more", "reason"),
    [
        ({"Zeppelin": "norway:nobody"}, [], "'norway:nobody' is no club of norway"),
        ({"Zeppelin": "maybe"}, [], "'maybe' is no club of norway; write the id of one, `new`, or nothing"),
        ({"Zeppelin": "new"}, [{"name": "Zeppelin", "decision": "norway:echolot"}], "leave one of the two"),
        ({"Zeppelin": "new"}, [{"name": "Montgolfier", "decision": "new"}], "told no club 'Montgolfier' of norway"),
        ({"Zeppelin": "new"}, [{"name": "Aurora", "decision": "norway:gneis"}], "was settled as norway:aurora before"),
        ({"Zeppelin": "norway:echolot", "Yggdrasil": "norway:echolot"}, [], "both played on"),
        ({"Zeppelin": "norway:aurora", "Yggdrasil": "new"}, [], "'Zeppelin' cannot be norway:aurora"),
    ],
)
def test_a_contradiction_is_told_with_its_line_and_nothing_is_written(
    store: SqlMatchStore, tmp_path: Path, decisions: dict[str, str], more: list[dict[str, str]], reason: str
) -> None:
    before = store.teams(), store.aliases()
    told = decide(tmp_path, decisions, *more, code=1)
    assert reason in told
    assert "nothing was written" in told
    assert "line " in told
    assert (store.teams(), store.aliases()) == before


def test_all_contradictions_are_told_at_once(store: SqlMatchStore, tmp_path: Path) -> None:
    told = decide(tmp_path, {"Zeppelin": "norway:nobody", "Yggdrasil": "norway:nowhere"}, code=1)
    assert "2 lines cannot be" in told
    assert "nobody" in told
    assert "nowhere" in told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,country\nX,norway\n", "has no source, decision"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b'[{"name": "X"}]', "has no source, country, decision"),
        (b"[1]", "is not a list of objects"),
        (b"{", "is not JSON"),
        (b'[{"source": 1, "country": "", "name": "", "decision": ""}]', "are not all text"),
        (b'source,country,name,decision\n"x,y', "is not CSV"),
        (b"source,country\n", "has no name, decision"),
    ],
)
def test_a_file_that_is_no_reviewed_list_names_the_remedy(
    store: SqlMatchStore, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "reviewed.csv"
    file.write_bytes(content)
    told = teams("decide", "--file", str(file), code=1)
    assert reason in told


def test_a_club_made_by_the_list_can_be_meant_by_another_of_its_lines(store: SqlMatchStore, tmp_path: Path) -> None:
    later = told_by("elsewhere", ("Zeppelin NN", "Quokka"), [Game(0, 1, START.replace(year=2023), (1, 0))])
    load(store, later)
    names = {row["name"] for row in listed()}
    assert "Quokka" in names
    told = decide(tmp_path, {"Yggdrasil": "new", "Quokka": "norway:yggdrasil"})
    assert "Quokka is norway:yggdrasil" in told
