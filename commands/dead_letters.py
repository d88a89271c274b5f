"""`matchcast dead-letters`: what no try could deliver, listed and replayed over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import httpx

app = typer.Typer(no_args_is_help=True, help="List and replay the events that no try could deliver.")

_PATH = "/monitoring/dead-letters"
_LONGEST_PAGE = 200
_SHOWN = 10
_CONFLICT = 409

Url = Annotated[str, typer.Option(envvar="MATCHCAST_URL", help="Where Matchcast answers.")]
Key = Annotated[str, typer.Option(envvar="MATCHCAST_API_KEY", help="An API key with the scope admin.")]


@app.command("list")
def list_letters(
    url: Url = "http://localhost:8080",
    key: Key = "",
    every: Annotated[bool, typer.Option("--all", help="Also those that were replayed and did not die again.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List open letters, those that died first at the top."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("letter", "died", "times", "broker", "event", "destination", "code", "state")
    shown = 0
    with _connected(url, key) as client:
        for letter in _letters(client, open_only=not every):
            if shown == limit:
                table.caption = "there are more; --limit shows them"
                break
            shown += 1
            kind = letter["event_type"].removeprefix("org.matchcast.")
            state = "open" if letter["replayed_at"] is None else f"replayed {letter['replayed_at'][:19]}"
            table.add_row(
                letter["letter_id"], letter["died_at"][:19], str(letter["deaths"]), letter["broker"], escape(kind),
                escape(letter["destination"]), "" if letter["code"] is None else str(letter["code"]), state,
            )  # fmt: skip
    if shown:
        Console(soft_wrap=True).print(table)
    else:
        typer.echo("no dead letters" if every else "no open dead letters")


@app.command()
def replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter that is open now.")] = False,
    url: Url = "http://localhost:8080",
    key: Key = "",
) -> None:
    """Publish letters' events again where they died. Letters replayed already are left alone."""
    from matchcast.errors import BadInput, GateFailed

    if bool(letter_ids) == every:
        raise BadInput("ID: name letters, or give --all; `matchcast dead-letters list` shows them", "letter_ids")
    with _connected(url, key) as client:
        # all are read before the first is replayed: one that dies again at once is not for this time
        wanted = letter_ids or [letter["letter_id"] for letter in _letters(client, open_only=True)]
        replayed, done_before, failed = 0, 0, []
        for letter_id in wanted:
            answer = _ask(client, "POST", f"{_PATH}/{_quoted(letter_id)}/replay")
            if answer.is_success:
                replayed += 1
            elif answer.status_code == _CONFLICT:
                done_before += 1
            else:
                failed.append(f"{letter_id}: {_detail(answer)}")
    left = f", {done_before:,} had been before" if done_before else ""
    typer.echo(f"{replayed:,} replayed{left}")
    if failed:
        more = f"\n  and {len(failed) - _SHOWN:,} more" if len(failed) > _SHOWN else ""
        raise GateFailed(f"{len(failed):,} could not be replayed:\n  " + "\n  ".join(failed[:_SHOWN]) + more)


@contextmanager
def _connected(url: str, key: str) -> "Iterator[httpx.Client]":
    import httpx

    from matchcast.errors import BadInput

    if not key:
        raise BadInput(
            "--key: is missing; give one or set MATCHCAST_API_KEY, `matchcast keys create NAME --scopes admin` makes one",
            "key",
        )
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"--url: {url!r} is no address; give one such as http://localhost:8080", "url")
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30) as client:
        yield client


def _letters(client: "httpx.Client", *, open_only: bool) -> Iterator[dict[str, Any]]:
    path: str | None = f"{_PATH}?limit={_LONGEST_PAGE}{'&open=true' if open_only else ''}"
    while path is not None:
        answer = _ask(client, "GET", path)
        if not answer.is_success:
            raise _refused(answer)
        page = answer.json()
        yield from page["items"]
        path = page["next"]


def _ask(client: "httpx.Client", method: str, path: str) -> "httpx.Response":
    import httpx

    from matchcast.errors import Unavailable

    try:
        answer = client.request(method, path)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"--url: {client.base_url} cannot be reached ({error}); is Matchcast there?") from error
    if answer.status_code in (401, 403):
        raise _refused(answer)
    return answer


def _refused(answer: "httpx.Response") -> Exception:
    from matchcast.errors import BadInput

    return BadInput(f"{answer.request.url} answered {answer.status_code}: {_detail(answer)}")


def _detail(answer: "httpx.Response") -> str:
    try:
        return str(answer.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}, no problem of ours; is this Matchcast's address?"


def _quoted(letter_id: str) -> str:
    from urllib.parse import quote

    return quote(letter_id, safe="")
