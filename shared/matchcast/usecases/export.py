"""The whole store as it was known at an instant."""

from collections.abc import Iterator
from datetime import datetime

from matchcast.domain.match import MatchStatus, known_at
from matchcast.ports import ContentReader, ExportManifest, ExportWriter, FullMatch


def export(reader: ContentReader, writer: ExportWriter, as_of: datetime) -> ExportManifest:
    """Write a snapshot in which nothing is told that was not known at `as_of`."""
    with reader.contents() as contents:
        return writer.write(contents._replace(matches=as_known(contents.matches, as_of)), as_of)


def as_known(matches: Iterator[FullMatch], as_of: datetime) -> Iterator[FullMatch]:
    """The matches as they stood at `as_of`.

    A match whose result became known later is a fixture without goals and stats; of its odds only those remain that
    were taken by then, and of a fixture's odds also those whose time is not told.
    """
    for full in matches:
        match = full.match
        if known_at(match.kickoff_at, match.kickoff_known) <= as_of:
            yield full
            continue
        was_played = match.status in (MatchStatus.FINISHED, MatchStatus.IN_PLAY, MatchStatus.ABANDONED)
        odds = tuple(
            price
            for price in full.odds
            if (price.taken_at is None and not was_played) or (price.taken_at is not None and price.taken_at <= as_of)
        )
        fixture = match._replace(
            status=MatchStatus.UPCOMING if was_played else match.status,
            home_goals=None,
            away_goals=None,
            home_goals_extra_time=None,
            away_goals_extra_time=None,
            home_penalties=None,
            away_penalties=None,
        )
        yield FullMatch(fixture, None, odds)
