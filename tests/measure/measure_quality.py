"""Our forecasts beside the peers', base rates and the closing odds, on identical matches.

    python -m tests.measure.measure_quality [--results FILE] [--from DAY] [--to DAY] [--tournament ID|big-five|all]
        [--ours FILE.csv] [--peers FILE.csv] [--output FOLDER]

Ours are made by the walk-forward of `matchcast backtest` with yearly training, which takes tens of minutes for six
seasons, unless --ours names a file that it wrote. The peers' take some minutes, unless --peers names a file written
here. The folder (data/bench) then holds ours.csv, peers.csv, quality.csv and quality.png. The peers are of the package
penaltyblog (`uv sync --group peers`).
"""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from matchcast.usecases.backtest import MatchTable
    from pipeline.params import Params
    from tests.measure.peers.forecasts import Probs, Window
    from tests.measure.peers.standing import Difference, Standing

ROOT: Final = Path(__file__).parents[2]
MERGED: Final = ROOT.parent / "shared/data/football-data/matches_1993_2025.csv.gz"
OURS: Final = "ours"
CLOSE: Final = "close (power)"
CLOSE_SHIN: Final = "close (Shin)"
BASE: Final = "base rates"


def measure(arguments: argparse.Namespace, console: "Console") -> None:
    """Read, forecast what no file holds, compare, write."""
    from commands.backtest_report import read_table, tournaments_named
    from matchcast.errors import BadInput
    from matchcast.model.market import shin_probabilities
    from pipeline.params import read_params
    from tests.measure.peers.forecasts import Window
    from tests.measure.peers.standing import season_gaps, season_plot, standings

    if not arguments.results:
        raise BadInput("--results: name a football-data or results-only file (.gz too)", "results")
    if arguments.peers is None and find_spec("penaltyblog") is None:
        raise BadInput("penaltyblog is not installed: `uv sync --group peers`, or name forecasts by --peers", "peers")
    params = read_params(arguments.params)
    table = read_table(arguments.results, console)
    everything = "all" in arguments.tournament
    tournaments = table.columns.tournaments if everything else tournaments_named(arguments.tournament)
    window = Window(arguments.start, arguments.end, tournaments, params.split.first_day)
    wanted = window.wanted(table.columns)
    if not wanted.any():
        raise BadInput(f"the results hold no finished match from {window.start} to {window.end}", "from")
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    ours = _ours(arguments.ours, table, window, params, folder, console)
    peers = _peers(arguments.peers, table, window, folder, console)
    forecasts: dict[str, Probs] = {**ours, **peers}
    priced = bool((wanted & ~np.isnan(table.close[:, 0])).any())
    if priced:
        forecasts |= {CLOSE: table.close, CLOSE_SHIN: shin_probabilities(table.closing_odds)}
    chosen = {name: probs[wanted] for name, probs in forecasts.items()}
    outcomes, seasons = table.columns.outcome[wanted], table.columns.season[wanted]
    reference = CLOSE if priced else BASE
    found = standings(chosen, outcomes, (OURS, reference))
    console.print(_shown(found, reference, f"{window.start} to {window.end}, {int(wanted.sum()):,} matches"))
    _write(found, reference, folder / "quality.csv")
    drawn = {name: probs for name, probs in chosen.items() if name == reference or name not in (BASE, CLOSE_SHIN)}
    season_plot(season_gaps(drawn, outcomes, seasons, reference), reference).savefig(folder / "quality.png", dpi=120)
    console.print(f"table and plot in {folder}")


