"""What POST /scrape takes."""

from datetime import date
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

from matchcast.fields import Id
from matchcast.ports.feeds import Window


class ScrapeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which source to read, for the matches that kick off from one day to another, both included (UTC).

    `tournaments` are ids such as `england:premier-league`; without them all are read. At most 366 days at once.
    """

    EXAMPLES: ClassVar[tuple[dict[str, Any], ...]] = (
        {
            "source": "football-data",
            "from": "2025-03-01",
            "to": "2025-03-07",
            "tournaments": ["england:premier-league"],
        },
        {"source": "football-data", "from": "2025-03-01", "to": "2025-03-07"},
    )

    source: Id
    first_day: date = field(name="from")
    last_day: date = field(name="to")
    tournaments: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()

    def window(self) -> Window:
        return Window(self.first_day, self.last_day, frozenset(self.tournaments))
