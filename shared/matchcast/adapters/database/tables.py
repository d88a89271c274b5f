"""The tables, as SQLAlchemy Core sees them; `migrations` makes them."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from matchcast.adapters.database.records import instant_text
from matchcast.domain.match import MatchStats


class Instant(TypeDecorator[datetime]):
    """Aware UTC datetimes with microseconds on every database; naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; give an aware datetime")
        return instant_text(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


# SQLite's own row number is the primary key only if its type is INTEGER
_BigId = BigInteger().with_variant(Integer, "sqlite")

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

tournaments: Final = Table(
    "tournaments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("sex", Text, nullable=False),
    Column("season_starts_in", Integer, nullable=False),
)

teams: Final = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False, index=True),
    Column("sex", Text, nullable=False),
    Column("created_from", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

team_aliases: Final = Table(
    "team_aliases",
    metadata,
    Column("source", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), index=True),
    Column("status", Text, nullable=False),
    Column("proposals", JSON, nullable=False),
    Column("decided_at", Instant),
    Column("club_id", Text),
)

tournament_aliases: Final = Table(
    "tournament_aliases",
    metadata,
    Column("source", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("tournament_id", Text),
    Column("status", Text, nullable=False),
    Column("proposals", JSON, nullable=False),
    Column("decided_at", Instant),
)

waiting_matches: Final = Table(
    "waiting_matches",
    metadata,
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("tournament", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("home_name", Text, nullable=False),
    Column("away_name", Text, nullable=False),
    Column("home_goals", Integer),
    Column("away_goals", Integer),
)

matches: Final = Table(
    "matches",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("tournament_id", Text, ForeignKey("tournaments.id"), nullable=False),
    Column("season", Integer, nullable=False),
    Column("stage", Text),
    Column("region", Text),
    Column("sex", Text, nullable=False),
    Column("kickoff_at", Instant, nullable=False),
    Column("kickoff_known", Boolean, nullable=False),
    Column("match_day", Date, nullable=False),
    Column("home_team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("away_team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("status", Integer, nullable=False),
    Column("home_goals", Integer),
    Column("away_goals", Integer),
    Column("home_goals_extra_time", Integer),
    Column("away_goals_extra_time", Integer),
    Column("home_penalties", Integer),
    Column("away_penalties", Integer),
    Column("referee", Text),
    Column("ingested_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("source", "source_id"),
    UniqueConstraint("tournament_id", "home_team_id", "away_team_id", "match_day"),
    CheckConstraint("home_team_id <> away_team_id", name="two_clubs"),
    Index(None, "kickoff_at", "id"),
    Index(None, "home_team_id", "kickoff_at"),
    Index(None, "away_team_id", "kickoff_at"),
    Index("ix_matches_not_finished", "id", postgresql_where=text("status <> 6"), sqlite_where=text("status <> 6")),
)

match_stats: Final = Table(
    "match_stats",
    metadata,
    Column("match_id", _BigId, ForeignKey("matches.id"), primary_key=True, autoincrement=False),
    *(Column(name, Integer) for name in MatchStats._fields),
)

odds: Final = Table(
    "odds",
    metadata,
    Column("match_id", _BigId, ForeignKey("matches.id"), primary_key=True, autoincrement=False),
    Column("bookmaker", Text, primary_key=True),
    Column("moment", Text, primary_key=True),
    Column("home", Double, nullable=False),
    Column("draw", Double, nullable=False),
    Column("away", Double, nullable=False),
    Column("taken_at", Instant),
    Column("source", Text, nullable=False),
    sqlite_with_rowid=False,
)

captures: Final = Table(
    "captures",
    metadata,
    Column("id", _BigId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("sha256", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("problem", Text),
    UniqueConstraint("url", "taken_at"),
    Index(None, "source", "taken_at", "id"),
    Index(
        "ix_captures_not_read",
        "taken_at",
        postgresql_where=text("problem IS NOT NULL"),
        sqlite_where=text("problem IS NOT NULL"),
    ),
)

cool_downs: Final = Table(
    "cool_downs",
    metadata,
    Column("source", Text, primary_key=True),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
)

forecasts: Final = Table(
    "forecasts",
    metadata,
    Column("forecast_id", _BigId, primary_key=True, autoincrement=False),
    Column("match_id", _BigId),
    Column("tournament", Text, nullable=False),
    Column("home_team", Text, nullable=False),
    Column("away_team", Text, nullable=False),
    Column("season", Integer),
    Column("kickoff_at", Instant, nullable=False),
    Column("kickoff_known", Boolean),
    Column("as_of", Instant, nullable=False),
    Column("home_prob", Double, nullable=False),
    Column("draw_prob", Double, nullable=False),
    Column("away_prob", Double, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("snapshot_hash", Text, nullable=False),
    Column("code_revision", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Index(None, "match_id", "forecast_id"),
    Index(
        "ix_forecasts_pairing",
        "home_team",
        "away_team",
        "kickoff_at",
        postgresql_where=text("match_id IS NULL"),
        sqlite_where=text("match_id IS NULL"),
    ),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
)

tasks: Final = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("result", JSON(none_as_null=True)),
    Column("problem", JSON(none_as_null=True)),
)

handled_events: Final = Table(
    "handled_events",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("handled_at", Instant, nullable=False, index=True),
    Column("reply", JSON(none_as_null=True)),
)

dead_events: Final = Table(
    "dead_events",
    metadata,
    Column("letter_id", Text, primary_key=True),
    Column("broker", Text, nullable=False),
    Column("event", JSON, nullable=False),
    Column("destination", Text, nullable=False),
    Column("code", Integer),
    Column("reason", Text, nullable=False),
    Column("died_at", Instant, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("replayed_at", Instant),
    Column("trigger", Text),
    Index(None, "died_at", "letter_id"),
)

settlements: Final = Table(
    "settlements",
    metadata,
    Column("settlement_id", _BigId, primary_key=True, autoincrement=False),
    Column("match_id", _BigId, ForeignKey("matches.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("forecast_id", _BigId, ForeignKey("forecasts.forecast_id"), nullable=False),
    Column("tournament", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("home_prob", Double, nullable=False),
    Column("draw_prob", Double, nullable=False),
    Column("away_prob", Double, nullable=False),
    Column("kickoff_at", Instant, nullable=False, index=True),
    Column("kickoff_known", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("home_goals", Integer),
    Column("away_goals", Integer),
    Column("log_loss", Double),
    Column("rps", Double),
    Column("brier", Double),
    Column("market_bookmaker", Text),
    Column("market_home_prob", Double),
    Column("market_draw_prob", Double),
    Column("market_away_prob", Double),
    Column("market_log_loss", Double),
    Column("market_rps", Double),
    Column("market_brier", Double),
    Column("settled_at", Instant, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    UniqueConstraint("match_id", "revision"),
    Index(None, "tournament", "kickoff_at"),
    Index(
        "ix_settlements_revised",
        "match_id",
        "revision",
        postgresql_where=text("revision > 1"),
        sqlite_where=text("revision > 1"),
    ),
)

idempotent_answers: Final = Table(
    "idempotent_answers",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_sha256", Text, nullable=False),
    Column("status", Integer),
    Column("headers", JSON(none_as_null=True)),
    Column("body", LargeBinary),
    Column("begun_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

metric_totals: Final = Table(
    "metric_totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("value", Double, nullable=False),
)

drift_reports: Final = Table(
    "drift_reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("checked_at", Instant, nullable=False, index=True),
    Column("model_version", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("prediction_score", Double, nullable=False),
    Column("matches", Integer, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("report_key", Text, nullable=False),
    Column("html_key", Text, nullable=False),
)
