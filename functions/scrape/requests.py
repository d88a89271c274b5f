"""What POST /scrape takes."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from matchcast.ports.feeds import Window


class ScrapeRequest(BaseModel):
    """Which source to read, for the matches that kick off from one day to another, both included (UTC).

    `tournaments` are ids such as `england:premier-league`; without them all are read. At most 366 days at once.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"source": "football-data", "from": "2025-03-01", "to": "2025-03-07"}]},
    )

    source: Annotated[str, Field(min_length=1, max_length=128)]
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    tournaments: Annotated[frozenset[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=100)] = (
        frozenset()
    )

    def window(self) -> Window:
        return Window(self.first_day, self.last_day, self.tournaments)
