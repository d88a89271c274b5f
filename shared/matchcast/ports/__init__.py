"""What the use cases need from outside, as protocols; `adapters` holds the real ones, `tests` the fakes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from enum import StrEnum
from math import nan
from typing import TYPE_CHECKING, NamedTuple, Protocol

from matchcast.domain.competitions import Competition
from matchcast.domain.forecast import Coverage, Forecast, LedgerRow
from matchcast.domain.match import Fixture, MatchStats, MatchStatus, Odds, RejectedRow, SourceMatch
from matchcast.ports.calendar import Calendar
from matchcast.ports.tournaments import TournamentAliases

if TYPE_CHECKING:
    from matchcast.domain.merging import StoredMatch

Clock = Callable[[], datetime]
"""Says what time it is: aware UTC."""


class Parsed(NamedTuple):
    """What a source made of some bytes: every row is in one of the two.

    `tournaments` are those of `rows` that we do not know (`domain.competitions.unknown_competition`).
    """

    rows: Sequence[SourceMatch]
    rejected: Sequence[RejectedRow]
    tournaments: tuple[Competition, ...] = ()


class Source(Protocol):
    """One outside source of matches; `parse` is pure."""

    name: str

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        """Turn bytes into rows.

        Args:
            raw: the file as published; gzip is undone by the reader before.
            file_name: the name it was published under, where the format needs it (season, division).
        Raises:
            BadSource: the bytes are not this format at all (wrong columns, not text, empty).
        """
        ...


class UpsertCount(NamedTuple):
    """What a bulk upsert did, in rows of each table's own kind (matches, stats or odds)."""

    inserted: int
    updated: int
    unchanged: int


class TeamRecord(NamedTuple):
    """A club: canonical id, usual name, country."""

    team_id: str
    name: str
    country: str


class AliasStatus(StrEnum):
    """Whether a source's name for a club is settled."""

    CONFIRMED = "confirmed"
    REVIEW = "review"


class TeamAlias(NamedTuple):
    """What a source calls a club.

    Attributes:
        source: name of the source, or `*` for a name that means this club everywhere.
        team_id: None while the name waits for review.
        proposals: team ids a reviewer may choose from, best first.
        decided_at: None while the name waits for review.
        club_id: what the source itself knows the club by, where it told with the name.
    """

    source: str
    country: str
    name: str
    team_id: str | None
    status: AliasStatus
    proposals: tuple[str, ...] = ()
    decided_at: datetime | None = None
    club_id: str | None = None


class ResolvedMatch(NamedTuple):
    """A source's match whose clubs are known by id."""

    told: SourceMatch
    home_team: str
    away_team: str


class Refusal(NamedTuple):
    """A row of a load that was not stored: its position (from 0) among the rows given, and why."""

    position: int
    reason: str


class LoadReport(NamedTuple):
    """What one load did; `repeated` rows were told again further down by the same source, whose last word counts.

    `statuses` holds every match told, by id, as it stands now.
    """

    matches: UpsertCount
    stats: UpsertCount
    odds: UpsertCount
    refused: Sequence[Refusal]
    repeated: int
    statuses: Mapping[int, MatchStatus]


class FullMatch(NamedTuple):
    """A stored match with all that is known of it."""

    match: "StoredMatch"
    stats: MatchStats | None
    odds: tuple[Odds, ...]


class Contents(NamedTuple):
    """All that is stored, as of one moment; `matches` come in order of (kickoff_at, id) and can be read once."""

    matches: Iterator[FullMatch]
    teams: Sequence[TeamRecord]
    aliases: Sequence[TeamAlias]
    tournaments: Sequence[str]


class ContentReader(Protocol):
    """Reads everything, for exports."""

    def contents(self) -> AbstractContextManager[Contents]: ...


class ExportFile(NamedTuple):
    """One file of an export: its number of rows and the SHA-256 of its bytes."""

    rows: int
    sha256: str


class ExportManifest(NamedTuple):
    """What an export holds; `data_version` is the same whenever the contents are."""

    as_of: datetime
    data_version: str
    files: Mapping[str, ExportFile]


class ExportWriter(Protocol):
    """Writes an export's files; readers see the old export or the new one, nothing between."""

    def write(self, contents: Contents, as_of: datetime) -> ExportManifest:
        """Write all files and their manifest, equal contents to equal bytes."""
        ...


Progress = Callable[[int, int], None]
"""Hears, as a load goes on, how many rows are written and how many there are to write."""


def unheard(written: int, of: int) -> None:
    """The `Progress` of whoever does not care."""


class MatchStore(Calendar, TournamentAliases, Protocol):
    """Matches, stats, odds and clubs, written in bulk."""

    def turn(self) -> AbstractContextManager[object]:
        """A transaction, begun when no other that writes clubs or matches is open: what is read in it is what is
        written upon. Reads and writes of the same thread join it."""
        ...

    def teams(self) -> Sequence[TeamRecord]: ...

    def aliases(self) -> Sequence[TeamAlias]: ...

    def load(
        self,
        rows: Sequence[ResolvedMatch],
        teams: Sequence[TeamRecord],
        aliases: Sequence[TeamAlias],
        now: datetime,
        progress: Progress = unheard,
    ) -> LoadReport:
        """Add new clubs, names and matches and bring known ones up to date, in one transaction.

        Raises:
            Unavailable: the database cannot be reached or refused; nothing was written.
        """
        ...

    def decide(self, alias: TeamAlias, new_team: TeamRecord | None, merged: str | None) -> int:
        """Settle a name. `merged` names a club that ceases to be: its matches and names go to the alias's club.

        Returns:
            How many matches changed clubs.
        Raises:
            BadInput: the two played each other, or both have a match on the same day in the same tournament against
                the same opponent.
        """
        ...


