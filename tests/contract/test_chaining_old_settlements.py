"""A database from before settlements were chained, on SQLite and PostgreSQL."""

from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, insert, table, text

from matchcast.adapters.database import migrate as migrating
from matchcast.adapters.database.chains import SqlChains
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import SCHEMA_REVISION, forecast_values
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.adapters.database.tables import Instant, forecasts
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Probabilities, ledger_hash
from matchcast.domain.match import Fixture, MatchStatus
from matchcast.model.metrics import score
from matchcast.usecases.ledger import verify
from tests.contract.matches import KICKOFF, NOW, TEAMS

MATCH = 7
CHANCES = Probabilities(0.5, 0.25, 0.25)
MATCHES = table(
    "matches",
    *(column(name) for name in ("id", "source", "source_id", "tournament_id", "season", "sex", "kickoff_known")),
    *(column(name) for name in ("match_day", "home_team_id", "away_team_id", "status", "home_goals", "away_goals")),
    *(column(name, Instant()) for name in ("kickoff_at", "ingested_at", "updated_at")),
)
SETTLEMENTS = table(
    "settlements",
    *(column(name) for name in ("match_id", "revision", "forecast_id", "home_goals", "away_goals")),
    *(column(name) for name in ("log_loss", "rps", "brier")),
    *(column(name, Instant()) for name in ("kickoff_at", "settled_at")),
)


@pytest.fixture
def old(database: Database) -> Database:
    """A database at revision 0002, in which a forecast was settled and its result corrected."""
    if database.file is not None:
        database.close()
        database.file.unlink()
    unchecked = Database(database.url.render_as_string(hide_password=False), checked=False)
    with unchecked.writing() as connection:
        if not unchecked.is_sqlite:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        config = Config()
        config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        fill(connection)
    unchecked.close()
    return database


def fill(connection: Connection) -> None:
    connection.execute(text("INSERT INTO tournaments VALUES ('premier', 'Premier League', 'england', 1, 'M', 8)"))
    for team in TEAMS:
        add = text("INSERT INTO teams VALUES (:id, :name, 'england', 'M', 'test', :at)").bindparams(
            id=team.team_id, name=team.name
        )
        connection.execute(add, {"at": NOW.replace(tzinfo=None).isoformat(" ")})
    game = Fixture("premier", TEAMS[0].team_id, TEAMS[1].team_id, KICKOFF, 2024, MATCH)
    connection.execute(
        insert(MATCHES).values(
            id=MATCH, source="test", source_id="1", tournament_id="premier", season=2024, sex="M", kickoff_known=True,
            match_day=KICKOFF.date().isoformat(), home_team_id=game.home_team, away_team_id=game.away_team,
            status=MatchStatus.FINISHED.value, home_goals=1, away_goals=1, kickoff_at=KICKOFF, ingested_at=NOW,
            updated_at=NOW,
        )
    )  # fmt: skip
    made_at = KICKOFF.replace(hour=9)
    forecast = Forecast(game, made_at, CHANCES, "v1", "snapshot", "abc123", Cause.REQUESTED)
    own = ledger_hash(forecast, made_at, GENESIS_HASH, with_kickoff_known=False)
    row = forecast_values(LedgerRow(1, forecast, made_at, GENESIS_HASH, own))
    connection.execute(insert(forecasts).values({name: row[name] for name in row if name != "kickoff_known"}))
    for revision, (home_goals, outcome) in enumerate(((2, 0), (1, 1)), 1):
        scores = score(np.array([CHANCES]), np.array([outcome]))
        connection.execute(
            insert(SETTLEMENTS).values(
                match_id=MATCH, revision=revision, forecast_id=1, home_goals=home_goals, away_goals=1,
                log_loss=scores.log_loss, rps=scores.rps, brier=scores.brier, kickoff_at=KICKOFF, settled_at=NOW,
            )
        )  # fmt: skip


def test_settlements_from_before_are_chained_in_their_order_and_the_ledger_is_whole(old: Database) -> None:
    url = old.url.render_as_string(hide_password=False)
    assert migrating.migrate(url) == ("0002", SCHEMA_REVISION)
    found = verify(SqlChains(old))
    assert (found.forecasts.rows, found.settlements.rows, found.whole) == (1, 2, True)
    last = SqlSettlements(old).last([MATCH])[MATCH]
    assert (last.revision, last.kickoff_known, last.model_version, last.status) == (2, True, "v1", MatchStatus.FINISHED)
    assert last.probabilities == CHANCES
