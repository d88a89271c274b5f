"""Captures with their names, statuses and validators, cool-downs of sources, referees."""

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
NAMED = sa.text("UPDATE captures SET name = :name, status = 200 WHERE id = :id")


def upgrade() -> None:
    for column in (
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
    ):
        op.add_column("captures", column)
    connection = op.get_bind()
    before = connection.execute(sa.text("SELECT id, url FROM captures")).all()
    named = [{"id": row.id, "name": _last_part(row.url)} for row in before]
    if named:
        connection.execute(NAMED, named)
    with op.batch_alter_table("captures") as captures:
        captures.alter_column("name", existing_type=sa.Text(), nullable=False)
        captures.alter_column("status", existing_type=sa.Integer(), nullable=False)
    op.create_index("ix_captures_source_taken_at_id", "captures", ["source", "taken_at", "id"])
    not_read = sa.text("problem IS NOT NULL")
    op.create_index("ix_captures_not_read", "captures", ["taken_at"], postgresql_where=not_read, sqlite_where=not_read)

    op.create_table(
        "cool_downs",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_cool_downs"),
    )
    op.add_column("matches", sa.Column("referee", sa.Text(), nullable=True))


def _last_part(url: str) -> str:
    """What a file was published under; `pypi:` and a file's name for the demo."""
    return urlsplit(url).path.rsplit("/", 1)[-1]
