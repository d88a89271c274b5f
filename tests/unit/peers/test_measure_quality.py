"""The whole measurement on an invented league: what it writes, what it reads again, what it says of bad input."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.measure.measure_quality import main
from tests.unit.peers.synthetic import CLUBS, FIRST_SEASON, league

pytest.importorskip("penaltyblog", reason="penaltyblog is not installed: uv sync --group peers")

SEASONS = 6
SEASON = CLUBS * (CLUBS - 1)
DAYS = ["--from", f"{FIRST_SEASON + SEASONS - 1}-07-01", "--to", f"{FIRST_SEASON + SEASONS}-06-30"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The league in football-data's columns, with the market's closing prices."""
    path = tmp_path_factory.mktemp("league") / "matches.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Div", "Season", "Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "AvgCH", "AvgCD", "AvgCA"])
        for r in league(SEASONS):
            (odds,) = r.odds
            season = f"{r.season}/{(r.season + 1) % 100:02d}"
            writer.writerow(["E0", season, r.kickoff_at.date(), r.home_team, r.away_team, r.home_goals, r.away_goals,
                             odds.home, odds.draw, odds.away])  # fmt: skip
    return path


@pytest.fixture(scope="module")
def plain_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same league as plain results."""
    path = tmp_path_factory.mktemp("league") / "results.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Sea", "Lge", "Date", "HT", "AT", "HS", "AS", "GD", "WDL"])
        for r in league(SEASONS):
            assert r.home_goals is not None
            assert r.away_goals is not None
            margin = r.home_goals - r.away_goals
            season = f"{r.season % 100:02d}-{(r.season + 1) % 100:02d}"
            writer.writerow([season, "ENG1", f"{r.kickoff_at:%d/%m/%Y}", r.home_team, r.away_team, r.home_goals,
                             r.away_goals, margin, "W" if margin > 0 else "L" if margin < 0 else "D"])  # fmt: skip
    return path


@pytest.fixture(scope="module")
def measured(results: Path, params: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after a measurement that made every forecast itself."""
    folder = tmp_path_factory.mktemp("bench")
    main(["--results", str(results), "--params", str(params), "--output", str(folder), *DAYS])
    return folder


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real knobs, with few rounds of boosting."""
    content = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text())
    content["model"]["trees"]["max_rounds"] = 10
    content["model"]["threads"] = 1
    content["split"]["first_day"] = f"{FIRST_SEASON}-07-01"
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def table(folder: Path) -> dict[str, dict[str, str]]:
    return {line["forecast"]: line for line in csv.DictReader((folder / "quality.csv").read_text().splitlines())}


def test_ours_stands_beside_every_peer_base_rates_and_the_close(measured: Path) -> None:
    """One line each; on as many matches as it has forecast, the rest counted."""
    found = table(measured)
    assert set(found) == {
        "ours", "ours, trees alone", "ours, linear alone", "ours, goals alone",
        "penaltyblog Dixon-Coles", "penaltyblog Dixon-Coles, two divisions", "penaltyblog pi, logistic",
        "penaltyblog Elo, logistic", "penaltyblog Elo, its own", "base rates", "close (power)", "close (Shin)",
    }  # fmt: skip
    assert all(int(line["matches"]) + int(line["left_out"]) == SEASON for line in found.values())
    assert int(found["ours"]["matches"]) == SEASON > int(found["penaltyblog Dixon-Coles"]["matches"])
    ours, close = found["ours"], found["close (power)"]
    assert float(ours["rps_minus_reference_mean"]) == pytest.approx(float(ours["rps"]) - float(close["rps"]))
    assert float(close["rps_minus_ours_mean"]) == pytest.approx(float(close["rps"]) - float(ours["rps"]))
    assert (measured / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_kept_forecasts_give_the_same_table(measured: Path, results: Path, tmp_path: Path) -> None:
    """Ours and the peers' are read from their files; figures agree to the digits that a file keeps."""
    main(["--results", str(results), "--output", str(tmp_path), "--ours", str(measured / "ours.csv"),
          "--peers", str(measured / "peers.csv"), *DAYS])  # fmt: skip
    again, before = table(tmp_path), table(measured)
    assert list(again) == list(before)
    for name, line in before.items():
        for column in line:
            if column != "forecast" and line[column]:
                assert float(again[name][column]) == pytest.approx(float(line[column]), abs=1e-9), (name, column)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quality.csv", "quality.png"]


def test_results_without_prices_are_set_against_base_rates(measured: Path, plain_results: Path, tmp_path: Path) -> None:
    main(["--results", str(plain_results), "--output", str(tmp_path), "--ours", str(measured / "ours.csv"),
          "--peers", str(measured / "peers.csv"), "--tournament", "all", *DAYS])  # fmt: skip
    found = table(tmp_path)
    assert not [name for name in found if name.startswith("close")]
    assert found["base rates"]["rps_minus_reference_mean"] == ""
    assert float(found["ours"]["rps_minus_reference_mean"]) == pytest.approx(
        -float(found["base rates"]["rps_minus_ours_mean"])
    )


def without_a_line(path: Path, folder: Path) -> Path:
    copy = folder / "short.csv"
    copy.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    return copy


SLIPS: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "one match is missing": (lambda bench, at: ["--ours", str(without_a_line(bench / "ours.csv", at))], "1 of 132"),
    "a file of something else": (lambda bench, at: ["--peers", str(bench / "quality.csv")], "no columns of forecasts"),
    "no such file": (lambda bench, at: ["--peers", str(at / "nowhere.csv")], "cannot be read"),
    "peers for ours": (lambda bench, at: ["--ours", str(bench / "peers.csv")], "not written by `matchcast backtest"),
    "a window without matches": (lambda bench, at: ["--from", "2030-01-01", "--to", "2030-02-01"], "no finished match"),
    "an unknown tournament": (lambda bench, at: ["--tournament", "narnia:premier-league"], "unknown"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_bad_input_is_named_in_one_line(slip: str, measured: Path, results: Path, tmp_path: Path) -> None:
    arguments, said = SLIPS[slip]
    kept = ["--ours", str(measured / "ours.csv"), "--peers", str(measured / "peers.csv")]
    with pytest.raises(SystemExit, match=said):
        main(
            [
                "--results",
                str(results),
                "--output",
                str(tmp_path / "bench"),
                *DAYS,
                *kept,
                *arguments(measured, tmp_path),
            ]
        )
    assert not (tmp_path / "bench" / "quality.csv").exists()
