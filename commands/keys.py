"""`matchcast keys`: who may call the API."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url

if TYPE_CHECKING:
    from matchcast.adapters.database.api_keys import SqlApiKeys

app = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke API keys.")


class Scope(StrEnum):
    """What a key may be used for."""

    PREDICT = "predict"
    INGEST = "ingest"
    ADMIN = "admin"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated: predict, ingest, admin.")] = "predict",
    expires: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day (UTC) it ends.")] = None,
) -> None:
    """Make a key. Its text is shown once and never again."""
    from matchcast.errors import BadInput

    known = {scope.value for scope in Scope}
    wanted = frozenset(part.strip() for part in scopes.split(",") if part.strip())
    if not wanted or not wanted <= known:
        raise BadInput(f"--scopes: {scopes!r} is not a list of {', '.join(sorted(known))}", "scopes")
    if not name.strip():
        raise BadInput("NAME: say whose key it is", "name")
    now = datetime.now(UTC)
    expires_at = None if expires is None else expires.replace(tzinfo=UTC)
    if expires_at is not None and expires_at <= now:
        raise BadInput(f"--expires: {expires_at.date()} is past; give a later day", "expires")
    made = _keys().create(name.strip(), wanted, now, expires_at)
    typer.echo(
        f"key {made.key.key_id} for {made.key.name} ({', '.join(sorted(wanted))}); keep it, it is shown once:", err=True
    )
    typer.echo(made.text)


@app.command("list")
def list_keys() -> None:
    """List all keys ever made."""
    from rich.console import Console
    from rich.table import Table

    table = Table("key", "name", "scopes", "made", "state")
    now = datetime.now(UTC)
    for key in _keys().all():
        state = "active"
        if key.revoked_at is not None:
            state = f"revoked {key.revoked_at:%Y-%m-%d}"
        elif key.expires_at is not None:
            state = f"{'expired' if key.expires_at <= now else 'until'} {key.expires_at:%Y-%m-%d}"
        table.add_row(key.key_id, key.name, ", ".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d}", state)
    Console(soft_wrap=True, markup=False).print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `matchcast keys list` shows it.")]) -> None:
    """Revoke a key for good."""
    key = _keys().revoke(key_id, datetime.now(UTC))
    typer.echo(f"key {key.key_id} of {key.name} is revoked")


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="As `matchcast keys list` shows it.")],
    grace_hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="How long the old key goes on.")] = 24,
) -> None:
    """Make a key like another, and let the other end soon. Its text is shown once and never again."""
    now = datetime.now(UTC)
    made = _keys().rotate(key_id, now, now + timedelta(hours=grace_hours))
    typer.echo(
        f"key {made.key.key_id} follows {key_id}, which ends in {grace_hours:g} h; keep it, it is shown once:", err=True
    )
    typer.echo(made.text)


def _keys() -> "SqlApiKeys":
    from matchcast.adapters.database.api_keys import SqlApiKeys
    from matchcast.adapters.database.engine import Database

    return SqlApiKeys(Database(database_url()))
