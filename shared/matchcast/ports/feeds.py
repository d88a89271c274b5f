"""Where scraping reads matches from."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from matchcast.domain.match import SourceMatch
from matchcast.ports import Parsed
from matchcast.ports.events import Deadline


class Window(NamedTuple):
    """Which matches are wanted: kick-off from one day (UTC) to another, both included.

    Attributes:
        tournaments: ids; none means all.
    """

    first_day: date
    last_day: date
    tournaments: frozenset[str] = frozenset()

    def holds(self, match: SourceMatch) -> bool:
        wanted = not self.tournaments or match.tournament in self.tournaments
        return wanted and self.first_day <= match.kickoff_at.date() <= self.last_day


class RawFile(NamedTuple):
    """What a source answered, as it was: `name` is what it is published under."""

    name: str
    url: str
    media_type: str
    content: bytes


class Feed(Protocol):
    """An outside source of matches that can be asked."""

    name: str

    def fetch(self, window: Window, now: datetime, deadline: Deadline) -> Iterable[RawFile]:
        """The files that hold the window's matches, perhaps among others; in the same order for the same window.

        Each is asked for when the one before was taken, so that no more than two are held.

        Raises:
            BadSource: the source has nothing of the window, or refuses for good.
            Unavailable: it cannot be reached or fails; trying again may help.
        """
        ...

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        """The rows of a file as of now.

        Raises:
            BadSource: it is not the format it should be.
        """
        ...


class Capture(NamedTuple):
    """An answer of a source, kept as it was: the object `object_key` holds it, gzipped; `sha256` is of the plain bytes."""

    source: str
    url: str
    taken_at: datetime
    media_type: str
    sha256: str
    object_key: str


class Captures(Protocol):
    """The record of what sources answered. Writes join the transaction of `Inbox.once`."""

    def add(self, captures: Sequence[Capture]) -> None:
        """Add captures; one of the same address and instant stays as it is."""
        ...
