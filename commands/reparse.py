"""`matchcast reparse`."""

import gc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url, objects
from commands.ingest import migrate, show_report

if TYPE_CHECKING:
    from matchcast.ports.feeds import Capture, Captures
    from matchcast.usecases.reparse import Reparsed


def reparse(
    source: Annotated[str, typer.Option(help="Whose answers to read, as in football-data.")],
    first_day: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Captures of this day (UTC) and later.")
    ] = None,
    last_day: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Captures of this day (UTC) and earlier.")
    ] = None,
    capture: Annotated[str | None, typer.Option(metavar="KEY", help="This capture only, by its object's key.")] = None,
    kickoff_from: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Matches that kick off on this day (UTC) or later.")
    ] = None,
    kickoff_to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Matches that kick off on this day (UTC) or earlier.")
    ] = None,
    tournament: Annotated[
        list[str] | None, typer.Option(help="Matches of this tournament only; again for more.")
    ] = None,
    from_objects: Annotated[
        bool, typer.Option("--from-objects", help="First bring back captures that the database has lost.")
    ] = False,
) -> None:
    """Rebuild matches, stats and odds from what sources answered, without asking them again.

    Every answer is read whole, as of the moment it was captured, in the order of these moments; what the store holds
    already stays as it is. A database that was lost gets the captures back from the object store by --from-objects.
    Answers that cannot be read are listed with their keys, and make the exit code 1; all others are loaded.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from matchcast.adapters.database.captures import SqlCaptures
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.match_store import SqlMatchStore
    from matchcast.adapters.sources.aliases import committed_aliases
    from matchcast.adapters.sources.captured import CAPTURED_SOURCES, parse_captured
    from matchcast.domain.competitions import COMPETITION_BY_ID
    from matchcast.errors import BadInput
    from matchcast.ports.feeds import Window
    from matchcast.usecases.captured import Archive
    from matchcast.usecases.reparse import EVERY_MATCH
    from matchcast.usecases.reparse import reparse as run

    if source not in CAPTURED_SOURCES:
        raise BadInput(
            f"--source: {source[:40]!r} is not captured; take one of {', '.join(CAPTURED_SOURCES)}", "source"
        )
    for first, last, option in ((first_day, last_day, ""), (kickoff_from, kickoff_to, "kickoff-")):
        if first is not None and last is not None and last < first:
            raise BadInput(f"--{option}to: {last:%Y-%m-%d} is before --{option}from; give a later day")
    tournaments = frozenset(tournament or ())
    unknown = sorted(tournaments - COMPETITION_BY_ID.keys())
    if unknown:
        raise BadInput(f"--tournament: {unknown[0][:60]!r} is none; give ids such as england:premier-league")
    window = Window(_day(kickoff_from) or EVERY_MATCH.first_day, _day(kickoff_to) or EVERY_MATCH.last_day, tournaments)
    database = Database(database_url())
    if database.file is not None and not database.file.exists():
        migrate()
    gc.disable()  # millions of tuples and no cycles, as in `matchcast ingest`
    try:
        captures, store = SqlCaptures(database), SqlMatchStore(database)
        archive = Archive(objects(), captures)
        damaged = archive.restore(source, _day(first_day), _day(last_day)) if from_objects else ()
        chosen = _chosen(captures, source, _day(first_day), _day(last_day), capture)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            reading = progress.add_task("reading captures", total=None)
            done = run(
                chosen, archive, lambda file, now: parse_captured(source, file, now), store,
                committed_aliases(), datetime.now(UTC), window=window,
                heard=lambda read: progress.update(reading, description=f"reading {escape(read.name)} of {read.taken_at:%F %R}"),
            )  # fmt: skip
    finally:
        gc.enable()
        database.close()
    _show(done, source)
    for key in damaged:
        typer.echo(f"not brought back: {key} is damaged; restore the object", err=True)
    if done.unreadable or damaged:
        raise typer.Exit(1)


def _day(given: datetime | None) -> date | None:
    return None if given is None else given.date()


def _chosen(
    captures: "Captures", source: str, first_day: date | None, last_day: date | None, key: str | None
) -> "Iterator[Capture]":
    """Captures in order.

    Raises:
        BadInput: there are none.
    """
    from matchcast.errors import BadInput

    found = False
    for capture in captures.of_source(source, first_day, last_day):
        if key is None or capture.object_key == key:
            found = True
            yield capture
    if not found:
        which = "of these days" if key is None else f"with the key {key}"
        raise BadInput(f"--source: there is no capture of {source} {which}; see the column object_key of `captures`")


def _show(done: "Reparsed", source: str) -> None:
    show_report(done.report)
    typer.echo(f"{done.captures:,} captures of {source} read; {done.refused:,} refusals or errors left out")
    for capture, reason in done.unreadable:
        taken_at = f"{capture.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        typer.echo(f"cannot be read: {capture.object_key} ({capture.url}, {taken_at}): {reason}", err=True)
    if done.unreadable:
        typer.echo(f"{len(done.unreadable):,} captures cannot be read; all others are loaded", err=True)
