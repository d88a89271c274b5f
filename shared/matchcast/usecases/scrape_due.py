"""Scrapes that a PingSource asks for."""

from typing import Annotated, Final

from msgspec import Meta

from matchcast.domain.event import Event, derived_id
from matchcast.errors import BadInput
from matchcast.events import Part, ScrapeRequested, data_of
from matchcast.fields import Id

LONGEST_WINDOW: Final = 366
"""Days that one scrape may cover."""

_Days = Annotated[int, Meta(ge=0, le=LONGEST_WINDOW)]


class ScrapeDue(Part, frozen=True, kw_only=True):
    """What a PingSource says: read this source from some days before today to some days after."""

    source: Id
    days_before: _Days
    days_after: _Days


def task_of_ping(event: Event) -> str | None:
    """The task of a PingSource's event; None if it asks for no scrape."""
    try:
        data_of(event, ScrapeDue)
    except BadInput:
        return None
    return task_id_of(event)


def task_id_of(due: Event) -> str:
    """The id of the task that is made of an event."""
    return derived_id(due, ScrapeRequested.type())
