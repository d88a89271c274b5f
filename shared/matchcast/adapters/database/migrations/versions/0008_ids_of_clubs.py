"""What a source itself knows its clubs by."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("team_aliases", sa.Column("club_id", sa.Text(), nullable=True))
