"""Tasks, handled and dead events, settlements and drift reports."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("submitted_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_expires_at", "tasks", ["expires_at"])
    op.create_table(
        "handled_events",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("handled_at", INSTANT, nullable=False),
        sa.Column("reply", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("consumer", "source", "id", name="pk_handled_events"),
    )
    op.create_index("ix_handled_events_handled_at", "handled_events", ["handled_at"])
    op.create_table(
        "dead_events",
        sa.Column("letter_id", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("died_at", INSTANT, nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("replayed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("letter_id", name="pk_dead_events"),
    )
    op.create_index("ix_dead_events_died_at_letter_id", "dead_events", ["died_at", "letter_id"])
    op.create_table(
        "settlements",
        sa.Column("match_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("forecast_id", BIG_ID, nullable=False),
        sa.Column("kickoff_at", INSTANT, nullable=False),
        sa.Column("home_goals", sa.Integer(), nullable=False),
        sa.Column("away_goals", sa.Integer(), nullable=False),
        sa.Column("log_loss", sa.Double(), nullable=False),
        sa.Column("rps", sa.Double(), nullable=False),
        sa.Column("brier", sa.Double(), nullable=False),
        sa.Column("market_bookmaker", sa.Text(), nullable=True),
        sa.Column("market_home_prob", sa.Double(), nullable=True),
        sa.Column("market_draw_prob", sa.Double(), nullable=True),
        sa.Column("market_away_prob", sa.Double(), nullable=True),
        sa.Column("market_log_loss", sa.Double(), nullable=True),
        sa.Column("market_rps", sa.Double(), nullable=True),
        sa.Column("market_brier", sa.Double(), nullable=True),
        sa.Column("settled_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["match_id"], ["matches.id"], name="fk_settlements_match_id"),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.forecast_id"], name="fk_settlements_forecast_id"),
        sa.PrimaryKeyConstraint("match_id", "revision", name="pk_settlements"),
    )
    op.create_index("ix_settlements_kickoff_at", "settlements", ["kickoff_at"])
    op.create_table(
        "drift_reports",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("checked_at", INSTANT, nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("prediction_score", sa.Double(), nullable=False),
        sa.Column("matches", sa.Integer(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("report_key", sa.Text(), nullable=False),
        sa.Column("html_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_drift_reports"),
    )
    op.create_index("ix_drift_reports_checked_at", "drift_reports", ["checked_at"])
