"""Show what is stored: the current forecasts and matches, page by page, and how tasks stand."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, NamedTuple, TypeVar

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.forecast import CHAMPION, VERSION
from matchcast.errors import BadInput, NotFound, TaskExpired, UnknownTeam, UnknownTournament
from matchcast.ports import CurrentForecast, MatchFilter, MatchReader, MatchRecord, StateSnapshot
from matchcast.ports.events import Task, Tasks

T = TypeVar("T")

LONGEST_PAGE: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Page(NamedTuple, Generic[T]):
    """Some items in order of (kick-off, id), and the cursor to those after them; None at the end."""

    items: Sequence[T]
    next: str | None


def current_forecast(match_id: int, snapshot: StateSnapshot) -> CurrentForecast:
    """The forecast of an upcoming fixture, as the batch made it.

    Raises:
        NotFound: the fixture is unknown, or has no forecast.
    """
    current = snapshot.forecast(match_id)
    if current is None:
        known = "has no forecast yet" if snapshot.fixture(match_id) else "is no upcoming fixture"
        raise NotFound(
            f"match_id: {match_id} {known} in the snapshot as of {snapshot.as_of.isoformat()}; "
            "GET /predict/ lists the fixtures with forecasts, GET /matches/ all matches"
        )
    return current


def list_forecasts(
    chosen: MatchFilter, cursor: str | None, limit: int, snapshot: StateSnapshot
) -> Page[CurrentForecast]:
    """A page of current forecasts; `chosen` holds canonical ids.

    Raises:
        BadInput: the cursor is not one of ours.
    """
    found = snapshot.forecasts(chosen, read_cursor(cursor), limit + 1)
    return page_of(found, limit, lambda c: (c.forecast.fixture.kickoff_at, c.forecast.fixture.match_id or 0))


def list_matches(chosen: MatchFilter, cursor: str | None, limit: int, matches: MatchReader) -> Page[MatchRecord]:
    """A page of stored matches; `chosen` holds canonical ids.

    Raises:
        BadInput: the cursor is not one of ours.
        Unavailable: the database cannot be reached.
    """
    found = matches.page(chosen, read_cursor(cursor), limit + 1)
    return page_of(found, limit, lambda m: (m.kickoff_at, m.match_id))


def task_status(task_id: str, tasks: Tasks, now: datetime) -> Task:
    """How a task stands.

    Raises:
        NotFound: there is no such task.
        TaskExpired: its status is gone.
        Unavailable: the database is away.
    """
    task = tasks.find(task_id)
    if task is None:
        raise NotFound(f"task_id: there is no task {task_id}; the answer that accepted it names it")
    if task.expires_at <= now:
        raise TaskExpired(
            f"task_id: the status of task {task_id} could be asked for until "
            f"{task.expires_at.isoformat(timespec='seconds')}; submit it again"
        )
    return task


def resolve_filter(chosen: MatchFilter, snapshot: Callable[[], StateSnapshot]) -> MatchFilter:
    """The filter with names replaced by canonical ids.

    Args:
        snapshot: opens the snapshot; only called if there is a name to look up.
    Raises:
        BadInput: an unknown name, or a club's name without a tournament; names the field.
    """
    tournament = chosen.tournament
    if tournament is not None and tournament not in COMPETITION_BY_ID:
        try:
            tournament = snapshot().tournament_id(tournament)
        except UnknownTournament as error:
            raise UnknownTournament(f"tournament: {error}", "tournament") from error
    team = chosen.team
    if team is not None and ":" not in team:
        if tournament is None:
            raise BadInput(
                "team: a name may be borne by clubs of several countries; "
                "give its id, such as england:arsenal, or add tournament",
                "team",
            )
        try:
            team = snapshot().team_id(team, tournament)
        except UnknownTeam as error:
            raise UnknownTeam(f"team: {error}", "team", error.suggestions) from error
    return chosen._replace(tournament=tournament, team=team)


def judged_version(model: str, snapshot: Callable[[], StateSnapshot]) -> str:
    """The version whose settled forecasts are meant.

    Args:
        model: champion, which is the one that made the current forecasts, or a version.
        snapshot: opens the snapshot; only called for champion.
    Raises:
        NotFound: it is neither; a challenger's forecasts are settled for nobody.
    """
    if model == CHAMPION:
        return snapshot().model_version
    if not VERSION.fullmatch(model):
        raise NotFound(
            f"model: no settled forecasts go by {model[:80]!r}; give champion or a version that `matchcast models` lists"
        )
    return model


def cursor_after(kickoff_at: datetime, match_id: int) -> str:
    """An opaque cursor to what comes after this match."""
    since = kickoff_at - _EPOCH
    position = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return base64.urlsafe_b64encode(f"{position}.{match_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    """What a cursor says.

    Raises:
        BadInput: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        position, match_id = (int(part) for part in text.split("."))
        after = datetime.fromtimestamp(position // 1_000_000, UTC).replace(microsecond=position % 1_000_000)
    except (binascii.Error, ValueError, OverflowError, OSError) as error:
        raise BadInput("cursor: this is no cursor of ours; start again without one", "cursor") from error
    if not 0 <= match_id < 2**63 or cursor_after(after, match_id) != cursor:
        raise BadInput("cursor: this is no cursor of ours; start again without one", "cursor")
    return after, match_id


def page_of(found: Sequence[T], limit: int, position: Callable[[T], tuple[datetime, int]]) -> Page[T]:
    """The first `limit` of what was found, with a cursor if there is more."""
    items = found[:limit]
    return Page(items, cursor_after(*position(items[-1])) if len(found) > limit else None)
