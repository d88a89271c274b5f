"""What `matchcast up-full` finds in its folder and in its environment before it starts anything."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from commands.up_full import _show_sources
from functions.scrape.feeds import feeds_of
from knative.local.airflow import Airflow
from knative.local.full.kept import PORTS, SECRETS, keep, settle
from knative.local.full.system import SOURCES, System, Wanted
from knative.local.services.program import MARK
from matchcast.errors import Unavailable
from matchcast.settings import ScrapeSettings, read_settings

MAKEFILE = Path(__file__).parents[3] / "Makefile"


def test_what_was_chosen_once_is_found_again(tmp_path: Path) -> None:
    kept = settle(tmp_path, None)
    assert (set(kept.ports), set(kept.secrets)) == (set(PORTS), set(SECRETS))
    keep(tmp_path, kept._replace(key="k", airflow_key="a"))
    assert settle(tmp_path, None) == kept._replace(key="k", airflow_key="a")


@pytest.mark.parametrize("content", ["", '{"ports": {"front"', '{"ports": 1}', "[]", b"\xff"])
def test_a_state_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = CliRunner().invoke(app, ["up-full", "--no-airflow", "--folder", str(tmp_path)], terminal_width=1000)
    told = f"{done.output}{done.exception}"
    assert done.exit_code != 0
    assert f"{file} cannot be read" in told
    assert "restore it from a copy, or begin anew in another folder" in told
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())


def test_a_browser_is_looked_for_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHCAST_WHOSCORED_URL", "https://www.whoscored.com")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(MARK, "set by System, and taken back after this test")
    monkeypatch.setattr("knative.local.full.system.System._check_reach", lambda _: None)
    with pytest.raises(Unavailable, match="no chromedriver is on PATH"):
        System(tmp_path, settle(tmp_path, None), Wanted(airflow=False), print).start()


def test_where_no_source_is_configured_it_is_said_how_one_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SOURCES:
        monkeypatch.delenv(name, raising=False)
    _show_sources()
    told = capsys.readouterr().out
    assert "No source is configured" in told
    assert set(re.findall(r"MATCHCAST_\w+", told)) == set(SOURCES)
    monkeypatch.setenv(SOURCES[1], "https://example.org")
    _show_sources()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", SOURCES)
def test_each_of_these_variables_configures_a_source(name: str) -> None:
    value = "download" if name.endswith("WHEEL") else "https://example.org"
    given = {"K_SINK": "http://broker", "MATCHCAST_CONTACT": "ops@example.org", name: value}
    assert len(feeds_of(read_settings(ScrapeSettings, given))) == 1


@pytest.mark.parametrize("part", ["scheduler", "dag-processor", "triggerer", "api-server"])
def test_a_part_of_airflow_that_ends_by_itself_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setenv(MARK, "set by System, and taken back after this test")
    system = System(tmp_path, settle(tmp_path, None), Wanted(), print)
    system._airflow = Airflow(tmp_path, 1, "word", {}, "postgresql://nowhere/airflow")
    try:
        for program in system._programs:
            program.launch(["sleep", "100"], {"PATH": os.defpath}, tmp_path)
        (ends,) = (program for program in system._airflow.programs if program.name == f"Airflow's {part}")
        ends.signal(signal.SIGKILL)
        ended = system.watch()
        assert (ended.name, ended.code) == (f"Airflow's {part}", -signal.SIGKILL)
    finally:
        for program in system._programs:
            program.kill()


def test_down_full_makes_an_environment_where_there_is_none(tmp_path: Path) -> None:
    def made() -> str:
        command = ["make", "--dry-run", "--file", str(MAKEFILE), "down-full"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert " sync " in made()
    program = tmp_path / ".venv" / "bin" / "matchcast"
    program.parent.mkdir(parents=True)
    program.touch()
    assert " sync " not in made()
