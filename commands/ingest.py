"""`matchcast migrate` and `matchcast ingest`."""

import csv
import gc
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import cache_directory, database_url, uv_program

if TYPE_CHECKING:
    from rich.console import Console

    from matchcast.usecases.ingest import IngestReport, ParsedFile

_SHOWN = 5


class SourceName(StrEnum):
    """What a file can be."""

    AUTO = "auto"
    FOOTBALL_DATA = "football-data"
    RESULTS_ONLY = "results-only"
    OPENFOOTBALL = "openfootball"
    DEMO = "demo"
    WHOSCORED = "whoscored"


class NewTeamsChoice(StrEnum):
    """What to do with unknown names of clubs."""

    PROPOSE = "propose"
    CREATE = "create"
    REVIEW = "review"


def migrate() -> None:
    """Make the database, or bring it to the tables of this version."""
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.migrate import migrate as run

    url = database_url()
    done = run(url)
    place = Database(url).place
    what = "is up to date" if done.before == done.after else f"migrated from {done.before or 'nothing'} to {done.after}"
    typer.echo(f"{place}: {what}")


def ingest(
    source: Annotated[SourceName, typer.Argument(help="What the files are; auto looks at their columns.")],
    places: Annotated[
        list[str] | None, typer.Argument(metavar="PATH_OR_URL...", help="Files; demo needs none.", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="demo only: from this day on, fixtures without result."),
    ] = None,
    new_teams: Annotated[
        NewTeamsChoice,
        typer.Option(help="Unknown names: hold back those like known clubs, make clubs of all, or hold back all."),
    ] = NewTeamsChoice.PROPOSE,
    rejected: Annotated[Path | None, typer.Option(help="Write every rejected row to this CSV file.")] = None,
) -> None:
    """Load matches. All files go in together or not at all; what cannot be loaded is listed with its reason."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.match_store import SqlMatchStore
    from matchcast.adapters.sources.aliases import committed_aliases
    from matchcast.errors import BadInput
    from matchcast.usecases.ingest import ingest as run
    from matchcast.usecases.resolution import NewTeams

    if until is not None and source is not SourceName.DEMO:
        raise BadInput("--until: only the source demo knows it; leave it out", "until")
    if not places and source is not SourceName.DEMO:
        raise BadInput("PATH_OR_URL: name at least one file", "path")
    database = Database(database_url())
    if database.file is not None and not database.file.exists():
        migrate()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    gc.disable()  # millions of tuples and no cycles: looking for garbage would double the time
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            reading = progress.add_task("reading", total=None)
            wanted = places or [str(_demo())]
            progress.update(reading, total=len(wanted))
            files = []
            for place in wanted:
                progress.update(reading, description=f"reading {place}")
                files.append(_parsed(source, place, until.date() if until else None))
                progress.advance(reading)
            writing = progress.add_task(f"comparing with {database.place}", total=None)

            def show(written: int, of: int) -> None:
                progress.update(writing, description=f"writing to {database.place}", completed=written, total=of)

            store, now = SqlMatchStore(database), datetime.now(UTC)
            report = run(files, store, committed_aliases(), now, NewTeams(new_teams.value), show)
    finally:
        gc.enable()
        database.close()
    show_report(report)
    if rejected is not None:
        _write_rejected(report, rejected)
    if report.rows_loaded == 0 and report.rejected:
        raise BadInput("nothing was loaded: every row was rejected, for the reasons above")


def _demo() -> Path:
    from matchcast.adapters.sources.demo import fetch_demo

    return fetch_demo(cache_directory(), uv_program())


def _parsed(source: SourceName, place: str, until: date | None) -> "ParsedFile":
    from matchcast.adapters.files import read_file
    from matchcast.adapters.sources import detect, source_named
    from matchcast.usecases.ingest import ParsedFile

    file = read_file(place)
    chosen = detect(file.content, file.name) if source is SourceName.AUTO else source_named(source.value, until)
    return ParsedFile(file.name, chosen.parse(file.content, file.name))


def show_report(report: "IngestReport") -> None:
    """Print what an ingest did."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    table = Table("", "inserted", "updated", "unchanged")
    for name, count in zip(("matches", "stats", "odds"), report.loaded[:3], strict=True):
        table.add_row(name, *(f"{number:,}" for number in count))
    console.print(table)
    console.print(
        f"{report.rows_read:,} rows read, {report.rows_loaded:,} loaded, {report.loaded.repeated:,} told twice,"
        f" {len(report.new_teams):,} new clubs, {len(report.recognised):,} names recognised by spelling,"
        f" {len(report.by_calendar):,} by their matches,"
        f" {len(report.held):,} names held back, {len(report.rejected):,} rejected"
    )
    _list(console, "new clubs", [team.team_id for team in report.new_teams])
    _list(console, "recognised", [f"{alias.name} = {alias.team_id}" for alias in report.recognised])
    _list(console, "the same matches", [f"{alias.name} = {alias.team_id}" for alias in report.by_calendar])
    _list(console, "worth a look (one club or two?)", [f"{pair.one} / {pair.other}" for pair in report.look_alikes])
    held = [f"{a.name} ({a.country}): {' or '.join(a.proposals) or 'new?'}" for a in report.held]
    _list(console, "held back (`matchcast teams review`)", held)
    found = [f"{alias.told_as} ({alias.name}) = {alias.tournament_id}" for alias in report.settled_tournaments]
    _list(console, "tournaments found by their matches", found)
    open_ = [
        f"{a.told_as} ({a.name}, {a.country}): {' or '.join(p.tournament_id for p in a.proposals) or '?'}"
        for a in report.held_tournaments
    ]
    _list(console, "tournaments held back (`matchcast tournaments review`)", open_)
    reasons = Counter(_kind(row.row.reason) for row in report.rejected)
    for kind, number in reasons.most_common():
        console.print(f"rejected {number:,}: {kind}", markup=False)
        same = [row for row in report.rejected if _kind(row.row.reason) == kind]
        for file, row in same[:_SHOWN]:
            console.print(f"  {file}:{row.line}: {row.reason}", markup=False)


def _list(console: "Console", title: str, items: list[str]) -> None:
    if items:
        shown = ", ".join(items[: 4 * _SHOWN])
        more = f" and {len(items) - 4 * _SHOWN:,} more" if len(items) > 4 * _SHOWN else ""
        console.print(f"{title}: {shown}{more}", markup=False)


def _kind(reason: str) -> str:
    """A reason without its particulars: its field."""
    return reason.split(":", 1)[0] if ":" in reason.split(" ", 2)[0] else " ".join(reason.split()[:1])


def _write_rejected(report: "IngestReport", path: Path) -> None:
    from matchcast.errors import BadInput

    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "line", "reason", "text"))
            writer.writerows((name, row.line, row.reason, row.text) for name, row in report.rejected)
    except OSError as error:
        raise BadInput(f"--rejected: {path} cannot be written ({error.strerror}); the matches are loaded") from error
