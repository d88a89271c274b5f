"""What lists can be narrowed by, and what single answers are asked for by."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from matchcast.domain.forecast import CHAMPION
from matchcast.errors import BadInput
from matchcast.fields import Id, MatchId, Name, Plain
from matchcast.ports import MatchFilter, StateSnapshot
from matchcast.usecases.lookup import LONGEST_PAGE, resolve_filter
from matchcast.web.instants import InstantText, parse_end, parse_instant
from matchcast.web.replies import StatusName, status_of

Cursor = Annotated[Plain, Meta(max_length=200, description="`next` of the page before holds it")]
Limit = Annotated[int, Meta(ge=1, le=LONGEST_PAGE)]


class AskedForecast(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One forecast."""

    match_id: MatchId
    model: Annotated[Name, Meta(description="`champion` or a version")] = CHAMPION


class AskedTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task."""

    task_id: Id


class AskedList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a list."""

    date_from: Annotated[InstantText | None, Meta(description="first day or instant")] = None
    date_to: Annotated[InstantText | None, Meta(description="last day, or the instant before which")] = None
    tournament: Annotated[Name | None, Meta(description="id or name")] = None
    team: Annotated[Name | None, Meta(description="id, or any name beside `tournament`")] = None
    status: StatusName | None = None
    cursor: Cursor | None = None
    limit: Limit = 50

    def __post_init__(self) -> None:
        self._chosen()

    def resolved(self, snapshot: Callable[[], StateSnapshot]) -> MatchFilter:
        """With canonical ids."""
        return resolve_filter(self._chosen(), snapshot)

    def _chosen(self) -> MatchFilter:
        first, last = read_instants(self.date_from, self.date_to)
        return MatchFilter(first, last, self.tournament, self.team, status_of(self.status))


def read_instants(date_from: str | None, date_to: str | None) -> tuple[datetime | None, datetime | None]:
    """The instants from which, and before which.

    Raises:
        BadInput: one of them is no date; names it.
    """
    return _read("date_from", date_from, parse_instant), _read("date_to", date_to, parse_end)


def _read(field: str, text: str | None, parse: Callable[[str], datetime]) -> datetime | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise BadInput(f"{field}: {error}", field) from error
