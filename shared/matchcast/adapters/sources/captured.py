"""What a source answered, read as of the moment it was captured."""

from datetime import datetime
from typing import Final

import msgspec

from matchcast.adapters.sources.demo import DemoSource
from matchcast.adapters.sources.football_data import FootballData
from matchcast.adapters.sources.openfootball import OpenFootball
from matchcast.adapters.sources.whoscored import WhoScored, block_reason
from matchcast.errors import BadSource, LayoutChanged, SourceBlocked
from matchcast.ports import Parsed, Source
from matchcast.ports.feeds import RawFile

CAPTURED_SOURCES: Final = (FootballData.name, OpenFootball.name, WhoScored.name, DemoSource.name)
"""The sources whose answers are kept."""


def parse_captured(source: str, file: RawFile, now: datetime) -> Parsed:
    """The rows of a source's answer.

    Args:
        source: one of CAPTURED_SOURCES.
        now: when the answer was given, unless the file says when it was captured.
    Raises:
        SourceBlocked: it says that we are not welcome.
        LayoutChanged: it is not what this source publishes.
        BadSource: it is empty, or ends too early to be told.
    """
    refused = block_reason(file.content, file.status)
    if refused is not None:
        raise SourceBlocked(f"source: {source} turns us away: {file.url}: {refused}", retry_after=file.retry_after)
    try:
        return _parser(source, file.taken_at or now).parse(file.content, file.name)
    except (LayoutChanged, SourceBlocked):
        raise
    except BadSource as error:
        kind = BadSource if source == WhoScored.name or _ends_early(file.content) else LayoutChanged
        raise kind(f"{error} (from {file.url})", error.field) from error


def _ends_early(content: bytes) -> bool:
    """Whether it is nothing, the beginning of a JSON document, or that of a table's first line."""
    start = content.removeprefix(b"\xef\xbb\xbf").strip()
    if start[:1] not in (b"{", b"["):
        return start[:1] != b"<" and b"\n" not in start
    try:
        msgspec.json.decode(start)
    except (ValueError, RecursionError) as error:
        return "truncated" in str(error)
    return False


def _parser(source: str, taken_at: datetime) -> Source:
    if source == FootballData.name:
        return FootballData(taken_at)
    if source == OpenFootball.name:
        return OpenFootball()
    if source == WhoScored.name:
        return WhoScored()
    return DemoSource(taken_at.date())
