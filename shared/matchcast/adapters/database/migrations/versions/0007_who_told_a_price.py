"""Who told a price: a source may correct its own. Only football-data told prices before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("odds", sa.Column("source", sa.Text(), nullable=False, server_default="football-data"))
