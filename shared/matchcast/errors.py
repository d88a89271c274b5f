"""Every error Matchcast raises on purpose.

MatchcastError
├── BadInput              the caller can mend it: the message names the field and the remedy
│   ├── BadSource         a file or feed cannot be read as what it should be
│   │   ├── LayoutChanged a source's answer is no longer what we can read
│   │   └── SourceBlocked a source turns us away
│   ├── UnknownTeam
│   ├── UnknownTournament
│   └── Unauthorised      no valid API key
│       └── MissingScope  a valid one that does not allow this
├── NotFound              the thing asked for does not exist (yet)
│   └── TaskExpired       how this task ended is no longer told
├── Conflict              what is asked for was done already
├── TooManyRequests       this key has asked for more than it may, for now
├── TaskEnded             the task has its final state, or is unknown: its work must not be done
├── GateFailed            a validation or promotion gate said no
└── Unavailable           something we depend on is missing or broken; trying again may help
    ├── TimedOut          the work took longer than it may
    ├── BundleBroken      a model bundle fails its hashes or its golden rows
    └── SnapshotBroken    a state snapshot cannot be read
"""


class MatchcastError(Exception):
    """Base of every error raised on purpose."""


class BadInput(MatchcastError):
    """The caller can mend it.

    Args:
        message: what is wrong and what to do about it.
        field: the input field at fault, where there is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BadSource(BadInput):
    """A file or feed cannot be read as what it should be."""


class LayoutChanged(BadSource):
    """A source's answer is not of the shape we know: our reader must be mended, then `matchcast reparse` reads it anew.

    Args:
        leave_alone_for: seconds for which the source is better left alone: it may be turning us away in words we do not know.
    """

    def __init__(self, message: str, field: str | None = None, leave_alone_for: int | None = None) -> None:
        super().__init__(message, field)
        self.leave_alone_for = leave_alone_for


class SourceBlocked(BadSource):
    """A source turns us away (a block page, a CAPTCHA, 403, 429); it is left alone for a while, never got around.

    Args:
        retry_after: seconds for which the source itself says to stay away.
    """

    def __init__(self, message: str, field: str | None = "source", retry_after: int | None = None) -> None:
        super().__init__(message, field)
        self.retry_after = retry_after


class UnknownTeam(BadInput):
    """No club is known by this name; `suggestions` holds the nearest known names."""

    def __init__(self, message: str, field: str | None = None, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(message, field)
        self.suggestions = suggestions


class UnknownTournament(BadInput):
    """No tournament is known by this name or id."""


class Unauthorised(BadInput):
    """No valid API key came with the request."""


class MissingScope(Unauthorised):
    """The API key is valid, but does not allow this."""


class NotFound(MatchcastError):
    """The thing asked for does not exist, or not yet."""


class TaskExpired(NotFound):
    """How this task ended is no longer told."""


class Conflict(MatchcastError):
    """What is asked for was done already, or cannot be done as things stand."""


class TooManyRequests(MatchcastError):
    """The key has asked for more than it may; `retry_after` says in how many seconds it may again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TaskEnded(MatchcastError):
    """The task has its final state, or is unknown: its work must not be done."""


class GateFailed(MatchcastError):
    """A validation or promotion gate said no."""


class Unavailable(MatchcastError):
    """Something we depend on is missing or broken; trying again may help.

    Args:
        retry_after: seconds before which it will not, where that is known.
    """

    def __init__(self, message: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """The work took longer than it may. What of it was done is done; asking again shows it."""


class BundleBroken(Unavailable):
    """A model bundle fails its hashes or its golden rows."""


class SnapshotBroken(Unavailable):
    """A state snapshot cannot be read."""
