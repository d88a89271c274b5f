"""WhoScored's answers. All is pure: bytes in, rows and rejected rows out.

blocks   pages that say we are not welcome
site     the site's own lists: tournaments, stages, days with matches
"""

from matchcast.adapters.sources.whoscored.blocks import block_reason
from matchcast.adapters.sources.whoscored.site import (
    Season,
    Stage,
    Tournament,
    days_of,
    months_of,
    seasons_of,
    stages_of,
    tournaments_of,
)
from matchcast.ports import Parsed

__all__ = (
    "Season",
    "Stage",
    "Tournament",
    "WhoScored",
    "block_reason",
    "days_of",
    "months_of",
    "seasons_of",
    "stages_of",
    "tournaments_of",
)


class WhoScored:
    """The source `whoscored`."""

    name = "whoscored"

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        """The rows of any of the site's files; those without matches (tiers, calendar, tournament page) give none.

        Raises:
            SourceBlocked: it is a block page.
            LayoutChanged: it is not of the shape we know.
        """
        raise NotImplementedError
