"""A database in which forecasts meet their results."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.prices import SqlPrices
from matchcast.adapters.database.records import settlement_row
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.adapters.database.tables import matches, settlements
from matchcast.domain.forecast import Cause, Forecast, Probabilities
from matchcast.domain.match import Fixture, MatchStatus, Odds, OddsMoment
from matchcast.domain.settlement import Settlement
from matchcast.events import ForecastsSettled, payload_of
from matchcast.ports import ResolvedMatch
from matchcast.usecases.settle import Settler
from tests.contract.matches import ALIASES, KICKOFF, TEAMS, ingested

NOW: Final = datetime(2025, 3, 2, 9, tzinfo=UTC)
BEFORE: Final = KICKOFF - timedelta(hours=1)
CLOSING: Final = (Odds("PS", OddsMoment.CLOSING, 2.0, 3.5, 4.0), Odds("Avg", OddsMoment.CLOSING, 1.9, 3.4, 4.2))
HOME_LIKELY: Final = Probabilities(0.5, 0.25, 0.25)


class Place:
    """A database, and what is done to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = SqlLedger(database)
        self.settlements = SqlSettlements(database)
        self.settler = Settler("drift", self.settlements, SqlPrices(database), SqlInbox(database))

    def load(self, *rows: ResolvedMatch) -> None:
        SqlMatchStore(self.database).load(rows, TEAMS, ALIASES, NOW)

    def match_id(self, home: str = "arsenal", away: str = "chelsea") -> int:
        chosen = select(matches.c.id).where(
            matches.c.home_team_id == f"england:{home}", matches.c.away_team_id == f"england:{away}"
        )
        with self.database.reading() as connection:
            return int(connection.execute(chosen).scalar_one())

    def forecast(
        self,
        at: datetime = BEFORE,
        *,
        recorded_at: datetime | None = None,
        probabilities: Probabilities = HOME_LIKELY,
        match_id: int | None = -1,
        cause: Cause = Cause.NEW_RESULTS,
    ) -> int:
        """Put one into the ledger; its id."""
        game = Fixture("england:premier-league", "england:arsenal", "england:chelsea", KICKOFF, 2024)
        about = replace(game, match_id=self.match_id() if match_id == -1 else match_id)
        made = Forecast(about, at, probabilities, "v1", "s1", "c1", cause)
        return self.ledger.append([made], lambda: recorded_at or at)[0].forecast_id

    def declare(self, status: MatchStatus) -> None:
        """Say that every match counts as this, whatever its score."""
        with self.database.writing() as connection:
            connection.execute(matches.update().values(status=status.value))

    def change(self, **values: object) -> None:
        """Change every match as `matchcast ingest` does: no event tells of it."""
        with self.database.writing() as connection:
            connection.execute(matches.update().values(values))

    def settle(self, *finished: int, id: str = "e1", now: datetime = NOW) -> ForecastsSettled:
        reply = self.settler.settle(ingested(*finished, id=id), now, Timer(30))
        assert reply is not None
        return payload_of(reply, ForecastsSettled)

    def all(self) -> Sequence[Settlement]:
        """Every revision; what is equal whenever it was written compares equal."""
        with self.database.reading() as connection:
            rows = connection.execute(select(settlements)).all()
        found = [settlement_row(row._asdict()).settlement for row in rows]
        return sorted(settlement._replace(settled_at=NOW) for settlement in found)
