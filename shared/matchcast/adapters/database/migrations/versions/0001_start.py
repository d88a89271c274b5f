"""Matches, odds, clubs, captures, the forecast ledger and API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_table(
        "captures",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_captures"),
        sa.UniqueConstraint("url", "taken_at", name="uq_captures_url_taken_at"),
    )
    op.create_table(
        "forecasts",
        sa.Column("forecast_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("match_id", BIG_ID, nullable=True),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("home_team", sa.Text(), nullable=False),
        sa.Column("away_team", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=True),
        sa.Column("kickoff_at", INSTANT, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("home_prob", sa.Double(), nullable=False),
        sa.Column("draw_prob", sa.Double(), nullable=False),
        sa.Column("away_prob", sa.Double(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("snapshot_hash", sa.Text(), nullable=False),
        sa.Column("code_revision", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_forecasts"),
        sa.UniqueConstraint("hash", name="uq_forecasts_hash"),
    )
    op.create_index("ix_forecasts_match_id", "forecasts", ["match_id"], unique=False)
    op.create_table(
        "teams",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("created_from", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
    )
    op.create_index("ix_teams_country", "teams", ["country"], unique=False)
    op.create_table(
        "tournaments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("season_starts_in", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tournaments"),
    )
    op.create_table(
        "matches",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("tournament_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("kickoff_at", INSTANT, nullable=False),
        sa.Column("kickoff_known", sa.Boolean(), nullable=False),
        sa.Column("match_day", sa.Date(), nullable=False),
        sa.Column("home_team_id", sa.Text(), nullable=False),
        sa.Column("away_team_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("home_goals", sa.Integer(), nullable=True),
        sa.Column("away_goals", sa.Integer(), nullable=True),
        sa.Column("home_goals_extra_time", sa.Integer(), nullable=True),
        sa.Column("away_goals_extra_time", sa.Integer(), nullable=True),
        sa.Column("home_penalties", sa.Integer(), nullable=True),
        sa.Column("away_penalties", sa.Integer(), nullable=True),
        sa.Column("ingested_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["away_team_id"], ["teams.id"], name="fk_matches_away_team_id"),
        sa.ForeignKeyConstraint(["home_team_id"], ["teams.id"], name="fk_matches_home_team_id"),
        sa.ForeignKeyConstraint(["tournament_id"], ["tournaments.id"], name="fk_matches_tournament_id"),
        sa.CheckConstraint("home_team_id <> away_team_id", name=op.f("ck_matches_two_clubs")),
        sa.PrimaryKeyConstraint("id", name="pk_matches"),
        sa.UniqueConstraint("source", "source_id", name="uq_matches_source_source_id"),
        sa.UniqueConstraint(
            "tournament_id",
            "home_team_id",
            "away_team_id",
            "match_day",
            name="uq_matches_tournament_id_home_team_id_away_team_id_match_day",
        ),
    )
    op.create_index("ix_matches_away_team_id_kickoff_at", "matches", ["away_team_id", "kickoff_at"], unique=False)
    op.create_index("ix_matches_home_team_id_kickoff_at", "matches", ["home_team_id", "kickoff_at"], unique=False)
    op.create_index("ix_matches_kickoff_at_id", "matches", ["kickoff_at", "id"], unique=False)
    op.create_table(
        "team_aliases",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("proposals", sa.JSON(), nullable=False),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_team_aliases_team_id"),
        sa.PrimaryKeyConstraint("source", "country", "name", name="pk_team_aliases"),
    )
    op.create_index("ix_team_aliases_team_id", "team_aliases", ["team_id"], unique=False)
    op.create_table(
        "match_stats",
        sa.Column("match_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("home_shots", sa.Integer(), nullable=True),
        sa.Column("away_shots", sa.Integer(), nullable=True),
        sa.Column("home_shots_on_target", sa.Integer(), nullable=True),
        sa.Column("away_shots_on_target", sa.Integer(), nullable=True),
        sa.Column("home_corners", sa.Integer(), nullable=True),
        sa.Column("away_corners", sa.Integer(), nullable=True),
        sa.Column("home_fouls", sa.Integer(), nullable=True),
        sa.Column("away_fouls", sa.Integer(), nullable=True),
        sa.Column("home_yellows", sa.Integer(), nullable=True),
        sa.Column("away_yellows", sa.Integer(), nullable=True),
        sa.Column("home_reds", sa.Integer(), nullable=True),
        sa.Column("away_reds", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["match_id"], ["matches.id"], name="fk_match_stats_match_id"),
        sa.PrimaryKeyConstraint("match_id", name="pk_match_stats"),
    )
    op.create_table(
        "odds",
        sa.Column("match_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("bookmaker", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("home", sa.Double(), nullable=False),
        sa.Column("draw", sa.Double(), nullable=False),
        sa.Column("away", sa.Double(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["match_id"], ["matches.id"], name="fk_odds_match_id"),
        sa.PrimaryKeyConstraint("match_id", "bookmaker", "moment", name="pk_odds"),
        sqlite_with_rowid=False,
    )

    _forbid_changes_to_the_ledger()


def _forbid_changes_to_the_ledger() -> None:
    message = "forecasts are never changed or deleted"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER forecasts_no_{event.lower()} BEFORE {event} ON forecasts"
                f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION forecasts_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER forecasts_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON forecasts"
        " FOR EACH STATEMENT EXECUTE FUNCTION forecasts_refuse_change()"
    )
