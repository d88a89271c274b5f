"""What `matchcast backtest` does: read the files, walk forward, write the forecasts, print the scores."""

import csv
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.domain.competitions import BIG_FIVE, COMPETITION_BY_ID
from matchcast.domain.match import RejectedRow, SourceMatch
from matchcast.errors import BadInput, BadSource, UnknownTournament
from matchcast.model.fit import FitParams
from matchcast.model.forecaster import MEMBERS
from matchcast.usecases.backtest import Backtest, MatchTable, Retrain, backtest, compare, table_of
from pipeline.params import Params, read_params

COLUMNS = (
    "date", "tournament", "home_team", "away_team", "home_prob", "draw_prob", "away_prob", "as_of",
    "model_trained_until", *(f"{member}_{side}_prob" for member in MEMBERS for side in ("home", "draw", "away")),
)  # fmt: skip


def run_backtest(
    results: Sequence[Path], start: date, end: date, output: Path, retrain: Retrain, tournaments: Sequence[str],
    params_file: Path, console: Console,
) -> None:  # fmt: skip
    """Read the files, walk forward, write one line a match and print the scores.

    Raises:
        BadInput: a file, a date or the parameters are not usable; nothing is written then.
    """
    if not output.parent.is_dir():
        raise BadInput(f"--output {output}: the folder {output.parent} does not exist", field="output")
    params = read_params(params_file)
    table = read_table(results, console, params.features.market_from)
    result = walk_forward(table, params, start, end, retrain, tournaments_named(tournaments), console)
    write_forecasts(result, output)
    console.print(f"{len(result.probs):,} forecasts written to {output}")
    console.print(scores_table(result))


def read_table(results: Sequence[Path], console: Console, market_from: Sequence[str] = ()) -> MatchTable:
    """Read files of one source and say what was in them.

    Args:
        market_from: bookmakers whose opening prices become the market's columns.
    Raises:
        BadInput: a file cannot be read, they are of different sources, or no match is usable.
    """
    rows, rejected = _read(results)
    if not rows:
        raise BadSource(f"{', '.join(map(str, results))}: no usable match in {len(rejected)} rows", "results")
    table = table_of(rows, market_from)
    console.print(f"{len(rows):,} matches read, {len(rejected):,} rows rejected, {table.duplicates:,} doubles")
    for row in rejected[:5]:
        console.print(f"  line {row.line}: {row.reason}", markup=False)
    return table


def walk_forward(
    table: MatchTable, params: Params, start: date, end: date, retrain: Retrain, tournaments: Sequence[str],
    console: Console,
) -> Backtest:  # fmt: skip
    """`usecases.backtest.backtest` with a progress bar."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("features", total=None)

        def tell(begin: date, number: int, of: int) -> None:
            progress.update(task, description=f"training as of {begin}", total=of, completed=number - 1)

        return backtest(
            table,
            params.features.contract(),
            FitParams.of(params.model.model_dump()),
            first_day=params.split.first_day,
            start=start,
            end=end,
            retrain=retrain,
            tournaments=tournaments,
            progress=tell,
        )


def tournaments_named(asked: Sequence[str]) -> list[str]:
    """Ids as asked for on the command line; `big-five` stands for five.

    Raises:
        UnknownTournament: an id that is not in the catalogue.
    """
    found: list[str] = []
    for name in asked:
        if name == "big-five":
            found.extend(BIG_FIVE)
        elif name in COMPETITION_BY_ID:
            found.append(name)
        else:
            raise UnknownTournament(
                f"--tournament {name}: unknown; give big-five or one of {', '.join(sorted(COMPETITION_BY_ID))}",
                "tournament",
            )
    return found


def write_forecasts(result: Backtest, output: Path) -> None:
    """One line a match, in a file that appears whole or not at all."""
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for i, (home, away) in enumerate(result.names):
                tournament = result.matches.tournaments[result.matches.tournament[i]]
                as_of = datetime.fromtimestamp(int(result.as_of[i]), UTC)
                until = datetime.fromtimestamp(int(result.trained_until[i]), UTC).date()
                kickoff = datetime.fromtimestamp(int(result.matches.kickoff[i]), UTC)
                writer.writerow(
                    [kickoff.date(), tournament, home, away, *(f"{p:.12f}" for p in result.probs[i]),
                     as_of.strftime("%Y-%m-%dT%H:%M:%SZ"), until, *(f"{p:.12f}" for p in result.members[:, i].ravel())]
                )  # fmt: skip
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def scores_table(result: Backtest) -> Table:
    """Ours beside base rates and the close, on identical matches."""
    table = Table(title="Lower is better, but for accuracy; differences are ours minus theirs ± standard error")
    for name in ("matches", "forecast", "log loss", "RPS", "Brier", "ECE", "accuracy", "Δ log loss", "Δ RPS"):
        table.add_column(name, justify="left" if name == "forecast" else "right")
    for found in compare(result):
        for name, scores, differs in (("ours", found.ours, True), (found.name, found.theirs, False)):
            table.add_row(
                f"{scores.matches:,}", name, f"{scores.log_loss:.4f}", f"{scores.rps:.4f}", f"{scores.brier:.4f}",
                f"{scores.ece:.4f}", f"{scores.accuracy:.1%}",
                f"{found.log_loss.mean:+.4f} ± {found.log_loss.standard_error:.4f}" if differs else "",
                f"{found.rps.mean:+.4f} ± {found.rps.standard_error:.4f}" if differs else "",
                end_section=not differs,
            )  # fmt: skip
    return table


def _read(results: Sequence[Path]) -> tuple[list[SourceMatch], list[RejectedRow]]:
    rows: list[SourceMatch] = []
    rejected: list[RejectedRow] = []
    for path in results:
        name, raw = read_file(str(path))
        parsed = detect(raw, name).parse(raw, name)
        rows.extend(parsed.rows)
        rejected.extend(parsed.rejected)
    if len({r.source for r in rows}) > 1:
        raise BadInput(
            "--results: files of different sources name clubs differently; give files of one source, or ingest them all "
            "and train from the database",
            field="results",
        )
    return rows, rejected
