"""Settlements chained by hash, whether a forecast's time of kick-off was known, idempotent answers, metric totals."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
CHUNK = 10_000

SETTLED_BEFORE = sa.text(
    """
    SELECT s.*, f.tournament, f.model_version, f.home_prob, f.draw_prob, f.away_prob, f.recorded_at,
      m.kickoff_known AS day_has_time
    FROM settlements s
      JOIN forecasts f ON f.forecast_id = s.forecast_id
      JOIN matches m ON m.id = s.match_id
    ORDER BY s.settled_at, s.match_id, s.revision
    """
)
FINISHED = 6
COPIED = (
    "match_id", "revision", "forecast_id", "tournament", "model_version", "home_prob", "draw_prob", "away_prob",
    "kickoff_at", "home_goals", "away_goals", "log_loss", "rps", "brier", "market_bookmaker", "market_home_prob",
    "market_draw_prob", "market_away_prob", "market_log_loss", "market_rps", "market_brier", "settled_at",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("forecasts", sa.Column("kickoff_known", sa.Boolean(), nullable=True))
    op.drop_index("ix_forecasts_match_id", "forecasts")
    op.create_index("ix_forecasts_match_id_forecast_id", "forecasts", ["match_id", "forecast_id"])
    _partial_index("ix_forecasts_pairing", "forecasts", ["home_team", "away_team", "kickoff_at"], "match_id IS NULL")
    _partial_index("ix_matches_not_finished", "matches", ["id"], f"status <> {FINISHED}")

    op.add_column("dead_events", sa.Column("trigger", sa.Text(), nullable=True))

    before = op.get_bind().execute(SETTLED_BEFORE).all()
    op.drop_table("settlements")
    settlements = _make_settlements()
    rows = list(_chained(before))
    for start in range(0, len(rows), CHUNK):
        op.bulk_insert(settlements, rows[start : start + CHUNK])
    _forbid_changes_to_settlements()

    op.create_table(
        "idempotent_answers",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "route", "key", name="pk_idempotent_answers"),
    )
    op.create_index("ix_idempotent_answers_expires_at", "idempotent_answers", ["expires_at"])
    op.create_table(
        "metric_totals",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name="pk_metric_totals"),
    )


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _make_settlements() -> sa.Table:
    table = op.create_table(
        "settlements",
        sa.Column("settlement_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("match_id", BIG_ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("forecast_id", BIG_ID, nullable=False),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("home_prob", sa.Double(), nullable=False),
        sa.Column("draw_prob", sa.Double(), nullable=False),
        sa.Column("away_prob", sa.Double(), nullable=False),
        sa.Column("kickoff_at", INSTANT, nullable=False),
        sa.Column("kickoff_known", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("home_goals", sa.Integer(), nullable=True),
        sa.Column("away_goals", sa.Integer(), nullable=True),
        sa.Column("log_loss", sa.Double(), nullable=True),
        sa.Column("rps", sa.Double(), nullable=True),
        sa.Column("brier", sa.Double(), nullable=True),
        sa.Column("market_bookmaker", sa.Text(), nullable=True),
        sa.Column("market_home_prob", sa.Double(), nullable=True),
        sa.Column("market_draw_prob", sa.Double(), nullable=True),
        sa.Column("market_away_prob", sa.Double(), nullable=True),
        sa.Column("market_log_loss", sa.Double(), nullable=True),
        sa.Column("market_rps", sa.Double(), nullable=True),
        sa.Column("market_brier", sa.Double(), nullable=True),
        sa.Column("settled_at", INSTANT, nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["match_id"], ["matches.id"], name="fk_settlements_match_id"),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.forecast_id"], name="fk_settlements_forecast_id"),
        sa.PrimaryKeyConstraint("settlement_id", name="pk_settlements"),
        sa.UniqueConstraint("hash", name="uq_settlements_hash"),
        sa.UniqueConstraint("match_id", "revision", name="uq_settlements_match_id_revision"),
    )
    op.create_index("ix_settlements_kickoff_at", "settlements", ["kickoff_at"])
    op.create_index("ix_settlements_tournament_kickoff_at", "settlements", ["tournament", "kickoff_at"])
    _partial_index("ix_settlements_revised", "settlements", ["match_id", "revision"], "revision > 1")
    return table


def _chained(before: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The rows with what they lacked, as the domain chains settlements since this revision."""
    last = "0" * 64
    for number, row in enumerate(before, 1):
        # a forecast from after the kick-off counted because only the day was known
        known = bool(row.day_has_time) and row.recorded_at < row.kickoff_at
        own = _hash(row, known, last)
        yield {
            **{name: getattr(row, name) for name in COPIED},
            "settlement_id": number, "kickoff_known": known, "status": FINISHED, "previous_hash": last, "hash": own,
        }  # fmt: skip
        last = own


def _hash(row: Any, kickoff_known: bool, previous_hash: str) -> str:
    market = None
    if row.market_bookmaker is not None:
        chances = row.market_home_prob, row.market_draw_prob, row.market_away_prob
        scores = row.market_log_loss, row.market_rps, row.market_brier
        market = [row.market_bookmaker, *map(_hex, (*chances, *scores))]
    fields = [
        row.match_id,
        row.revision,
        row.forecast_id,
        row.tournament,
        row.model_version,
        *map(_hex, (row.home_prob, row.draw_prob, row.away_prob)),
        _iso(row.kickoff_at),
        kickoff_known,
        FINISHED,
        [row.home_goals, row.away_goals, *map(_hex, (row.log_loss, row.rps, row.brier))],
        market,
        _iso(row.settled_at),
        previous_hash,
    ]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def _hex(number: float) -> str:
    return float(number).hex()


def _iso(instant: Any) -> str:
    """Of what the driver gives: SQLite holds the text, in UTC."""
    aware = datetime.fromisoformat(instant).replace(tzinfo=UTC) if isinstance(instant, str) else instant
    return str(aware.astimezone(UTC).isoformat(timespec="microseconds"))


def _forbid_changes_to_settlements() -> None:
    message = "settlements are never changed or deleted"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER settlements_no_{event.lower()} BEFORE {event} ON settlements"
                f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION settlements_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER settlements_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON settlements"
        " FOR EACH STATEMENT EXECUTE FUNCTION settlements_refuse_change()"
    )
