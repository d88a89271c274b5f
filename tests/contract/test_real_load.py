"""Whole real files into a real database: the demo's, and larger ones where they are at hand."""

from pathlib import Path

import pytest
from sqlalchemy import select

from commands.environment import uv_program
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.tables import metadata
from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.adapters.sources.demo import fetch_demo
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from tests.contract.matches import LATER, NOW


def load(database: Database, *paths: Path, later: bool = False) -> IngestReport:
    files = [read_file(str(path)) for path in paths]
    parsed = [ParsedFile(f.name, detect(f.content, f.name).parse(f.content, f.name)) for f in files]
    return ingest(parsed, SqlMatchStore(database), committed_aliases(), LATER if later else NOW)


def stored(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


@pytest.mark.slow
def test_the_merged_file_loaded_twice_changes_nothing_the_second_time(database: Database, real_data: Path) -> None:
    path = real_data / "football-data/matches_1993_2025.csv.gz"
    first, second = load(database, path), load(database, path, later=True)
    assert first.rows_read == 275_530
    assert [tuple(count) for count in first.loaded[:3]] == [(275_482, 0, 0), (120_873, 0, 0), (1_429_684, 0, 0)]
    assert [tuple(count) for count in second.loaded[:3]] == [(0, 0, 275_482), (0, 0, 120_873), (0, 0, 1_429_684)]
    assert (second.new_teams, second.held) == ([], [])


def test_openfootball_names_resolve_onto_known_clubs_season_after_season(database: Database, real_data: Path) -> None:
    folder = real_data / "fixtures"
    load(database, *sorted(folder.glob("2024-25_*.json")))
    report = load(database, *sorted(folder.glob("2025-26_*.json")), later=True)
    assert (report.rows_loaded, report.rows_read, report.held) == (2304, 2304, [])
    assert sorted(team.team_id for team in report.new_teams) == [
        "england:birmingham-city",
        "england:charlton-athletic",
        "england:wrexham",
        "france:lorient",
        "france:metz",
        "france:paris-fc",
        "germany:hamburger-sv",
        "germany:koln",
        "italy:cremonese",
        "italy:pisa",
        "italy:sassuolo",
        "spain:elche",
        "spain:levante",
        "spain:real-oviedo",
    ]


@pytest.fixture(scope="session")
def demo_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's matches, fetched from the package index."""
    return fetch_demo(tmp_path_factory.mktemp("demo"), uv_program())


@pytest.mark.slow
def test_the_demo_loaded_twice_changes_nothing_the_second_time(database: Database, demo_wheel: Path) -> None:
    first = load(database, demo_wheel)
    everything = stored(database)
    second = load(database, demo_wheel, later=True)
    assert (first.rows_read, first.rows_loaded, len(first.new_teams)) == (17_945, 17_945, 173)
    assert first.loaded.matches == (17_945, 0, 0)
    assert [(count.inserted, count.updated) for count in second.loaded[:3]] == [(0, 0)] * 3
    assert [count.unchanged for count in second.loaded[:3]] == [count.inserted for count in first.loaded[:3]]
    assert (second.new_teams, second.held, second.rejected) == ([], [], [])
    assert stored(database) == everything


@pytest.mark.slow
def test_the_clubs_of_the_demo_are_those_of_openfootball(database: Database, demo_wheel: Path, real_data: Path) -> None:
    load(database, demo_wheel)
    second = load(database, *sorted((real_data / "fixtures").glob("2024-25_*.json")))
    assert (second.new_teams, second.held) == ([], [])
    assert second.loaded.matches.unchanged > 1500