class MatchRecord(NamedTuple):
    """A stored match with ids and names resolved, for lists."""

    match_id: int
    tournament: str
    season: int
    kickoff_at: datetime
    kickoff_known: bool
    home_team: str
    home_name: str
    away_team: str
    away_name: str
    status: MatchStatus
    home_goals: int | None
    away_goals: int | None


class MatchFilter(NamedTuple):
    """Which matches a list shows; None means any."""

    kickoff_from: datetime | None = None
    kickoff_to: datetime | None = None
    tournament: str | None = None
    team: str | None = None
    status: MatchStatus | None = None


class MatchReader(Protocol):
    """Lists of stored matches."""

    def find(self, match_id: int) -> MatchRecord | None: ...

    def page(self, chosen: MatchFilter, after: tuple[datetime, int] | None, limit: int) -> Sequence[MatchRecord]:
        """Up to `limit` matches in order of (kickoff_at, match_id), those after `after` only."""
        ...


class LedgerEnd(Protocol):
    """Where forecasts that were asked for are recorded."""

    def record(self, asked: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow | None]:
        """The rows that hold these forecasts.

        A forecast of the same fixture by the same model from the same state is the same one, whatever it was made for,
        `compared` apart: the row that holds it is given back. Others are added at the end of the chain, all or none.

        Args:
            clock: asked for `recorded_at` once nobody else can write.
        Returns:
            In order; None where the kick-off had come by then.
        Raises:
            Unavailable: the ledger cannot be reached; nothing was written.
        """
        ...

    def hashes(self, forecast_ids: Sequence[int]) -> Mapping[int, str]:
        """The hash of each of these rows that there is, by id.

        Raises:
            Unavailable: the ledger cannot be reached.
        """
        ...


class Ledger(LedgerEnd, Protocol):
    """The append-only record of every forecast shown."""

    def append(self, forecasts: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow]:
        """Add rows at the end of the chain as they are, all or none.

        Args:
            clock: asked for `recorded_at` once nobody else can write.
        Raises:
            Unavailable: the ledger cannot be reached; nothing was written.
        """
        ...

    def find(self, forecast_id: int) -> LedgerRow | None: ...

    def history(self, match_id: int) -> Sequence[LedgerRow]:
        """Every forecast of a match, oldest first."""
        ...

    def rows(self) -> Iterator[LedgerRow]:
        """The whole chain, oldest first."""
        ...


class ApiKey(NamedTuple):
    """A stored API key; the key itself is never stored."""

    key_id: str
    name: str
    sha256: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeys(Protocol):
    """The keys that clients may use."""

    def active(self, now: datetime) -> Iterable[ApiKey]:
        """Keys neither revoked nor expired at `now`."""
        ...


class ObjectStore(Protocol):
    """Files by key (`models/champion.json`), written atomically."""

    def put(self, key: str, content: bytes) -> str:
        """Write or replace an object; readers see the old bytes or the new ones, nothing between. Returns its ETag."""
        ...

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        """Read an object.

        Args:
            largest: how many bytes it may have; none of a larger one are read.
        Raises:
            NotFound: there is no such object.
            BadInput: it is larger.
            Unavailable: the store cannot be reached.
        """
        ...

    def etag(self, key: str) -> str | None:
        """Changes whenever the object does; None if there is none."""
        ...

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys below a prefix, sorted."""
        ...


class PairingState(NamedTuple):
    """The fold's state vectors of one pairing (float64 values), as `features.reading.read` wants them.

    Attributes:
        market: log-odds of home, draw and away in the fixture's prices before the match; NaN where the state holds none.
    """

    home: Sequence[float]
    away: Sequence[float]
    home_seat: Sequence[float]
    away_seat: Sequence[float]
    league: Sequence[float]
    pair: Sequence[float]
    home_is_first: bool
    market: Sequence[float] = (nan, nan, nan)


class CurrentForecast(NamedTuple):
    """A forecast of an upcoming fixture as the batch made it, and how much it knows."""

    forecast: Forecast
    coverage: Coverage


class StateSnapshot(Protocol):
    """The feature state as of one instant, with the forecasts made from it; immutable."""

    @property
    def state_hash(self) -> str: ...

    @property
    def as_of(self) -> datetime: ...

    @property
    def model_version(self) -> str:
        """The version that made the forecasts in this snapshot."""
        ...

    def team_id(self, name: str, tournament: str) -> str:
        """The club that goes by `name` (canonical id, usual name or alias; case, accents and punctuation are ignored).

        Raises:
            UnknownTeam: no club of the tournament's country goes by that name; the message lists the nearest names.
        """
        ...

    def team_name(self, team_id: str) -> str: ...

    def tournament_id(self, name: str) -> str:
        """The tournament that goes by `name` (canonical id, or name where only one country has it).

        Raises:
            UnknownTournament: none does, or several do; the message lists the candidates.
        """
        ...

    def pairing(self, fixture: Fixture) -> PairingState: ...

    def fixture(self, match_id: int) -> Fixture | None:
        """An upcoming fixture by id."""
        ...

    def fixture_of(self, tournament: str, home_team: str, away_team: str, day: date) -> Fixture | None:
        """The upcoming fixture of this pairing on this day (UTC)."""
        ...

    def forecast(self, match_id: int) -> CurrentForecast | None:
        """The current forecast of an upcoming fixture."""
        ...

    def forecasts(
        self, chosen: MatchFilter, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[CurrentForecast]:
        """Up to `limit` current forecasts in order of (kickoff_at, match_id), those after `after` only."""
        ...
