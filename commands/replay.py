"""`matchcast replay`: make recorded forecasts again and compare them to the bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from matchcast.usecases.replay import Replayed, Replayer


def replay(
    forecast_id: Annotated[
        int | None, typer.Argument(min=1, max=2**63 - 1, help="A row of the ledger.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every row of the ledger.")] = False,
) -> None:
    """Make a recorded forecast again from its snapshot and model, and compare; ends with 1 if anything differs."""
    from rich.console import Console

    from matchcast.errors import BadInput

    if every == (forecast_id is not None):
        raise BadInput("forecast_id: give the id of a forecast, or --all", "forecast_id")
    console = Console(soft_wrap=True, markup=False)
    with _replayer() as replayer:
        if forecast_id is None:
            equal = _replay_all(replayer, console)
        else:
            replayed = replayer.replay(forecast_id)
            _show(replayed, console)
            equal = replayed.difference is None
    if not equal:
        raise typer.Exit(1)


def _show(replayed: "Replayed", console: "Console") -> None:
    from rich.table import Table

    row = replayed.row
    fixture = row.forecast.fixture
    console.print(
        f"forecast {row.forecast_id}: {fixture.home_team} against {fixture.away_team}, {fixture.tournament}, "
        f"{fixture.kickoff_at:%Y-%m-%d}; made by code {row.forecast.code_revision[:12]}, cause {row.forecast.cause.value}"
    )
    console.print(f"from {replayed.snapshot_key} and models/{row.forecast.model_version}/")
    table = Table("compared", "recorded", "recomputed", "")
    for compared in replayed.compared:
        table.add_row(*compared, "equal" if compared.equal else "DIFFERS")
    console.print(table)
    console.print("it replays: all are equal" if replayed.difference is None else _told(replayed))


def _replay_all(replayer: "Replayer", console: "Console") -> bool:
    """Replay every row and tell those that do not; whether all did."""
    from rich.progress import track

    from matchcast.errors import MatchcastError

    rows, failed, previous = 0, 0, None
    for row in track(replayer.ledger.rows(), "replaying", console=console, transient=True):
        rows += 1
        try:
            replayed = replayer.replay_row(row, previous)
            told = None if replayed.difference is None else _told(replayed)
        except MatchcastError as error:
            told = f"forecast {row.forecast_id} cannot be replayed: {error}"
        if told is not None:
            failed += 1
            console.print(told)
        previous = row
    console.print(f"{rows} forecasts replayed, {rows - failed} equal, {failed} not")
    return not failed


def _told(replayed: "Replayed") -> str:
    first = replayed.difference
    assert first is not None
    return (
        f"forecast {replayed.row.forecast_id} differs: {first.name} was recorded as {first.recorded} "
        f"and comes out as {first.recomputed}"
    )


@contextmanager
def _replayer() -> "Iterator[Replayer]":
    """Over the ledger and the object store that the environment names; the copy of a snapshot has no name once it is read."""
    from commands.environment import database_url, objects
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.ledger import SqlLedger
    from matchcast.adapters.snapshot_file import open_snapshot
    from matchcast.adapters.snapshot_state import read_state
    from matchcast.usecases.replay import RecordedState, Replayer

    with TemporaryDirectory(prefix="matchcast-replay-") as folder:

        def open_state(key: str, content: bytes) -> RecordedState:
            file = Path(folder) / Path(key).name
            file.write_bytes(content)
            snapshot = open_snapshot(file)
            state = read_state(file, snapshot)
            file.unlink()  # what is open goes on without its name; a whole ledger would fill the disk
            return RecordedState(snapshot, state)

        yield Replayer(SqlLedger(Database(database_url())), objects(), open_state)