def _peers(
    given: Path | None, table: "MatchTable", window: "Window", folder: Path, console: "Console"
) -> "dict[str, Probs]":
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from tests.measure.peers.forecasts import peer_forecasts, read_forecasts, write_forecasts

    wanted = window.wanted(table.columns)
    if given is not None:
        return read_forecasts(given, "--peers", table, wanted)
    with Progress(*Progress.get_default_columns(), TextColumn("elapsed"), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("ratings", total=None)

        def tell(name: str, done: int, of: int) -> None:
            bar.update(task, description=name, completed=done, total=of)

        forecasts = peer_forecasts(table.columns, window, tell)
    write_forecasts(folder / "peers.csv", table, wanted, forecasts)
    return forecasts


def _ours(
    given: Path | None, table: "MatchTable", window: "Window", params: "Params", folder: Path, console: "Console"
) -> "dict[str, Probs]":
    from commands.backtest_report import walk_forward, write_forecasts
    from matchcast.errors import BadInput
    from matchcast.usecases.backtest import Retrain
    from tests.measure.peers.forecasts import read_forecasts

    if given is None:
        given = folder / "ours.csv"
        found = walk_forward(table, params, window.start, window.end, Retrain.YEARLY, window.tournaments, console)
        write_forecasts(found, given)
    forecasts = read_forecasts(given, "--ours", table, window.wanted(table.columns))
    if OURS not in forecasts:
        raise BadInput(f"--ours {given}: not written by `matchcast backtest --output`", "ours")
    return forecasts


def _shown(found: "Sequence[Standing]", reference: str, title: str) -> "Table":
    from rich.box import MARKDOWN
    from rich.table import Table

    said = f"{title}; each line on the matches that it, ours and {reference} have; ± standard error"
    table = Table(title=said, box=MARKDOWN)
    for name in ("forecast", "matches", "left out", "RPS", "log loss", "ECE"):
        table.add_column(name, justify="left" if name == "forecast" else "right")
    for other in (OURS, reference):
        table.add_column(f"RPS − {other}", justify="right")
        table.add_column(f"log loss − {other}", justify="right")
    for one in found:
        scores = one.scores
        table.add_row(
            one.name, f"{scores.matches:,}", f"{one.left_out:,}", f"{scores.rps:.4f}", f"{scores.log_loss:.4f}",
            f"{scores.ece:.4f}", *(cell for other in (OURS, reference) for cell in _cells(one.to.get(other))),
        )  # fmt: skip
    return table


def _cells(difference: "Difference | None") -> tuple[str, str]:
    if difference is None:
        return "", ""
    rps, log_loss = difference
    return (f"{rps.mean:+.4f} ± {rps.standard_error:.4f}", f"{log_loss.mean:+.4f} ± {log_loss.standard_error:.4f}")


def _write(found: "Sequence[Standing]", reference: str, path: Path) -> None:
    """The table's figures in full, one line a forecaster."""
    columns = ("mean", "standard_error")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["forecast", "matches", "left_out", "rps", "log_loss", "ece"]
            + [f"{s}_minus_{o}_{c}" for o in ("ours", "reference") for s in ("rps", "log_loss") for c in columns]
        )
        for one in found:
            scores = one.scores
            row = [one.name, scores.matches, one.left_out, scores.rps, scores.log_loss, scores.ece]
            for other in (OURS, reference):
                to = one.to.get(other)
                row += [getattr(part, c) for part in to for c in columns] if to else [""] * 4
            writer.writerow(row)


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, action="append", default=[])
    parser.add_argument("--from", dest="start", type=date.fromisoformat, default=date(2019, 7, 1))
    parser.add_argument("--to", dest="end", type=date.fromisoformat, default=date(2025, 5, 25))
    parser.add_argument("--tournament", action="append", default=[])
    parser.add_argument("--ours", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "data/bench")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    arguments = parser.parse_args(given)
    arguments.tournament = arguments.tournament or ["big-five"]
    if not arguments.results and MERGED.exists():
        arguments.results = [MERGED]
    return arguments


def main(given: Sequence[str] | None = None) -> None:
    """Exits with a message of one line where something given is not usable."""
    arguments = _arguments(sys.argv[1:] if given is None else given)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from rich.console import Console

    from matchcast.errors import MatchcastError

    try:
        measure(arguments, Console(width=180))
    except MatchcastError as error:
        raise SystemExit(f"measure_quality: {error}") from error


if __name__ == "__main__":
    main()
