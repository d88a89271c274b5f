"""What lists can be narrowed by."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query

from matchcast.ports import MatchFilter, StateSnapshot
from matchcast.usecases.lookup import LONGEST_PAGE, resolve_filter
from matchcast.web.instants import End, Instant
from matchcast.web.replies import StatusName, status_of

Name = Annotated[str | None, Query(min_length=1, max_length=200)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before holds it")]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]


class Narrowing:
    """Query parameters of a list, as a dependency."""

    def __init__(
        self,
        date_from: Annotated[Instant | None, Query(description="first day or instant")] = None,
        date_to: Annotated[End | None, Query(description="last day, or the instant before which")] = None,
        tournament: Annotated[Name, Query(description="id or name")] = None,
        team: Annotated[Name, Query(description="id, or any name beside `tournament`")] = None,
        status: StatusName | None = None,
    ) -> None:
        self._chosen = MatchFilter(date_from, date_to, tournament, team, status_of(status))

    def resolved(self, snapshot: Callable[[], StateSnapshot]) -> MatchFilter:
        """With canonical ids."""
        return resolve_filter(self._chosen, snapshot)
