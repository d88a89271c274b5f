"""Walking forward: what a line may depend on, and what the command says of bad input."""

import csv
import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from commands.main import app
from matchcast.domain.match import MatchStatus, Odds, OddsMoment, SourceMatch
from matchcast.errors import BadInput
from matchcast.features.contract import choose
from matchcast.model.fit import FitParams
from matchcast.model.forecaster import MEMBERS
from matchcast.usecases.backtest import Backtest, Retrain, backtest, compare, retraining_days, table_of

PARAMS_FILE = Path(__file__).parents[3] / "params.yaml"
FIRST_SEASON, SEASONS, TEAMS = 2015, 6, 14
CONTRACT = choose(["elo", "pi", "goals", "league"], ["home", "away"], [], [], [])


def quick_params() -> FitParams:
    """The real knobs, with few boosting rounds."""
    model = yaml.safe_load(PARAMS_FILE.read_text())["model"]
    model["trees"].update(max_rounds=25, min_child_weight=5)
    model["threads"] = 1
    return FitParams.of(model)


def results(seed: int = 3) -> list[SourceMatch]:
    """Six double round-robins of fourteen clubs whose strengths differ, one match day a week, no times."""
    generator = np.random.default_rng(seed)
    strength = generator.normal(0, 0.4, TEAMS)
    rows: list[SourceMatch] = []
    for season in range(FIRST_SEASON, FIRST_SEASON + SEASONS):
        pairs = list(permutations(range(TEAMS), 2))
        generator.shuffle(pairs)
        for n, (home, away) in enumerate(pairs):
            day = datetime(season, 8, 1, tzinfo=UTC) + timedelta(days=7 * (n // 5))
            home_goals, away_goals = generator.poisson(
                np.exp([0.3 + strength[home] - strength[away], strength[away] - strength[home]])
            )
            rows.append(
                SourceMatch(
                    source="football-data", source_id=f"{season}-{n}", line=n, tournament="england:premier-league",
                    season=season, kickoff_at=day, kickoff_known=False, home_team=f"Club {home}",
                    away_team=f"Club {away}", status=MatchStatus.FINISHED, home_goals=int(home_goals),
                    away_goals=int(away_goals),
                    odds=(Odds("Avg", OddsMoment.CLOSING, 2.2, 3.3, 3.4),),
                )
            )  # fmt: skip
    return rows


def run(rows: Sequence[SourceMatch], retrain: Retrain = Retrain.YEARLY) -> Backtest:
    return backtest(
        table_of(rows), CONTRACT, quick_params(), first_day=date(2015, 1, 1), start=date(2019, 7, 1),
        end=date(2021, 6, 30), retrain=retrain,
    )  # fmt: skip


@pytest.fixture(scope="module")
def yearly() -> Backtest:
    """The unchanged results, trained yearly."""
    return run(results())


def lines(result: Backtest, until: date) -> dict[tuple[int, tuple[str, str]], bytes]:
    """Forecasts of matches up to a day, by match, to the bit."""
    last = int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp())
    return {
        (int(result.as_of[i]), result.names[i]): result.probs[i].tobytes() + result.trained_until[i].tobytes()
        for i in range(len(result.probs))
        if result.as_of[i] <= last
    }


def reversed_score(row: SourceMatch) -> SourceMatch:
    return row._replace(home_goals=row.away_goals, away_goals=row.home_goals)


CHANGES: dict[str, Callable[[list[SourceMatch], date], list[SourceMatch]]] = {
    "change": lambda rows, day: [reversed_score(r) if r.kickoff_at.date() >= day else r for r in rows],
    "delete others": lambda rows, day: [r for r in rows if r.kickoff_at.date() <= day],
    "add": lambda rows, day: [
        *rows,
        *(r._replace(home_team=f"{r.home_team} B", home_goals=9) for r in rows if r.kickoff_at.date() >= day),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_result_on_or_after_a_match_day_changes_its_line(change: str, yearly: Backtest) -> None:
    """Results of the day itself and later may be changed, deleted or added: the line stays, to the bit."""
    rows, day = results(), date(2020, 9, 5)
    day = min(r.kickoff_at.date() for r in rows if r.kickoff_at.date() >= day)
    before = lines(yearly, day)
    after = lines(run(CHANGES[change](rows, day)), day)
    assert len(before) > 150
    assert {key: after[key] for key in before} == before


def test_an_earlier_result_does_change_later_lines(yearly: Backtest) -> None:
    """A guard for the law above."""
    rows, day = results(), date(2020, 9, 5)
    changed = [reversed_score(r) if r.kickoff_at.date() < day else r for r in rows]
    assert lines(yearly, date(2021, 6, 30)) != lines(run(changed), date(2021, 6, 30))


@pytest.mark.parametrize(("retrain", "models"), [(Retrain.NEVER, 1), (Retrain.YEARLY, 2)])
def test_models_are_trained_as_often_as_asked_and_only_on_the_past(retrain: Retrain, models: int) -> None:
    result = run(results(), retrain)
    assert len(set(result.trained_until.tolist())) == models
    assert bool((result.trained_until < result.as_of).all())


def test_retraining_days_by_hand() -> None:
    assert retraining_days(date(2023, 11, 15), date(2024, 2, 1), Retrain.MONTHLY) == [
        date(2023, 11, 15), date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 1),
    ]  # fmt: skip
    assert retraining_days(date(2020, 2, 29), date(2022, 3, 1), Retrain.YEARLY) == [
        date(2020, 2, 29), date(2021, 2, 28), date(2022, 2, 28),
    ]  # fmt: skip


def test_forecasts_beat_base_rates_and_are_set_beside_the_close(yearly: Backtest) -> None:
    """On clubs of different strength a trained model must beat base rates; the close is compared on the same matches."""
    base, close = compare(yearly)
    assert base.name == "base rates"
    assert base.log_loss.mean < -3 * base.log_loss.standard_error
    assert close.name == "closing odds"
    assert close.ours.matches == close.theirs.matches == base.ours.matches


def test_a_doubled_match_counts_once() -> None:
    rows = results()
    table = table_of([*rows, *rows[:10]])
    assert (len(table.columns), table.duplicates) == (len(rows), 10)


def test_too_little_to_train_on_is_said() -> None:
    with pytest.raises(BadInput, match="too few"):
        backtest(
            table_of(results()), CONTRACT, quick_params(), first_day=date(2015, 1, 1), start=date(2016, 1, 1),
            end=date(2016, 6, 1), retrain=Retrain.NEVER,
        )  # fmt: skip


@pytest.fixture
def season_file(tmp_path: Path) -> Path:
    """The same results as one gzipped football-data file."""
    path = tmp_path / "matches.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["Div", "Season", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "AvgCH", "AvgCD", "AvgCA"]
        )
        for r in results():
            assert r.home_goals is not None
            assert r.away_goals is not None
            outcome = "HDA"[0 if r.home_goals > r.away_goals else 1 if r.home_goals == r.away_goals else 2]
            season = f"{r.season}/{(r.season + 1) % 100:02d}"
            writer.writerow(["E0", season, r.kickoff_at.date(), "", r.home_team, r.away_team, r.home_goals,
                             r.away_goals, outcome, 2.2, 3.3, 3.4])  # fmt: skip
    return path


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    content = yaml.safe_load(PARAMS_FILE.read_text())
    content["model"]["trees"]["max_rounds"] = 20
    content["model"]["threads"] = 1
    content["split"]["first_day"] = "2015-01-01"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_command_writes_a_line_a_match(season_file: Path, params_file: Path, tmp_path: Path) -> None:
    """From a results file to forecasts, with the columns that were promised, and scores beside the close."""
    output = tmp_path / "forecasts.csv"
    done = CliRunner().invoke(
        app,
        ["backtest", "--results", str(season_file), "--from", "2020-07-01", "--to", "2021-06-30", "--output", str(output),
         "--params", str(params_file)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    written = list(csv.DictReader(output.read_text().splitlines()))
    assert len(written) == TEAMS * (TEAMS - 1)
    assert list(written[0]) == [
        "date", "tournament", "home_team", "away_team", "home_prob", "draw_prob", "away_prob", "as_of",
        "model_trained_until", *(f"{member}_{side}_prob" for member in MEMBERS for side in ("home", "draw", "away")),
    ]  # fmt: skip
    for line in written:
        members = [[float(line[f"{member}_{side}_prob"]) for side in ("home", "draw", "away")] for member in MEMBERS]
        assert [sum(member) for member in members] == pytest.approx([1.0] * len(MEMBERS))
        assert sum(float(line[f"{side}_prob"]) for side in ("home", "draw", "away")) == pytest.approx(1.0)
        assert line["model_trained_until"] < line["date"] == line["as_of"][:10]
    assert "closing odds" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2030-01-01", "--to", "2030-02-01"], "no match"),
        (["--from", "2021-01-01", "--to", "2020-01-01"], "before --from"),
        (["--from", "2020-07-01", "--to", "2021-01-01", "--tournament", "narnia:premier-league"], "unknown"),
        (["--from", "2020-07-01", "--to", "2021-01-01", "--results", "nowhere.csv"], "no such file"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    arguments: list[str], said: str, season_file: Path, params_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "forecasts.csv"
    done = CliRunner().invoke(
        app,
        ["backtest", "--results", str(season_file), "--output", str(output), "--params", str(params_file), *arguments],
    )
    assert done.exit_code == 1
    assert said in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["matches.csv.gz", "params.yaml"]
