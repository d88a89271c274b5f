"""A database from before settlements were chained, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
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
from tests.contract.revisions import at_revision

MATCH, DAY_ONLY, TIME_TOLD_LATE = 7, 8, 9
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
    with at_revision(database, "0002") as connection:
        fill(connection)
    return database


def fill(connection: Connection) -> None:
    connection.execute(text("INSERT INTO tournaments VALUES ('premier', 'Premier League', 'england', 1, 'M', 8)"))
    for team in TEAMS:
        add = text("INSERT INTO teams VALUES (:id, :name, 'england', 'M', 'test', :at)").bindparams(
            id=team.team_id, name=team.name
        )
        connection.execute(add, {"at": NOW.replace(tzinfo=None).isoformat(" ")})
    game = Fixture("premier", TEAMS[0].team_id, TEAMS[1].team_id, KICKOFF, 2024, MATCH)
    midnight = KICKOFF.replace(hour=0)
    end = GENESIS_HASH
    for forecast_id, (fixture, known) in enumerate(
        (
            (game, True),
            (replace(game, match_id=DAY_ONLY, kickoff_at=midnight), False),
            (replace(game, match_id=TIME_TOLD_LATE, kickoff_at=midnight), True),
        ),
        1,
    ):
        assert fixture.match_id is not None
        connection.execute(
            insert(MATCHES).values(
                id=fixture.match_id, source="test", source_id=str(fixture.match_id), tournament_id="premier", season=2024,
                sex="M", kickoff_known=known, match_day=(KICKOFF + timedelta(days=forecast_id)).date().isoformat(),
                home_team_id=game.home_team, away_team_id=game.away_team, status=MatchStatus.FINISHED.value, home_goals=1,
                away_goals=1, kickoff_at=KICKOFF if known else midnight, ingested_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
        made_at = KICKOFF.replace(hour=9)
        forecast = Forecast(fixture, made_at, CHANCES, "v1", "snapshot", "abc123", Cause.REQUESTED)
        own = ledger_hash(forecast, made_at, end, with_kickoff_known=False)
        row = forecast_values(LedgerRow(forecast_id, forecast, made_at, end, own))
        connection.execute(insert(forecasts).values({name: row[name] for name in row if name != "kickoff_known"}))
        end = own
        if fixture.match_id != MATCH:
            settle(connection, fixture.match_id, 1, forecast_id, midnight, (1, 1))
    for revision, goals in enumerate(((2, 1), (1, 1)), 1):
        settle(connection, MATCH, revision, 1, KICKOFF, goals)


def settle(
    connection: Connection, match_id: int, revision: int, forecast_id: int, kickoff_at: datetime, goals: tuple[int, int]
) -> None:
    scores = score(np.array([CHANCES]), np.array([1 - np.sign(goals[0] - goals[1])]))
    connection.execute(
        insert(SETTLEMENTS).values(
            match_id=match_id, revision=revision, forecast_id=forecast_id, home_goals=goals[0], away_goals=goals[1],
            log_loss=scores.log_loss, rps=scores.rps, brier=scores.brier, kickoff_at=kickoff_at, settled_at=NOW,
        )
    )  # fmt: skip


def test_settlements_from_before_are_chained_in_their_order_and_the_ledger_is_whole(old: Database) -> None:
    url = old.url.render_as_string(hide_password=False)
    assert migrating.migrate(url) == ("0002", SCHEMA_REVISION)
    found = verify(SqlChains(old))
    assert (found.forecasts.rows, found.settlements.rows, found.whole) == (3, 4, True)
    last = SqlSettlements(old).last([MATCH])[MATCH]
    assert (last.revision, last.kickoff_known, last.model_version, last.status) == (2, True, "v1", MatchStatus.FINISHED)
    assert last.probabilities == CHANCES


def test_where_only_the_day_was_known_the_settlement_says_so_even_if_the_time_was_told_later(old: Database) -> None:
    """Its forecast is from after midnight, which the match was given as its kick-off."""
    migrating.migrate(old.url.render_as_string(hide_password=False))
    assert verify(SqlChains(old)).whole
    last = SqlSettlements(old).last([DAY_ONLY, TIME_TOLD_LATE])
    assert {match_id: one.kickoff_known for match_id, one in last.items()} == {DAY_ONLY: False, TIME_TOLD_LATE: False}
