"""Where scraping reads matches from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from matchcast.domain.match import SourceMatch
from matchcast.ports import Parsed
from matchcast.ports.events import Deadline

NONE_SETTLED: Final[Mapping[str, str]] = MappingProxyType({})
TURNED_AWAY: Final = "turned away: "
"""So begins the problem of a capture that is a refusal."""


class Window(NamedTuple):
    """Which matches are wanted: kick-off from one day (UTC) to another, both included.

    Attributes:
        tournaments: ids; none means all.
    """

    first_day: date
    last_day: date
    tournaments: frozenset[str] = frozenset()

    def holds(self, match: SourceMatch, settled: Mapping[str, str] = NONE_SETTLED) -> bool:
        """Whether the match is wanted; one of a tournament that we do not know is only where all are.

        Args:
            settled: ours of tournaments that we do not know by their codes, by how the source's rows write them.
        """
        wanted = not self.tournaments or settled.get(match.tournament, match.tournament) in self.tournaments
        return wanted and self.first_day <= match.kickoff_at.date() <= self.last_day


class RawFile(NamedTuple):
    """What a source answered, as it was.

    Attributes:
        name: what it is published under; tells `Feed.parse` what it is.
        status: of the HTTP answer.
        etag, last_modified: the validators that came with it, for asking again.
        taken_at: when it was captured; None for an answer of just now, which is not kept yet.
        retry_after: seconds for which the answer says to stay away.
        supplement: it only adds to matches that other files tell; one that cannot be read among others keeps no match
            from being loaded.
    """

    name: str
    url: str
    media_type: str
    content: bytes
    status: int = 200
    etag: str | None = None
    last_modified: str | None = None
    taken_at: datetime | None = None
    retry_after: int | None = None
    supplement: bool = False


class Visit(NamedTuple):
    """One visit of a source.

    Attributes:
        since: when it was first asked for: what was captured later is taken as it is and not asked for again, so that a
            visit that broke off goes on where it was.
        kept: the last good answer of an address, by URL.
        note: hears what whoever asked for the visit should know besides its rows.
        missing: the last answer of an address that said there is nothing (404, 410), by URL.
    """

    now: datetime
    since: datetime
    deadline: Deadline
    kept: Callable[[str], RawFile | None]
    note: Callable[[str], None] = lambda _: None
    missing: Callable[[str], RawFile | None] = lambda _: None


class Feed(Protocol):
    """An outside source of matches that can be asked."""

    name: str

    def fetch(self, window: Window, visit: Visit) -> Iterable[RawFile]:
        """The files that hold the window's matches, perhaps among others; in the same order for the same window.

        Each is asked for when the one before was taken and parsed, so that no more than two are held and nothing more is
        asked of a source that refuses. Files that did not change since they were kept come as they are kept.

        Raises:
            BadSource: the source has nothing of the window, or refuses for good.
            Unavailable: it cannot be reached or fails; trying again may help.
        """
        ...

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        """The rows of a file as of now; pure.

        Raises:
            SourceBlocked: it says that we are not welcome.
            BadSource: it is not the format it should be.
        """
        ...


class Capture(NamedTuple):
    """An answer of a source, kept as it was: the object `object_key` holds it, gzipped; `sha256` is of the plain bytes.

    Attributes:
        problem: why it could not be read, where it could not; begins with `TURNED_AWAY` if the source refused.
    """

    source: str
    name: str
    url: str
    taken_at: datetime
    media_type: str
    status: int
    etag: str | None
    last_modified: str | None
    sha256: str
    object_key: str
    problem: str | None = None


class Captures(Protocol):
    """The record of what sources answered."""

    def add(self, capture: Capture) -> None:
        """Add a capture at once; one of the same address and instant stays as it is."""
        ...

    def refuse(self, capture: Capture, problem: str) -> None:
        """Say why a capture could not be read."""
        ...

    def accept(self, capture: Capture) -> None:
        """Say that a capture can be read after all."""
        ...

    def latest(self, url: str) -> Capture | None:
        """The newest answer of an address that was a 200 and could be read."""
        ...

    def missing(self, url: str) -> Capture | None:
        """The newest answer of an address that said there is nothing: 404 or 410."""
        ...

    def of_source(self, source: str, first_day: date | None = None, last_day: date | None = None) -> Iterator[Capture]:
        """Captures taken on these days (UTC, both included), oldest first."""
        ...


class CoolDown(NamedTuple):
    """A source that turned us away is left alone until then."""

    until: datetime
    reason: str


class CoolDowns(Protocol):
    """The sources that nobody may ask for a while, kept where all processes see it."""

    def start(self, source: str, until: datetime, reason: str) -> None:
        """Leave a source alone from now on; a later end that stands already is kept."""
        ...

    def of(self, source: str, now: datetime) -> CoolDown | None:
        """The one that is not over."""
        ...
